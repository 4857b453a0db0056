/**
 * What went wrong below HTTP, in the system's own words.
 */
import * as Predicate from "effect/Predicate"
import type * as HttpClientError from "effect/http/HttpClientError"

/**
 * The innermost cause says what it was (ECONNREFUSED, ENOTFOUND, a certificate's fault), in its code where it has no
 * text; what is around it, "fetch failed"; the error's own text, the method and URL.
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
 * Whether the request never left: nobody was found, or nobody answered the door.
 */
export const neverConnected = (error: HttpClientError.HttpClientError): boolean =>
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|connect timeout|certificate/i.test(describe(error))
