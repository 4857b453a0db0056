/**
 * A program of its own: builds the service from the environment, and prints which packages that loaded.
 */
import { Kubernetes } from "@flyte-databricks/databricks-auth/Kubernetes"
import { NodeServices } from "@effect/platform-node"
import { KubernetesClient } from "@flyte-databricks/kubernetes"
import { Console, Effect, Layer, Option } from "effect"
import { registerHooks } from "node:module"

const loaded = new Set<string>()
registerHooks({
  load: (url, context, nextLoad) => {
    const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
    if (name !== undefined) loaded.add(name)
    return nextLoad(url, context)
  }
})

const program = Effect.gen(function* () {
  const { cluster } = yield* Kubernetes
  yield* Console.log(JSON.stringify({ cluster: Option.getOrNull(cluster), loaded: [...loaded] }))
})

await Effect.runPromise(
  program.pipe(Effect.provide(Layer.provide(KubernetesClient.layerConfig, NodeServices.layer)), Effect.scoped)
)
