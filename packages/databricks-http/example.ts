import { NodeServices } from "@effect/platform-node"
import { DatabricksHttp } from "@flyte-databricks/databricks-http"
import { Config, Console, Effect, Layer } from "effect"
import { HttpClient } from "effect/http"

const program = Effect.gen(function* () {
  const host = yield* Config.String("DATABRICKS_HOST")
  const { status } = yield* HttpClient.get(`${host}/.well-known/databricks-config`)
  yield* Console.log(status)
})

await Effect.runPromise(program.pipe(Effect.provide(Layer.provide(DatabricksHttp.layer, NodeServices.layer))))
