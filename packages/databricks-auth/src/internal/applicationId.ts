import * as Result from "effect/Result"
import type { AuthError } from "../AuthError.ts"
import { broken } from "./broken.ts"
import { looksLikeSecret } from "./settings.ts"

/** As much as a task may write. */
const maxClientId = 256

/**
 * A client id that was found somewhere. It is shown to operators and stored with runs, so a secret must not pass for one;
 * and it is kept, so that there is a limit to its length.
 */
export const applicationId = (source: string, problem: string, clientId: string): Result.Result<string, AuthError> => {
  const isLong = clientId.length > maxClientId
  if (!isLong && !looksLikeSecret(clientId)) return Result.succeed(clientId)
  return Result.fail(
    broken(
      source,
      isLong ? `has a client id of more than ${maxClientId} characters` : problem,
      "Put the service principal's application id there."
    )
  )
}
