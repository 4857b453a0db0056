import * as Effect from "effect/Effect"
import type { AuthError } from "../../AuthError.ts"
import type { Token, Tries } from "../../endpoint/Token.ts"
import type { TokenEndpoint } from "../../endpoint/TokenEndpoint.ts"
import * as IdTokenSource from "../../sources/IdTokenSource.ts"
import type { WorkspaceHost } from "../../WorkspaceHost.ts"

/** Who a token is for, and for whom the ID token is to be made. */
interface Federated {
  readonly instance: WorkspaceHost
  readonly clientId: string
  readonly audience: string
  readonly source: string
}

/**
 * How every federated mode acquires: an ID token of its source, read anew, is exchanged for a token (RFC 8693).
 */
export const exchange = (
  tokenEndpoint: TokenEndpoint["Service"],
  idTokens: IdTokenSource.IdTokenSource["Service"],
  { audience, clientId, instance, source }: Federated,
  tries: Tries,
  isTaskClient = false
): Effect.Effect<Token, AuthError> =>
  Effect.flatMap(IdTokenSource.require(idTokens, audience), (subject) =>
    tokenEndpoint.tokenExchange({ instance, clientId, subject, source, isTaskClient }, tries)
  )
