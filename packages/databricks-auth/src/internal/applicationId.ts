import * as Effect from "effect/Effect"
import { AuthError, CredentialsBroken } from "../AuthError.ts"
import { looksLikeSecret } from "./settings.ts"

/**
 * A client id that was found somewhere. It is shown to operators and stored with runs, so a secret must not pass for one.
 */
export const applicationId = Effect.fnUntraced(function* (
  source: string,
  problem: string,
  clientId: string
): Effect.fn.Return<string, AuthError> {
  if (!looksLikeSecret(clientId)) return clientId
  return yield* new AuthError({
    reason: new CredentialsBroken({ source, problem, remedy: "Put the service principal's application id there." })
  })
})
