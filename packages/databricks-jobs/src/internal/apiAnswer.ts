/**
 * What an answer of the Jobs API means: the value asked for, or why there is none.
 */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Headers from "effect/http/Headers"
import * as HttpAnswer from "@flyte-databricks/databricks-auth/http/Answer"
import type { BodyTooLarge } from "@flyte-databricks/databricks-auth/http/BoundedBody"
import { clientIdOf, type Identity } from "@flyte-databricks/databricks-auth/Identity"
import { knownId } from "@flyte-databricks/databricks-auth/WorkspaceHost"
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import {
  JobsError,
  JobsUnavailable,
  PermissionDenied,
  type Reason,
  RequestRejected,
  ResponseInvalid,
  RunNotFound,
  TokenRefused
} from "../JobsError.ts"
import type { RunId } from "../RunId.ts"
import { parse } from "./losslessJson.ts"

/** What was asked, as far as reading the answer needs it. */
export interface Asked {
  /** As in "could not be asked to …". */
  readonly operation: string
  readonly identity: Identity
  readonly runId?: RunId | undefined
}

/** An answer whose body was read, as far as the limit goes. */
export interface Answer {
  readonly asked: Asked
  readonly status: number
  /** Empty once it was read. */
  body: string | BodyTooLarge
  readonly headers: Headers.Headers
  readonly retryAfterMillis: number | undefined
}

const word = Schema.optional(Schema.NullOr(Schema.Union([Schema.String, Schema.Finite])))

const ApiError = Schema.Struct({ error_code: word, message: word })

/** Reads a value out of JSON. */
export type Decode<A> = (json: unknown) => Result.Result<A, Schema.SchemaError>

/** In the server's own words, which decide what the answer means and are made printable only then. */
interface Refusal {
  readonly code: string | undefined
  readonly detail: string
}

const describe = ({ code, detail }: Refusal): string => [code, detail].filter(Boolean).join(": ")

const clean = (text: string): string => printable(text, { maxLength: 500 })

/**
 * Reads a final answer into a value, and lets go of its body. An error keeps alive what was on the stack when it was made:
 * each that waits to be tried again would keep megabytes.
 */
export const read = <A>(answer: Answer, decode: Decode<A>): Result.Result<A, JobsError> => {
  const result = readBody(answer, decode)
  answer.body = ""
  return result
}

const readBody = <A>(answer: Answer, decode: Decode<A>): Result.Result<A, JobsError> => {
  const { status, body } = answer
  if (status !== 200) return Result.fail(new JobsError({ reason: refusal(answer) }))
  if (typeof body !== "string") return invalid(answer, body.message)
  const json = parse(body)
  if (Result.isFailure(json)) {
    const isText = json.failure === "not JSON"
    return invalid(answer, isText ? HttpAnswer.describeBody(body) : `the body is JSON, ${json.failure}`)
  }
  // A proxy may put an error under status 200. It is never a success.
  if (Predicate.hasProperty(json.success, "error_code")) return Result.fail(new JobsError({ reason: refusal(answer) }))
  return Result.orElse(decode(json.success), (error) =>
    invalid(answer, `the body is not what the Jobs API answers: ${printable(error.message, { maxLength: 200 })}`)
  )
}

const refusal = (answer: Answer): Reason => {
  const { asked, status, body, headers } = answer
  const { operation, identity, runId } = asked
  const { instance, principal } = identity
  const said = readRefusal(answer)
  const code = said.code === undefined ? undefined : clean(said.code)
  const detail = clean(said.detail)
  const requestId = HttpAnswer.requestId(headers)
  const codeAndId = {
    ...(code === undefined ? {} : { errorCode: code }),
    ...(requestId === undefined ? {} : { requestId })
  }
  if (HttpAnswer.mayPass(status)) {
    return new JobsUnavailable({
      operation,
      instance,
      status,
      detail: describe({ code, detail }) || "no reason given",
      ...(requestId === undefined ? {} : { requestId }),
      ...(answer.retryAfterMillis === undefined ? {} : { retryAfterMillis: answer.retryAfterMillis })
    })
  }
  if (runId !== undefined && saysNoSuchRun(status, said)) {
    return new RunNotFound({ operation, instance, status, detail, ...codeAndId, runId })
  }
  if (status < 400) return new ResponseInvalid({ operation, instance, status, problem: oddity(answer) })
  const told = { operation, instance, status, detail, ...codeAndId }
  if (HttpAnswer.refusesToken(answer)) return new TokenRefused({ ...told, principal })
  if (status === 403) {
    const clientId = clientIdOf(identity)
    const workspaceId = knownId(instance)
    return new PermissionDenied({
      ...told,
      principal,
      ...(Option.isNone(clientId) ? {} : { clientId: clientId.value }),
      ...(Option.isNone(workspaceId) ? {} : { workspaceId: workspaceId.value })
    })
  }
  if (typeof body === "string" && HttpAnswer.isHtml(body)) {
    return new ResponseInvalid({ operation, instance, status, problem: HttpAnswer.describeBody(body) })
  }
  return new RequestRejected(told)
}

// A missing run is a 400 to this API; the code and the 404 that other Databricks APIs answer with mean the same.
const saysNoSuchRun = (status: number, { code, detail }: Refusal): boolean =>
  (status === 200 || status === 400 || status === 404) &&
  (code === "RESOURCE_DOES_NOT_EXIST" ||
    (status !== 404 && code === "INVALID_PARAMETER_VALUE" && /does not exist/i.test(detail)))

const readRefusal = ({ body }: Answer): Refusal => {
  if (typeof body !== "string") return { code: undefined, detail: body.message }
  const json = Option.flatMap(Result.getSuccess(parse(body)), Schema.decodeUnknownOption(ApiError))
  if (Option.isSome(json) && Predicate.isNotNullish(json.value.error_code ?? json.value.message)) {
    const { error_code, message } = json.value
    return { code: error_code == null ? undefined : String(error_code), detail: String(message ?? "") }
  }
  return { code: undefined, detail: HttpAnswer.isHtml(body) ? "an HTML page" : body }
}

const oddity = (answer: Answer): string => {
  if (HttpAnswer.isRedirect(answer.status)) {
    return HttpAnswer.describeRedirect(answer.headers)
  }
  if (answer.status !== 200) return "that is no answer of the Jobs API"
  return `the body is an error: ${clean(describe(readRefusal(answer)))}`
}

const invalid = ({ asked, status }: Answer, problem: string): Result.Result<never, JobsError> =>
  Result.fail(
    new JobsError({
      reason: new ResponseInvalid({ operation: asked.operation, instance: asked.identity.instance, status, problem })
    })
  )
