import { NodeHttpClient, NodeRuntime, NodeServices } from "@effect/platform-node"
import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { KubernetesClient } from "@flyte-databricks/kubernetes"
import { Console, Effect, Layer } from "effect"

const core = DatabricksAuth.layerConfig.pipe(
  Layer.provide([KubernetesClient.layerConfig, NodeHttpClient.layerUndici]),
  Layer.provide(NodeServices.layer)
)
const program = Effect.gen(function* () {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const who = yield* auth.resolve({ namespace: "fraud-production" })
  const { authorization } = yield* auth.getHeader(who)
  yield* Console.log(who.identity.principal, who.identity.source, String(authorization))
})
NodeRuntime.runMain(Effect.provide(program, core))
