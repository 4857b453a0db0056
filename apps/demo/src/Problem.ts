/**
 * The core's typed errors as problem details (RFC 9457). No message of the core holds a secret, so it is the detail.
 */
import { AuthError } from "@flyte-databricks/databricks-auth"
import type { JobsError } from "@flyte-databricks/databricks-jobs"
import * as Schema from "effect/Schema"
import { ProblemDetails } from "effect/http"
import { HttpApiSchema } from "effect/http-api"

/** No run with this id was submitted here since the service started, or many were after it. */
export class RunUnknown extends Schema.TaggedError<RunUnknown>()("RunUnknown", { runId: Schema.String }) {
  readonly retryable = false
  override get message() {
    return `No run ${this.runId} is known here: it was submitted elsewhere, or before the service started.`
  }
}

export type Failure = AuthError.AuthError | JobsError.JobsError | RunUnknown

const members = {
  type: Schema.String,
  title: Schema.String,
  detail: Schema.String,
  /** Whether the same call may succeed later with nothing changed. */
  retryable: Schema.Boolean,
  /** Where credentials were looked for. */
  findings: Schema.optionalKey(Schema.Array(AuthError.Finding))
}
const Status = Schema.Literals([400, 404, 409, 502, 503])

/** What went wrong. */
export const Problem = Schema.Struct({ ...members, status: Status })

/** The problems that an endpoint declares, a response for each status. */
export const declared = Status.literals.map((status) =>
  Schema.Struct({ ...members, status: Schema.Literal(status) }).pipe(
    HttpApiSchema.status(status),
    HttpApiSchema.asJson({ contentType: ProblemDetails.contentType })
  )
)

const reasonOf = (failure: Failure) => (failure._tag === "RunUnknown" ? failure : failure.reason)
type Tag = ReturnType<typeof reasonOf>["_tag"]

// What may pass is a 503. Against the rest stands how things are set up: somebody mends that, and the same call succeeds.
const statuses: ReadonlyArray<readonly [typeof Status.Type, ReadonlyArray<Tag>]> = [
  [400, ["SettingInvalid", "NamespaceInvalid"]],
  [404, ["RunUnknown", "RunNotFound"]],
  [502, ["TokenRefused", "ExchangeRefused", "PermissionDenied", "RequestRejected"]]
]

/** The problem that a failure amounts to. */
export const of = (failure: Failure): typeof Problem.Type => {
  const reason = reasonOf(failure)
  const words = reason._tag.replaceAll(/(?<!^)[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  return {
    type: `urn:flyte-databricks:problem:${words.toLowerCase().replaceAll(" ", "-")}`,
    title: words,
    status: failure.retryable ? 503 : (statuses.find(([, tags]) => tags.includes(reason._tag))?.[0] ?? 409),
    detail: failure.message,
    retryable: failure.retryable,
    ...(reason._tag === "CredentialsMissing" ? { findings: reason.looked } : {})
  }
}
