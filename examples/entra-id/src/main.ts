/** Asks the stand-in for a header, as a connector on Azure would ask Entra ID. */
import { NodeRuntime } from "@effect/platform-node"
import { DatabricksAuth, OAuthEndpoint } from "@flyte-databricks/databricks-auth"
import { AuthMemory } from "@flyte-databricks/databricks-auth/testing"
import { Console, Effect, Layer } from "effect"
import * as EntraId from "./EntraId.ts"
import * as StandIn from "./StandIn.ts"

const layer = AuthMemory.layerOf([EntraId.mode({ tenantId: "contoso" })], {
  settings: { instance: "adb-1.2.azuredatabricks.net" },
  secrets: { "team-a/databricks-oauth": { client_id: "app-1", client_secret: "of team a" } }
}).pipe(Layer.provide(OAuthEndpoint.layer), Layer.provide(StandIn.layer))

const program = Effect.gen(function* () {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const who = yield* auth.resolve({ namespace: "team-a" })
  for (const { outcome, source } of who.explanation) yield* Console.log(`${source}: ${outcome}`)
  const { authorization } = yield* auth.getHeader(who)
  yield* Console.log(`${who.identity.principal} has ${String(authorization)}`)
})

program.pipe(Effect.provide(layer), NodeRuntime.runMain)
