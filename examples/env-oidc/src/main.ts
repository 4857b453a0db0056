/** Asks a stand-in for a workspace for a header, as a job of a CI system would ask the real one. */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import { ConfigProvider, Console, Effect, Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import * as EnvOidc from "./EnvOidc.ts"

const subject = "repo:acme/jobs:ref:refs/heads/main"

const program = Effect.gen(function* () {
  // An issuer, and a service principal whose federation policy takes its tokens.
  const issuer = yield* KubernetesApi.make()
  const workspace = yield* DatabricksWorkspace.make()
  const policy = { issuer: issuer.issuer, subject, audiences: ["databricks"] }
  const { applicationId } = yield* workspace.addServicePrincipal({ secrets: [], federationPolicies: [policy] })
  const idToken = yield* issuer.mintToken({ sub: subject, aud: ["databricks"] })
  const env = {
    FLYTE_DATABRICKS_INSTANCE: workspace.url,
    DATABRICKS_CLIENT_ID: applicationId,
    DATABRICKS_OIDC_TOKEN: Redacted.value(idToken)
  }

  yield* Effect.gen(function* () {
    const auth = yield* DatabricksAuth.DatabricksAuth
    const who = yield* auth.resolve({})
    for (const { outcome, source } of who.explanation) yield* Console.log(`${source}: ${outcome}`)
    const { authorization } = yield* auth.getHeader(who)
    const me = yield* HttpClientRequest.get(`${workspace.url}/api/2.0/preview/scim/v2/Me`).pipe(
      HttpClientRequest.setHeader("authorization", Redacted.value(authorization)),
      HttpClient.execute
    )
    yield* Console.log(`Databricks answers ${me.status} to ${String(authorization)}`)
  }).pipe(Effect.provide(EnvOidc.layer), Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
})

program.pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerUndici), NodeRuntime.runMain)
