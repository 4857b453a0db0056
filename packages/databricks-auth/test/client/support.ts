/** A client on a workspace of the emulators. The workspace's clock is the test's; the client's is real, and nothing waits on it. */
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, FileSystem, Redacted, type Scope } from "effect"
import type { Databricks, Options } from "../../src/client.ts"
import { databricks, type DatabricksError, oauthM2M } from "../../src/client.ts"

export const workspaceOf = (options: DatabricksWorkspace.Options = {}) =>
  Effect.gen(function* () {
    const workspace = yield* DatabricksWorkspace.make(options)
    const { applicationId, pats, secrets } = yield* workspace.addServicePrincipal({ pats: ["dapi-of-the-client"] })
    const credentials = { clientId: applicationId, clientSecret: Redacted.value(secrets[0]!) }
    return { ...workspace, credentials, pat: Redacted.value(pats[0]!) }
  })

/** A client that is closed at the test's end. */
export const clientOf = (options: Options): Effect.Effect<Databricks, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => databricks(options)),
    (client) => Effect.promise(client.close)
  )

/** One as a service principal of a new workspace. */
export const m2m = (options: DatabricksWorkspace.Options = {}) =>
  Effect.gen(function* () {
    const workspace = yield* workspaceOf(options)
    const client = yield* clientOf({ host: workspace.url, auth: oauthM2M(workspace.credentials) })
    return { workspace, client }
  })

/** What a promise is rejected with. */
export const rejection = (promise: () => Promise<unknown>): Effect.Effect<DatabricksError> =>
  Effect.flip(Effect.tryPromise({ try: promise, catch: (error) => error as DatabricksError })).pipe(Effect.orDie)

export const tokenRequests = { method: "POST", path: "/oidc/v1/token" } as const
export const me = "/api/2.0/preview/scim/v2/Me"

/** A file that holds a text, until the test's end. */
export const fileWith = Effect.fnUntraced(function* (text: string) {
  const files = yield* FileSystem.FileSystem
  const path = yield* files.makeTempFileScoped()
  yield* files.writeFileString(path, text)
  return path
}, Effect.provide(NodeFileSystem.layer))
