/**
 * What is recorded of a decision, as docs/audit.schema.json has it. A reader goes by `event` and `version`; a field that is
 * not known is left out.
 */
import { Identity } from "@flyte-databricks/databricks-auth"
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** It is raised when a field changes its meaning or goes; a further field or event is no change to readers. */
export const version = 1

export const names = [
  "identity.resolved",
  "identity.refused",
  "instance.refused",
  "token.issued",
  "token.refused",
  "run.intended",
  "run.submitted",
  "run.refused",
  "run.unknown",
  "run.cancelled",
  "run.cancel_refused"
] as const

const text = Schema.optionalKey(Schema.String)

export const AuditEvent = Schema.Struct({
  event: Schema.Literals(names),
  version: Schema.Literal(version),
  /** Of `run.submitted` it is made of the workspace and the run, so that the same run has the same one whoever says it. */
  uid: Schema.String,
  time: Schema.String,
  outcome: Schema.Literals(["ok", "refused", "pending", "unknown"]),
  /** The call that the decision is made in, or `background`. */
  operation: Schema.String,
  caller: text,
  traceId: text,
  flyte: Schema.optionalKey(
    Schema.Struct({
      org: text,
      project: text,
      domain: text,
      execution: text,
      node: text,
      task: text,
      attempt: Schema.optionalKey(Schema.Int),
      user: text,
      serviceAccount: text
    })
  ),
  namespace: text,
  identity: Schema.optionalKey(
    Schema.Struct({ authType: Identity.AuthType, principal: Schema.String, origin: Schema.String })
  ),
  /** What the JWT said that a token was asked for with. */
  jwt: Schema.optionalKey(
    Schema.Struct({
      iss: text,
      sub: text,
      aud: Schema.Array(Schema.String),
      exp: Schema.optionalKey(Schema.Finite),
      kid: text
    })
  ),
  instance: text,
  workspaceId: text,
  runId: text,
  /** Whom the job asks to run as, where it asks. */
  runAs: text,
  /** The same for each try of one submit: it joins `run.intended` and what became of it. */
  submission: text,
  requestId: text,
  /** When the token ends. */
  expires: text,
  /** Why a run was cancelled. */
  why: Schema.optionalKey(Schema.Literals(["asked", "superseded", "unclaimed"])),
  refusal: Schema.optionalKey(Schema.Struct({ code: Schema.String, reason: Schema.String, message: Schema.String }))
})
export type AuditEvent = typeof AuditEvent.Type

const encode = Schema.encodeUnknownSync(Schema.fromJsonString(AuditEvent))

/** How long a value may be; a message, which says more, longer. */
const maxLength = 300
const maxMessage = 1000
const maxValues = 10

// What callers and servers wrote is without secrets and line breaks, and not longer than it may be.
const bounded = (value: unknown, key = ""): unknown => {
  if (Predicate.isString(value)) {
    return key === "message"
      ? printable(value, { maxLength: maxMessage })
      : printable(value, { maxLength, as: "value" })
  }
  if (Array.isArray(value)) return value.slice(0, maxValues).map((one) => bounded(one))
  if (!Predicate.isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, one]) =>
      one === undefined || one === "" ? [] : [[name, bounded(one, name)]]
    )
  )
}

/** The event as its line. */
export const toLine = (event: AuditEvent): string => `${encode(bounded(event))}\n`
