/**
 * What is recorded of each decision.
 */
import {
  type AuthError,
  type Identity,
  type Jwt,
  type TokenObserver,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import type { RunId } from "@flyte-databricks/databricks-jobs"
import * as Catalogue from "@flyte-databricks/diagnosis/Catalogue"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import { createHash } from "node:crypto"
import type { Failure } from "../call/ConnectorError.ts"
import type { Attempt } from "../IdempotencyToken.ts"
import type { Draft } from "./Audit.ts"

/** For whom a task is run, as its request says. */
export interface OnBehalfOf {
  readonly namespace?: string
  /** The user of Flyte, where flyteadmin knows one. */
  readonly user?: string
  /** The ServiceAccount that a pod of the task would have. */
  readonly serviceAccount?: string
  /** Whom the job asks to run as on Databricks. */
  readonly runAs?: string
}

/** A task, for whom it is run, and who it is on Databricks as far as that is known. */
export interface Subject {
  readonly attempt?: Attempt
  readonly onBehalfOf?: OnBehalfOf | undefined
  readonly identity?: Identity.Identity | undefined
}

const flyteOf = ({ org, project, domain, execution, node, task, retryAttempt }: Attempt, who: OnBehalfOf) => ({
  org,
  project,
  domain,
  execution,
  node,
  task,
  attempt: retryAttempt,
  ...(who.user === undefined ? {} : { user: who.user }),
  ...(who.serviceAccount === undefined ? {} : { serviceAccount: who.serviceAccount })
})

const identityOf = ({ authType, principal, source }: Identity.Identity): Draft["identity"] & {} => ({
  authType,
  principal,
  origin: source
})

const workspaceOf = (instance: WorkspaceHost.WorkspaceHost) => ({
  instance,
  ...Option.match(WorkspaceHost.knownId(instance), { onNone: () => ({}), onSome: (workspaceId) => ({ workspaceId }) })
})

const subjectOf = ({ attempt, onBehalfOf = {}, identity }: Subject) => ({
  ...(attempt === undefined ? {} : { flyte: flyteOf(attempt, onBehalfOf) }),
  ...(onBehalfOf.namespace === undefined ? {} : { namespace: onBehalfOf.namespace }),
  ...(onBehalfOf.runAs === undefined ? {} : { runAs: onBehalfOf.runAs }),
  ...(identity === undefined ? {} : { ...workspaceOf(identity.instance), identity: identityOf(identity) })
})

// That a run was not cancelled is said by the event: here is why.
const reasonOf = ({ reason }: Failure) => (reason._tag === "RunNotCancelled" ? reason.refusal.reason : reason)

const refusalOf = (failure: Failure) => {
  const reason = reasonOf(failure)
  return {
    refusal: { code: Catalogue.codeOf({ reason }), reason: reason._tag, message: reason.message },
    ...("requestId" in reason && reason.requestId !== undefined ? { requestId: reason.requestId } : {})
  }
}

// A deadline, or a caller that goes away, ends the work from outside.
const interrupted = {
  refusal: { code: "FDC604", reason: "Interrupted", message: "The deadline came first, or the caller went away." }
}

const causeOf = (cause: Cause.Cause<Failure>) =>
  Option.match(Cause.findErrorOption(cause), {
    onNone: () =>
      Cause.hasInterruptsOnly(cause)
        ? interrupted
        : { refusal: { code: "FDC606", reason: "Defect", message: "The connector failed unexpectedly; see its log." } },
    onSome: refusalOf
  })

export const identityResolved = (subject: Subject): Draft => ({
  event: "identity.resolved",
  outcome: "ok",
  ...subjectOf(subject)
})

/** Nobody may be this task, or the workspace may not be sent a credential. */
export const identityRefused = (subject: Subject, cause: Cause.Cause<Failure>, runId?: RunId.RunId): Draft => ({
  event: isOfInstance(cause) ? "instance.refused" : "identity.refused",
  outcome: "refused",
  ...subjectOf(subject),
  ...(runId === undefined ? {} : { runId }),
  ...causeOf(cause)
})

const isOfInstance = (cause: Cause.Cause<Failure>): boolean =>
  Option.exists(Cause.findErrorOption(cause), (failure) => reasonOf(failure)._tag === "InstanceRefused")

/** A name for all tries of one submit. The token itself would let others ask for its run. */
const submissionOf = (idempotencyToken: string): string =>
  createHash("sha256").update(`submission\n${idempotencyToken}`).digest("hex").slice(0, 32)

export const runIntended = (subject: Subject, idempotencyToken: string): Draft => ({
  event: "run.intended",
  outcome: "pending",
  ...subjectOf(subject),
  submission: submissionOf(idempotencyToken)
})

// Of the form of a UUID (RFC 9562, version 8).
const uidOf = (instance: string, runId: string): string => {
  const hex = createHash("sha256")
    .update(JSON.stringify(["run.submitted", instance, runId]))
    .digest("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

export const runSubmitted = (
  subject: Subject & Required<Pick<Subject, "identity">>,
  idempotencyToken: string,
  runId: RunId.RunId,
  requestId: string | undefined
): Draft => ({
  event: "run.submitted",
  uid: uidOf(subject.identity?.instance ?? "", runId),
  outcome: "ok",
  ...subjectOf(subject),
  submission: submissionOf(idempotencyToken),
  runId,
  ...(requestId === undefined ? {} : { requestId })
})

/** There is no run. */
export const runRefused = (subject: Subject, cause: Cause.Cause<Failure>, idempotencyToken?: string): Draft => ({
  event: "run.refused",
  outcome: "refused",
  ...subjectOf(subject),
  ...(idempotencyToken === undefined ? {} : { submission: submissionOf(idempotencyToken) }),
  ...causeOf(cause)
})

/** There may be a run. */
export const runUnknown = (subject: Subject, failure: Failure, idempotencyToken: string): Draft => ({
  event: "run.unknown",
  outcome: "unknown",
  ...subjectOf(subject),
  submission: submissionOf(idempotencyToken),
  ...refusalOf(failure)
})

export const runCancelled = (subject: Subject, runId: RunId.RunId, why: Draft["why"] & string): Draft => ({
  event: "run.cancelled",
  outcome: "ok",
  ...subjectOf(subject),
  runId,
  why
})

/** Nothing was cancelled, and the run may go on. */
export const runNotCancelled = (
  subject: Subject,
  runId: RunId.RunId | undefined,
  why: Draft["why"] & string,
  cause: Cause.Cause<Failure>
): Draft => ({
  event: isOfInstance(cause) ? "instance.refused" : "run.cancel_refused",
  outcome: "refused",
  ...subjectOf(subject),
  ...(runId === undefined ? {} : { runId }),
  why,
  ...causeOf(cause)
})

/** What the core says of tokens. */
export const tokenIssued = (
  { identity, jwt, lifetimeMillis, requestId }: TokenObserver.Issued,
  now: number
): Draft => ({
  event: "token.issued",
  outcome: "ok",
  ...subjectOf({ identity }),
  ...(jwt === undefined ? {} : jwtOf(jwt.claims, jwt.claims.audiences, jwt.header.kid)),
  expires: DateTime.formatIso(DateTime.makeUnsafe(now + lifetimeMillis)),
  ...(requestId === undefined ? {} : { requestId })
})

export const tokenRefused = ({ error, identity }: TokenObserver.Refused): Draft => {
  const { reason } = error
  return {
    event: reason._tag === "InstanceRefused" ? "instance.refused" : "token.refused",
    outcome: "refused",
    ...subjectOf({ identity }),
    ...("errorId" in reason && reason.errorId !== undefined ? { requestId: reason.errorId } : {}),
    ...(reason._tag === "ExchangeRefused" ? jwtOfRefusal(reason) : {}),
    ...refusalOf(error)
  }
}

const jwtOf = (
  { iss, sub, exp }: Pick<Jwt.Claims, "iss" | "sub" | "exp">,
  aud: ReadonlyArray<string>,
  kid: string | undefined
) => ({
  jwt: {
    ...(iss === undefined ? {} : { iss }),
    ...(sub === undefined ? {} : { sub }),
    aud,
    ...(exp === undefined ? {} : { exp }),
    ...(kid === undefined ? {} : { kid })
  }
})

const jwtOfRefusal = ({ issuer, subject, audiences, expires, keyId }: AuthError.ExchangeRefused) =>
  jwtOf(
    {
      ...(issuer === undefined ? {} : { iss: issuer }),
      ...(subject === undefined ? {} : { sub: subject }),
      ...(expires === undefined ? {} : { exp: Date.parse(expires) / 1000 })
    },
    audiences,
    keyId
  )
