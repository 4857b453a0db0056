/**
 * What went wrong below HTTP, in the system's own words.
 */
import * as Predicate from "effect/Predicate"
import type * as HttpClientError from "effect/http/HttpClientError"

/**
 * The innermost cause names the fault (ECONNREFUSED, a certificate error), by its message or else its code. Outer causes
 * only say "fetch failed".
 */
export const describe = ({ reason }: HttpClientError.HttpClientError): string => {
  let detail: string = reason._tag
  let cause = "cause" in reason ? reason.cause : undefined
  for (let depth = 0; depth < 5 && Predicate.isError(cause); depth++) {
    const code = Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : ""
    detail = cause.message || code || detail
    cause = cause.cause
  }
  return detail
}

/**
 * Whether no connection was made, so that the request was never sent.
 */
export const neverConnected = (error: HttpClientError.HttpClientError): boolean =>
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|connect timeout|certificate/i.test(describe(error))
