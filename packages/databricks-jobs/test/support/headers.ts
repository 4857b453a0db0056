import { DatabricksAuth } from "@flyte-databricks/databricks-auth/DatabricksAuth"
import { PatIdentity } from "@flyte-databricks/databricks-auth/Identity"
import type { AuthHeader, Credential } from "@flyte-databricks/databricks-auth/Credential"
import * as LiveSecrets from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import * as IdentityRecord from "@flyte-databricks/databricks-auth/IdentityRecord"
import { WorkspaceHost } from "@flyte-databricks/databricks-auth/WorkspaceHost"
import { Effect, Layer, Redacted, Ref } from "effect"

export const credentialAt = (instance: string): Credential => ({
  identity: new PatIdentity({ instance: WorkspaceHost.make(instance), origin: { _tag: "ConnectorLevel" } })
})

/** Which header was refused, and for whom. */
export interface Invalidation {
  readonly credential: Credential
  readonly refused: AuthHeader
}

const header = (token: string): AuthHeader => {
  LiveSecrets.add(Redacted.make(token))
  return { authorization: Redacted.make(`Bearer ${token}`) }
}

/**
 * Stands in for the boundary: gives the tokens in their order, the next one each time one is invalidated, and keeps
 * what was invalidated.
 */
export const tokens = (given: ReadonlyArray<string>, invalidations: Ref.Ref<ReadonlyArray<Invalidation>>) =>
  Layer.mock(DatabricksAuth, {
    record: ({ identity }) => IdentityRecord.empty(identity.instance),
    getHeader: () =>
      Effect.map(Ref.get(invalidations), ({ length }) => header(given[Math.min(length, given.length - 1)]!)),
    invalidate: (credential, refused) => Ref.update(invalidations, (all) => [...all, { credential, refused }])
  })
