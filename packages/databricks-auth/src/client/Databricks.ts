/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The shapes of the client. No type of Effect is among them.
 */
import type { DatabricksError } from "./DatabricksError.ts"

/**
 * How to log in; the functions of `client` make one. It shows nothing of what it holds.
 */
export interface Auth {
  /** The way, as Databricks' SDKs name it: `pat`, `oauth-m2m`, `oidc`, or where it is looked for. */
  readonly type: string
}

/**
 * What `databricks` is given.
 */
export interface Options {
  /** How to log in. */
  readonly auth: Auth
  /**
   * The workspace's address, as in `https://dbc-a1b2.cloud.databricks.com`, or `https://acme.databricks.com/?o=1234` where a
   * host serves several; by default what `DATABRICKS_HOST` says. The token goes nowhere else.
   */
  readonly host?: string | undefined
  /** Sends all requests; by default the `fetch` of the runtime. */
  readonly fetch?: typeof globalThis.fetch | undefined
}

/**
 * A token, and its times. Those of a personal access token are not known to anyone but Databricks.
 */
export interface AccessToken {
  /** The secret itself. */
  readonly accessToken: string
  /** How it is sent (RFC 6750). */
  readonly tokenType: "Bearer"
  /** When it was asked for. */
  readonly issuedAt?: Date
  /** From when on the first call that asks has it renewed, while it is still handed out. */
  readonly refreshAfter?: Date
  /** When Databricks stops taking it. */
  readonly expiresAt?: Date
}

/**
 * One place that was looked at for a credential, and what came of it.
 */
export interface Finding {
  /** What was looked at, as in `Secret team-a/databricks-token`. */
  readonly source: string
  /** What came of it: `used` is the one that counts; `failed` ended the search. */
  readonly outcome: "used" | "absent" | "forbidden" | "failed"
  /** Why, where there is more to say. */
  readonly detail?: string
}

/**
 * Who this client is, and how that was found out. It holds no secret.
 */
export interface Explanation {
  /** The places that were looked at, in order. */
  readonly looked: ReadonlyArray<Finding>
  /** Who it is; absent where that could not be decided. */
  readonly identity?: {
    /** `pat`, `oauth_m2m` or `oidc_federation`. */
    readonly authType: string
    /** The client id; of a personal access token, Databricks alone knows whose it is. */
    readonly principal: string
    readonly source: string
    readonly host: string
  }
  /** Why it could not be decided. */
  readonly error?: DatabricksError
}

/**
 * A login to one workspace. Tokens are cached, shared by all who wait and renewed ahead of their end by the calls that ask;
 * nothing here keeps a process alive. Promises reject with a `DatabricksError`.
 */
export interface Databricks {
  /**
   * As the global one, with the token: relative addresses are the workspace's, and it goes to no other origin. Redirects
   * are not followed, they are answers. Where Databricks says that the token is invalid (401, or 403 in those words), it
   * is renewed and the request sent once more, unless its body is a stream: that can be read once.
   */
  readonly fetch: typeof globalThis.fetch
  /** The headers of a request: `authorization`, and which workspace is meant where its host serves several. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>
  /** The token, with its times. */
  readonly token: () => Promise<AccessToken>
  /**
   * Says that Databricks refused a token, by default the one in hand: the next call has a new one. Nothing happens where it
   * was renewed meanwhile.
   */
  readonly invalidate: (accessToken?: string) => Promise<void>
  /** Who this is, and how that is found out. It asks for no token. */
  readonly explain: () => Promise<Explanation>
  /** The origin of the workspace, as in `https://dbc-a1b2.cloud.databricks.com`. */
  readonly origin: () => Promise<string>
  /** Ends all requests for tokens. Every later call is an error that says so. */
  readonly close: () => Promise<void>
  /** The same, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}
