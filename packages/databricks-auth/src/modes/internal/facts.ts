/**
 * What a start-up summary says of a credential on the connector.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { AuthError } from "../../AuthError.ts"

/** Says that a credential is there, is not, or is broken; `whole` is what a whole one is said to be. */
export const said = <A>(
  found: Result.Result<Option.Option<A>, AuthError>,
  whole: (credential: A) => string = () => "set"
): string =>
  Result.match(found, {
    onFailure: (error) => `broken: ${error.message}`,
    onSuccess: Option.match({ onNone: () => "none", onSome: whole })
  })

/** Whether there is anything of a credential, whole or broken. */
export const hasAny = <A>(found: Result.Result<Option.Option<A>, AuthError>): boolean =>
  Result.isFailure(found) || Option.isSome(found.success)
