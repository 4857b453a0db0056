/**
 * What the service stands on, in memory: a cluster, a token endpoint and jobs.
 */
import { NodeCrypto } from "@effect/platform-node"
import { TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { AuthMemory } from "@flyte-databricks/databricks-auth/testing"
import { JobsClient } from "@flyte-databricks/databricks-jobs"
import { Chain } from "@flyte-databricks/diagnosis"
import { Duration, Effect, Layer, Option, Redacted } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { Platform } from "../../src/Platform.ts"
import * as Runs from "../../src/Runs.ts"

export const instance = "dbc-1.cloud.databricks.com"

/** Everything in the cluster that nobody may see. */
export const secrets = ["client-secret-of-search", "pat-of-billing", "access-token-1"]

const core = AuthMemory.layer({
  settings: { instance },
  secrets: {
    "search/databricks-oauth": { client_id: "sp-search", client_secret: secrets[0]! },
    "growth/databricks-oauth": { client_id: "sp-growth" },
    "billing/databricks-token": { token: secrets[1]! }
  },
  respond: (request, count) =>
    Effect.succeed({
      value: Redacted.make(`access-token-${count}`),
      lifetime: Duration.hours(1),
      builtFrom: TokenEndpoint.secretOf(request)
    })
})

// The workspace, as far as a proof asks it.
const answers: Readonly<Record<string, object>> = {
  "/.well-known/databricks-config": { workspace_id: 7 },
  "/api/2.0/preview/scim/v2/Me": { userName: "sp-search" },
  "/api/2.1/jobs/runs/list": {}
}
const workspace = Layer.succeed(
  HttpClient.HttpClient,
  HttpClient.make((request, { pathname }) =>
    Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(answers[pathname], { status: 200 })))
  )
)
const chains = Layer.succeed(Chain.Chains, {
  of: () =>
    Effect.succeed(Option.some({ subject: instance, authority: "An authority", trustedBy: Option.some("Node.js") }))
})

/** The core and its surroundings, and the service's own parts on top. */
export const layer = Runs.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(core, JobsClient.layerMemory, NodeCrypto.layerSecureRandom, workspace, chains)),
  Layer.provideMerge(
    Layer.succeed(Platform, { workspace: instance, standIns: false, speed: 1, namespaces: [{ name: "search" }] })
  )
)
