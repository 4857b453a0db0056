/**
 * Databricks' SDK for JavaScript (`@databricks/sdk-experimental`) with this client's tokens.
 *
 * ```ts
 * new WorkspaceClient({ host: await workspace.origin(), credentials: sdkCredentials(workspace) })
 * ```
 */
import type { Databricks } from "../Databricks.ts"

/** The SDK's `CredentialProvider`. Its `name` is one of the SDK's own: it has none for a token of others. */
export interface SdkCredentials {
  /** A bearer token of a service principal, in the SDK's words. */
  readonly name: "oauth-m2m"
  /** What puts the headers on requests. It asks for no token yet. */
  readonly configure: () => Promise<SdkVisitor>
}

/** What the SDK calls for each request. */
export type SdkVisitor = (headers: SdkHeaders) => Promise<void>

/** Where it wants the headers. */
export interface SdkHeaders {
  /** Puts a header there, in place of another of that name. */
  set(name: string, value: string): void
}

/**
 * Puts the client's headers on each request of the SDK. The SDK does not tell of a refused token: one that was revoked is
 * renewed when its time comes, or after `invalidate`.
 */
export const sdkCredentials = (workspace: Pick<Databricks, "headers">): SdkCredentials => ({
  name: "oauth-m2m",
  configure: async () => async (headers) => {
    for (const [name, value] of Object.entries(await workspace.headers())) headers.set(name, value)
  }
})
