/**
 * This client as a `TokenCredential` of Azure's SDKs (`@azure/core-auth`), for libraries that ask for one.
 */
import type { Databricks } from "../Databricks.ts"

/** What Azure's SDKs take: moments are in milliseconds since the epoch. */
export interface AzureAccessToken {
  /** The secret itself. */
  readonly token: string
  /** When it ends, in milliseconds since the epoch. */
  readonly expiresOnTimestamp: number
  /** When it should be asked for again, in milliseconds since the epoch. */
  readonly refreshAfterTimestamp?: number
  /** How it is sent. */
  readonly tokenType: "Bearer"
}

/** `TokenCredential`, for a token whose scopes are those of the login: what is asked for changes nothing. */
export interface AzureCredential {
  /** The token in hand, or a new one. Rejects with a `DatabricksError`. */
  readonly getToken: (
    scopes: string | Array<string>,
    options?: { readonly abortSignal?: unknown }
  ) => Promise<AzureAccessToken>
}

// Nobody but Databricks knows when a personal access token ends: it is asked for again after this time.
const unknownLifetime = 5 * 60_000

/** The client's token, with the times that Azure's SDKs cache it by. */
export const azureCredential = (workspace: Pick<Databricks, "token">): AzureCredential => ({
  getToken: async () => {
    const { accessToken, expiresAt, refreshAfter, tokenType } = await workspace.token()
    return {
      token: accessToken,
      tokenType,
      expiresOnTimestamp: expiresAt === undefined ? new Date().getTime() + unknownLifetime : expiresAt.getTime(),
      ...(refreshAfter === undefined ? {} : { refreshAfterTimestamp: refreshAfter.getTime() })
    }
  }
})
