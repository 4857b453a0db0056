/**
 * This client as a `TokenCredential` of Azure's SDKs (`@azure/core-auth`), for libraries that ask for one.
 */
import type { Databricks } from "../Databricks.ts"

/** What Azure's SDKs take: moments are in milliseconds since the epoch. */
export interface AzureAccessToken {
  readonly token: string
  readonly expiresOnTimestamp: number
  readonly refreshAfterTimestamp?: number
  readonly tokenType: "Bearer"
}

/** `TokenCredential`, for a token whose scopes are those of the login: what is asked for changes nothing. */
export interface AzureCredential {
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
