/**
 * Errors of the workspace's REST APIs, in the service's words.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { uuid } from "../internal/randomText.ts"
import * as exactJson from "../internal/exactJson.ts"

/** A refused API call; `code` is a number where the service sends one. */
export class ApiError extends Data.TaggedError("ApiError")<{
  readonly status: number
  readonly code: string | number
  readonly message: string
}> {}

export const invalidParameter = (message: string) =>
  new ApiError({ status: 400, code: "INVALID_PARAMETER_VALUE", message })

export const malformedRequest = (message: string) => new ApiError({ status: 400, code: "MALFORMED_REQUEST", message })

export const runNotFound = (runId: bigint) => invalidParameter(`Run ${runId} does not exist.`)

export const statementNotFound = (id: string) =>
  new ApiError({ status: 404, code: "NOT_FOUND", message: `The statement ${id} was not found.` })

export const permissionDenied = (principal: string, needed: string, jobId: bigint) =>
  new ApiError({
    status: 403,
    code: "PERMISSION_DENIED",
    message: `User ${principal} does not have ${needed} permissions on job ${jobId}`
  })

export const notInWorkspace = (principal: string) =>
  new ApiError({ status: 403, code: "PERMISSION_DENIED", message: `${principal} is not a member of this workspace.` })

export const credentialMissing = new ApiError({
  status: 401,
  code: 401,
  message: "Credential was not sent or was of an unsupported type for this API."
})

export const invalidAccessToken = (status: 401 | 403) =>
  new ApiError({ status, code: status === 401 ? 401 : "403", message: "Invalid access token." })

export const tokenAboutToExpire = new ApiError({
  status: 403,
  code: "403",
  message: "Token is expiring within 30 seconds."
})

export const endpointNotFound = (method: string, path: string) =>
  new ApiError({ status: 404, code: "ENDPOINT_NOT_FOUND", message: `No API found for '${method} ${path}'` })

/** The body for a status that a fault rule asks for without saying more. */
export const bodyForStatus = (status: number): unknown => {
  const [error_code, message] =
    status === 429
      ? ["REQUEST_LIMIT_EXCEEDED", "Your request was rejected since your organization has exceeded the rate limit."]
      : status === 503
        ? ["TEMPORARILY_UNAVAILABLE", "The service at this path is temporarily under maintenance."]
        : status >= 500
          ? ["INTERNAL_ERROR", "Internal error; please try again."]
          : status === 413
            ? ["INVALID_PARAMETER_VALUE", "The request body is too large."]
            : [`${status}`, "The request was refused."]
  return { error_code, message }
}

/** Every error says which request it belongs to; those about the credential say it in their message too. */
export const toResponse = (error: ApiError) =>
  Effect.map(uuid, (requestId) =>
    HttpServerResponse.text(
      exactJson.stringify({
        error_code: error.code,
        message: `${error.code}` === `${error.status}` ? `${error.message} [ReqId: ${requestId}]` : error.message,
        details: [{ "@type": "type.googleapis.com/google.rpc.RequestInfo", request_id: requestId, serving_data: "" }]
      }),
      { status: error.status, contentType: "application/json", headers: { "x-request-id": requestId } }
    )
  )
