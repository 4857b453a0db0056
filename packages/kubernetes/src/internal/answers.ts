/**
 * What an answer, or the lack of one, means. Only the API server's own word counts, which is a `Status` object: a 404
 * or 403 that a proxy gives, or a wrong address, says nothing about the object and must not pass for its absence.
 */
import { Forbidden, Unavailable } from "@flyte-databricks/databricks-auth/Kubernetes"
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { fault } from "./faults.ts"

/** The API server says that the object named does not exist. */
class Absent extends Data.TaggedError("Absent") {}

/** The API server does not accept the credentials. */
class Unauthenticated extends Data.TaggedError("Unauthenticated")<{ readonly detail: string }> {}

/** An answer whose body cannot be what was asked for, before it is read as an object. */
export class UnexpectedBody extends Data.TaggedError("UnexpectedBody")<{ readonly detail: string }> {}

/** Why a call gave no object. */
export type Failure = Absent | Unauthenticated | Forbidden | Unavailable

const Status = Schema.Struct({
  kind: Schema.Literal("Status"),
  message: Schema.optional(Schema.String),
  reason: Schema.optional(Schema.String),
  details: Schema.optional(Schema.NullOr(Schema.Struct({ name: Schema.optional(Schema.String) })))
})
type Status = typeof Status.Type

// The library's `ApiException`. Its message holds the whole body, so it is never shown.
const Rejection = Schema.Struct({ code: Schema.Int, body: Schema.Unknown })

const decodeRejection = Schema.decodeUnknownOption(Rejection)
const decodeStatus = Schema.decodeUnknownOption(Schema.fromJsonString(Status))
const isUnexpectedBody = Schema.is(Schema.Struct({ _tag: Schema.Literal("UnexpectedBody"), detail: Schema.String }))

/**
 * Classifies what the library threw. The detail continues a sentence that begins with the server's address.
 */
export const classify = (error: unknown): Failure =>
  Option.match(decodeRejection(error), {
    onNone: () => new Unavailable({ detail: describeFailure(error) }),
    onSome: ({ code, body }) => classifyRejection(code, decodeStatus(body))
  })

const classifyRejection = (code: number, status: Option.Option<Status>): Failure => {
  // The library drops the body of a 401.
  if (code === 401)
    return new Unauthenticated({ detail: "answered 401: it does not accept the connector's credentials" })
  if (Option.isNone(status)) return new Unavailable({ detail: `answered ${code} without a Kubernetes Status` })
  const { message, reason, details } = status.value
  // A path that the API server does not serve is also NotFound, but names no object.
  if (code === 404 && reason === "NotFound" && details?.name !== undefined) return new Absent()
  // Credentials that got lost on the way are no missing right.
  if (code === 403 && message !== undefined && !message.includes(anonymous))
    return new Forbidden({ detail: printable(message, { maxLength: 500 }) })
  const said = printable(`${reason ?? ""}: ${message ?? "no message"}`, { maxLength: 500 })
  return new Unavailable({ detail: `answered ${code} ${said}` })
}

const anonymous = 'User "system:anonymous"'

const describeFailure = (error: unknown): string => {
  if (isUnexpectedBody(error)) return error.detail
  return Option.match(fault(error), {
    onNone: () => "answered with malformed JSON",
    onSome: ({ code }) => `could not be asked: the connection failed with ${code}`
  })
}
