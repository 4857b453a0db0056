/**
 * What the service stands on, in memory: a cluster, a token endpoint and jobs.
 */
import { NodeCrypto } from "@effect/platform-node"
import { DatabricksAuth, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { JobsClient } from "@flyte-databricks/databricks-jobs"
import { Duration, Effect, Layer, Redacted } from "effect"
import { Platform } from "../../src/Platform.ts"
import * as Runs from "../../src/Runs.ts"

export const instance = "dbc-1.cloud.databricks.com"

/** Everything in the cluster that nobody may see. */
export const secrets = ["client-secret-of-search", "pat-of-billing", "access-token-1"]

const core = DatabricksAuth.layerMemory({
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

/** The core and its surroundings, and the service's own parts on top. */
export const layer = Runs.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(core, JobsClient.layerMemory, NodeCrypto.layerSecureRandom)),
  Layer.provideMerge(
    Layer.succeed(Platform, { workspace: instance, standIns: false, speed: 1, namespaces: [{ name: "search" }] })
  )
)
