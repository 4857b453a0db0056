import * as Effect from "effect/Effect"
import type { AuthError } from "../AuthError.ts"
import { broken } from "./broken.ts"
import { looksLikeSecret } from "./settings.ts"

/**
 * A client id that was found somewhere. It is shown to operators and stored with runs, so a secret must not pass for one.
 */
export const applicationId = (source: string, problem: string, clientId: string): Effect.Effect<string, AuthError> =>
  looksLikeSecret(clientId)
    ? Effect.fail(broken(source, problem, "Put the service principal's application id there."))
    : Effect.succeed(clientId)
