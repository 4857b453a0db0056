/**
 * Databricks' SQL driver for Node.js (`@databricks/sql`) with this client's tokens, in each of the three ways that it takes
 * them: spread one into what `connect` is given.
 *
 * ```ts
 * await new DBSQLClient().connect({ host, path, ...sqlCustom(workspace) })
 * ```
 */
import type { Databricks } from "../Databricks.ts"

/** The driver asks for headers, before each of its requests. */
export interface SqlCustom {
  /** The driver's word for this way. */
  readonly authType: "custom"
  /** What it asks. Its promise rejects with a `DatabricksError`. */
  readonly provider: { readonly authenticate: () => Promise<Record<string, string>> }
}

/** The driver asks for a token as text, and caches it by what the JWT says. */
export interface SqlExternalToken {
  /** The driver's word for this way. */
  readonly authType: "external-token"
  /** The token. Rejects with a `DatabricksError`. */
  readonly getToken: () => Promise<string>
}

/** The driver asks for a token with its end, as an object of its own class. */
export interface SqlTokenProvider<Token> {
  /** The driver's word for this way. */
  readonly authType: "token-provider"
  /** What it asks. Its promise rejects with a `DatabricksError`. */
  readonly tokenProvider: { readonly getToken: () => Promise<Token>; readonly getName: () => string }
}

/** Headers: `authType: "custom"`. It is the one to take where nothing else decides. */
export const sqlCustom = (workspace: Pick<Databricks, "headers">): SqlCustom => ({
  authType: "custom",
  provider: { authenticate: async () => ({ ...(await workspace.headers()) }) }
})

/** A token as text: `authType: "external-token"`. */
export const sqlExternalToken = (workspace: Pick<Databricks, "token">): SqlExternalToken => ({
  authType: "external-token",
  getToken: async () => (await workspace.token()).accessToken
})

/** A token with its end: `authType: "token-provider"`. The class is the driver's: `auth.Token`. */
export const sqlTokenProvider = <Token>(
  workspace: Pick<Databricks, "token">,
  Token: new (accessToken: string, options?: { tokenType?: string; expiresAt?: Date }) => Token
): SqlTokenProvider<Token> => ({
  authType: "token-provider",
  tokenProvider: {
    getName: () => "flyte-databricks",
    getToken: async () => {
      const { accessToken, expiresAt, tokenType } = await workspace.token()
      return new Token(accessToken, expiresAt === undefined ? { tokenType } : { tokenType, expiresAt })
    }
  }
})
