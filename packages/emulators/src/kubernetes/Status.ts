/**
 * The API server's `Status` objects, in its words.
 */
import * as Data from "effect/Data"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** A refused API call. */
export class StatusError extends Data.TaggedError("StatusError")<{
  readonly code: number
  readonly reason: string
  readonly message: string
  readonly details?: {
    readonly name?: string
    readonly group?: string
    readonly kind?: string
    readonly causes?: ReadonlyArray<{ readonly reason: string; readonly message: string; readonly field: string }>
    readonly retryAfterSeconds?: number
  }
}> {}

/** What an API call is about, as authorization sees it. */
export interface ResourceRequest {
  readonly verb: string
  /** Empty for the core group. */
  readonly apiGroup: string
  readonly resource: string
  readonly namespace: string
  readonly name?: string | undefined
}

export const unauthorized = new StatusError({ code: 401, reason: "Unauthorized", message: "Unauthorized" })

const withName = (name: string | undefined) => (name === undefined ? "" : ` "${name}"`)

const detailsOf = (kind: string, name: string | undefined) => ({ ...(name === undefined ? {} : { name }), kind })

export const forbidden = (user: string, { apiGroup, name, namespace, resource, verb }: ResourceRequest) => {
  // The subresource is in the sentence, not in the kind.
  const [kind = resource] = resource.split("/")
  return new StatusError({
    code: 403,
    reason: "Forbidden",
    message: `${kind}${withName(name)} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${apiGroup}" in the namespace "${namespace}"`,
    details: detailsOf(kind, name)
  })
}

export const notFound = (resource: string, name: string) =>
  new StatusError({
    code: 404,
    reason: "NotFound",
    message: `${resource} "${name}" not found`,
    details: detailsOf(resource, name)
  })

export const badRequest = (message: string) => new StatusError({ code: 400, reason: "BadRequest", message })

/** A field whose value is not allowed. */
export interface FieldProblem {
  readonly field: string
  /** As the message shows it. */
  readonly value: string
  readonly detail: string
}

export const invalid = (group: string, kind: string, name: string, { detail, field, value }: FieldProblem) => {
  const message = `Invalid value: ${value}: ${detail}`
  return new StatusError({
    code: 422,
    reason: "Invalid",
    message: `${kind}.${group} "${name}" is invalid: ${field}: ${message}`,
    details: { group, kind, causes: [{ reason: "FieldValueInvalid", message, field }] }
  })
}

const body = ({ code, details, message, reason }: StatusError) => ({
  kind: "Status",
  apiVersion: "v1",
  metadata: {},
  status: "Failure",
  message,
  reason,
  ...(details === undefined ? {} : { details }),
  code
})

export const toResponse = (error: StatusError) => HttpServerResponse.jsonUnsafe(body(error), { status: error.code })

const known: Record<number, readonly [reason: string, message: string]> = {
  404: ["NotFound", "the server could not find the requested resource"],
  410: [
    "Expired",
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter."
  ],
  413: ["RequestEntityTooLarge", "Request entity too large"],
  429: ["TooManyRequests", "the server has received too many requests and has asked us to try again later"],
  500: ["InternalError", "an error on the server has prevented the request from succeeding"],
  503: ["ServiceUnavailable", "the server is currently unable to handle the request"],
  504: [
    "Timeout",
    "the server was unable to return a response in the time allotted, but may still be processing the request"
  ]
}

/** The body for a status that a fault rule asks for without saying more, or that no resource gives. */
export const bodyForStatus = (code: number): unknown => {
  const [reason, message] = known[code] ?? ["Unknown", "unknown"]
  return body(new StatusError({ code, reason, message }))
}
