import { ConnectorSettings, DatabricksAuth, PatSource } from "@flyte-databricks/databricks-auth"
import { Console, Effect, Layer, Redacted } from "effect"

const pats = PatSource.layerMemory({ namespaces: { "team-a/databricks-token": Redacted.make("dapi-of-team-a") } })
const onlyPats = DatabricksAuth.layerPat.pipe(Layer.provide([pats, ConnectorSettings.layerConfig]))

const program = Effect.gen(function* () {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const who = yield* auth.resolve({ namespace: "team-a" })
  const { authorization } = yield* auth.getHeader(who)
  yield* Console.log(who.identity.source, String(authorization))
})
await Effect.runPromise(Effect.provide(program, onlyPats))
