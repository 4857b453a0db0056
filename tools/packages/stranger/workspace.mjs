// A workspace of the packed emulators. It says on one line where it is and who may log in, as Databricks' own variables.
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import { Effect, Redacted } from "effect"

const program = Effect.gen(function* () {
  const workspace = yield* DatabricksWorkspace.make()
  const { applicationId, secrets } = yield* workspace.addServicePrincipal()
  console.log(
    JSON.stringify({
      DATABRICKS_HOST: workspace.url,
      DATABRICKS_CLIENT_ID: applicationId,
      DATABRICKS_CLIENT_SECRET: Redacted.value(secrets[0])
    })
  )
  yield* Effect.never
})
await Effect.runPromise(Effect.scoped(program))
