import { NodeServices } from "@effect/platform-node"
import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { DatabricksHttp } from "@flyte-databricks/databricks-http"
import { Chain, Explanation } from "@flyte-databricks/diagnosis"
import { KubernetesClient } from "@flyte-databricks/kubernetes"
import { Console, Effect, Layer } from "effect"

const program = Effect.gen(function* () {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const chains = yield* Chain.Chains
  const asked = { context: { namespace: "team-a" }, task: {}, flags: {}, exchange: true }
  const { checks } = yield* Explanation.explain(auth, asked, yield* Explanation.makeWays(chains.of))
  for (const { check, status, text, repair = "" } of checks) yield* Console.log(`${status} ${check}: ${text} ${repair}`)
})

const layer = DatabricksAuth.layerConfig.pipe(
  Layer.provideMerge([DatabricksHttp.layer, Chain.layer]),
  Layer.provide(KubernetesClient.layerConfig),
  Layer.provide(NodeServices.layer)
)
await Effect.runPromise(Effect.provide(program, layer))
