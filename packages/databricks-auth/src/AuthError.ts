/**
 * Everything that can go wrong between a Flyte task and an `Authorization` header, as one error with a tagged reason.
 * A message is computed from fields that cannot hold a secret; it names what was looked for, what was found and what
 * to do. `retryable` says whether the same call may succeed later with nothing changed.
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"

/**
 * One look at one credential source, as explanations and errors list it. One that failed ended the search.
 */
export const Finding = Schema.Struct({
  source: Schema.String,
  outcome: Schema.Literals(["used", "absent", "forbidden", "skipped", "failed"]),
  detail: Schema.optionalKey(Schema.String)
})
export type Finding = typeof Finding.Type

/**
 * Lists findings, one a line.
 */
export const describeFindings = (findings: ReadonlyArray<Finding>): string =>
  findings
    .map(({ source, outcome, detail }) => `  - ${source}: ${outcome}${detail === undefined ? "" : ` (${detail})`}`)
    .join("\n")

/** A setting, of the environment or of a task, holds something it must not. */
export class SettingInvalid extends Schema.TaggedError<SettingInvalid>()("SettingInvalid", {
  setting: Schema.String,
  value: Schema.String,
  expected: Schema.String
}) {
  readonly retryable = false
  override get message() {
    return `${this.setting} is "${this.value}", expected ${this.expected}.`
  }
}

/** Neither the task nor the environment names a workspace. */
export class InstanceMissing extends Schema.TaggedError<InstanceMissing>()("InstanceMissing", {}) {
  readonly retryable = false
  override get message() {
    return (
      "No Databricks instance: set databricks_instance on the task, " +
      "or FLYTE_DATABRICKS_INSTANCE on the connector (e.g. dbc-a1b2.cloud.databricks.com)."
    )
  }
}

/** The workspace named is not one that credentials may be sent to. */
export class InstanceRefused extends Schema.TaggedError<InstanceRefused>()("InstanceRefused", {
  instance: Schema.String,
  why: Schema.String,
  allowed: Schema.Array(Schema.String)
}) {
  readonly retryable = false
  override get message() {
    const allowed =
      this.allowed.length === 0
        ? ""
        : ` Credentials go only to ${this.allowed.join(", ")}; an operator lists more in FLYTE_DATABRICKS_ALLOWED_INSTANCES.`
    return `Databricks instance "${this.instance}" is refused: ${this.why}.${allowed}`
  }
}

/** The request's namespace, or what the template makes of it, cannot be a namespace. */
export class NamespaceInvalid extends Schema.TaggedError<NamespaceInvalid>()("NamespaceInvalid", {
  namespace: Schema.String,
  template: Schema.String,
  /** The parts that the template asks for and the request does not have. */
  missing: Schema.Array(Schema.String)
}) {
  readonly retryable = false
  override get message() {
    if (this.missing.length > 0) {
      return (
        `FLYTE_DATABRICKS_NAMESPACE_TEMPLATE "${this.template}" asks for ${this.missing.join(" and ")}, ` +
        "which the request does not have: it is not known whose credentials it may use."
      )
    }
    return (
      `"${this.namespace}", made by FLYTE_DATABRICKS_NAMESPACE_TEMPLATE "${this.template}", is not a Kubernetes namespace: ` +
      "expected 1 to 63 lower-case letters, digits and hyphens."
    )
  }
}

/** What the template makes of the request could be made of another one too. */
export class NamespaceAmbiguous extends Schema.TaggedError<NamespaceAmbiguous>()("NamespaceAmbiguous", {
  template: Schema.String,
  part: Schema.String,
  value: Schema.String
}) {
  readonly retryable = false
  override get message() {
    return (
      `The ${this.part} "${this.value}" has a hyphen, so what FLYTE_DATABRICKS_NAMESPACE_TEMPLATE "${this.template}" makes of it ` +
      "could be another request's namespace too. Only the project may have hyphens where a template has several parts."
    )
  }
}

/** The namespace is none of those that this connector serves. */
export class NamespaceNotServed extends Schema.TaggedError<NamespaceNotServed>()("NamespaceNotServed", {
  namespace: Schema.String,
  served: Schema.Array(Schema.String)
}) {
  readonly retryable = false
  override get message() {
    return (
      `Namespace ${this.namespace} is not served here: only ${this.served.join(", ")}. ` +
      "An operator lists namespaces in FLYTE_DATABRICKS_NAMESPACES."
    )
  }
}

/** The task sets authentication keys and the operator does not let tasks do so. */
export class TaskOverrideRefused extends Schema.TaggedError<TaskOverrideRefused>()("TaskOverrideRefused", {
  keys: Schema.Array(Schema.String)
}) {
  readonly retryable = false
  override get message() {
    return (
      `The task sets ${this.keys.join(", ")}, but this connector runs with FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false: ` +
      "remove these settings from the task, or ask the operator to allow them."
    )
  }
}

/** Every source was looked at and none holds a credential. */
export class CredentialsMissing extends Schema.TaggedError<CredentialsMissing>()("CredentialsMissing", {
  wanted: Schema.String,
  looked: Schema.Array(Finding),
  remedy: Schema.String
}) {
  readonly retryable = false
  override get message() {
    return `No credentials for ${this.wanted}. Looked at:\n${describeFindings(this.looked)}\n${this.remedy}`
  }
}

/** A source holds a credential that is not whole. */
export class CredentialsBroken extends Schema.TaggedError<CredentialsBroken>()("CredentialsBroken", {
  source: Schema.String,
  problem: Schema.String,
  remedy: Schema.String
}) {
  readonly retryable = false
  override get message() {
    return `${this.source} ${this.problem}. ${this.remedy} No other credential is tried in its place.`
  }
}

/** Kubernetes forbids the connector to look where the credential should be. */
export class AccessForbidden extends Schema.TaggedError<AccessForbidden>()("AccessForbidden", {
  source: Schema.String,
  namespace: Schema.String,
  resource: Schema.String,
  resourceName: Schema.optionalKey(Schema.String),
  verb: Schema.String
}) {
  readonly retryable = false
  override get message() {
    const names = this.resourceName === undefined ? "" : `, resourceNames: ["${this.resourceName}"]`
    return (
      `${this.source} cannot be read: Kubernetes forbids it. Two ways out: give the connector's ServiceAccount the rule ` +
      `{apiGroups: [""], resources: ["${this.resource}"]${names}, verbs: ["${this.verb}"]} in namespace ${this.namespace}, ` +
      "or set FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore so that namespaces are never looked into."
    )
  }
}

/** Kubernetes did not answer, or not in a way that says anything about the credential. */
export class KubernetesUnavailable extends Schema.TaggedError<KubernetesUnavailable>()("KubernetesUnavailable", {
  source: Schema.String,
  detail: Schema.String
}) {
  readonly retryable = true
  override get message() {
    return `${this.source} could not be read: ${this.detail}. The identity is left undecided rather than guessed; try again.`
  }
}

/** A run pinned to one principal finds another one's credential in its place. */
export class IdentityChanged extends Schema.TaggedError<IdentityChanged>()("IdentityChanged", {
  source: Schema.String,
  expected: Schema.String,
  found: Schema.String
}) {
  readonly retryable = false
  override get message() {
    return (
      `${this.source} holds client id ${this.found}, expected ${this.expected}. ` +
      `Put the credentials of ${this.expected} back, or drop the demand for it: it is never replaced by another principal.`
    )
  }
}

/** The identity is known, and today's settings do not let it be used. */
export class IdentityRefused extends Schema.TaggedError<IdentityRefused>()("IdentityRefused", {
  principal: Schema.String,
  source: Schema.String,
  why: Schema.String,
  setting: Schema.String
}) {
  readonly retryable = false
  override get message() {
    return `${this.principal} (${this.source}) is refused: ${this.why}. An operator decides that with ${this.setting}.`
  }
}

/** The request or the run names a mode that this service was built without. */
export class ModeUnavailable extends Schema.TaggedError<ModeUnavailable>()("ModeUnavailable", {
  wanted: Schema.String,
  from: Schema.String,
  served: Schema.Array(Schema.String)
}) {
  readonly retryable = false
  override get message() {
    return `${this.from} asks for auth type ${this.wanted}, which is not served here: only ${this.served.join(" and ")}.`
  }
}

/** The token endpoint said no, in OAuth's words (RFC 6749 §5.2). */
export class TokenRefused extends Schema.TaggedError<TokenRefused>()("TokenRefused", {
  endpoint: Schema.String,
  clientId: Schema.String,
  source: Schema.String,
  status: Schema.Int,
  error: Schema.String,
  description: Schema.optionalKey(Schema.String),
  errorId: Schema.optionalKey(Schema.String)
}) {
  readonly retryable = false
  override get message() {
    const description = this.description === undefined ? "" : `: ${this.description}`
    const errorId = this.errorId === undefined ? "" : ` (error id ${this.errorId})`
    return (
      `${this.endpoint} refused client ${this.clientId} with ${this.status} ${this.error}${description}${errorId}. ` +
      `Its credentials came from ${this.source}: check that the secret is current and that the service principal belongs to this workspace.`
    )
  }
}

/** The token endpoint refused a JWT: no federation policy lets it in. */
export class ExchangeRefused extends Schema.TaggedError<ExchangeRefused>()("ExchangeRefused", {
  endpoint: Schema.String,
  clientId: Schema.String,
  source: Schema.String,
  status: Schema.Int,
  error: Schema.String,
  description: Schema.optionalKey(Schema.String),
  errorId: Schema.optionalKey(Schema.String),
  issuer: Schema.optionalKey(Schema.String),
  audiences: Schema.Array(Schema.String),
  subject: Schema.optionalKey(Schema.String),
  expires: Schema.optionalKey(Schema.String)
}) {
  readonly retryable = false
  override get message() {
    const description = this.description === undefined ? "" : `: ${this.description}`
    const errorId = this.errorId === undefined ? "" : ` (error id ${this.errorId})`
    return (
      `${this.endpoint} refused client ${this.clientId} with ${this.status} ${this.error}${description}${errorId}.\n` +
      `The JWT, of ${this.source}, says\n` +
      `  iss: ${this.issuer ?? "(nothing)"}\n  aud: ${this.audiences.join(", ") || "(nothing)"}\n` +
      `  sub: ${this.subject ?? "(nothing)"}\n  exp: ${this.expires ?? "(nothing)"}\n` +
      this.#remedy()
    )
  }
  #remedy(): string {
    const { issuer, audiences, subject } = this
    if (!issuer?.startsWith("https://") || audiences.length === 0 || subject === undefined) {
      return "which no federation policy can let in: it takes an iss that is an https URL, an aud and a sub."
    }
    return (
      `and service principal ${this.clientId} lets it in with a federation policy that says the same:\n` +
      `  ${JSON.stringify({ oidc_policy: { issuer, audiences, subject } })}\n` +
      "Check also that Databricks can reach the issuer's keys and that the service principal belongs to this workspace."
    )
  }
}

/**
 * The token endpoint could not be reached, or failed in a way that may pass. Or it was not asked at all, because it
 * failed for one client after the other just now.
 */
export class TokenEndpointUnavailable extends Schema.TaggedError<TokenEndpointUnavailable>()(
  "TokenEndpointUnavailable",
  {
    endpoint: Schema.String,
    /** The last answer, also that to another client where this one was not asked for. */
    detail: Schema.String,
    status: Schema.optionalKey(Schema.Int),
    attempts: Schema.Int,
    /** What the endpoint asked for with `Retry-After`, or when it is asked again while it is down. */
    retryAfterMillis: Schema.optionalKey(Schema.Finite),
    /** What there was left to wait, where that was less than the endpoint asked for. */
    leftMillis: Schema.optionalKey(Schema.Finite),
    /** Since when it has failed for all clients, where it counts as down. */
    downSinceMillis: Schema.optionalKey(Schema.Finite)
  }
) {
  readonly retryable = true
  override get message() {
    const { downSinceMillis } = this
    return downSinceMillis === undefined
      ? this.#failed()
      : this.#down(DateTime.formatIso(DateTime.makeUnsafe(downSinceMillis)))
  }
  #failed(): string {
    const { endpoint, detail, retryAfterMillis, leftMillis } = this
    const asks = retryAfterMillis ? ` It asks for ${seconds(retryAfterMillis)} before the next try` : ""
    const left = leftMillis === undefined ? "" : `, and there were ${seconds(leftMillis)} left`
    return (
      `${endpoint} was tried ${times(this.attempts)} and gave no token; the last answer: ${detail}.` +
      `${asks}${left}${asks === "" ? "" : "."} Try again.`
    )
  }
  #down(since: string): string {
    const tried = this.attempts === 0 ? "It was not asked for this call" : `This call tried it ${times(this.attempts)}`
    const next = this.retryAfterMillis === undefined ? "is under way" : `is made in ${seconds(this.retryAfterMillis)}`
    return (
      `${this.endpoint} has given no token to anyone since ${since}; the last answer: ${this.detail}. ` +
      `${tried}; the next try ${next}. Try again then.`
    )
  }
}

const times = (attempts: number): string => (attempts === 1 ? "once" : `${attempts} times`)

const seconds = (millis: number): string => `${Math.ceil(millis / 100) / 10} s`

/**
 * What the token endpoint sent is no token, and no refusal: a login page, a maintenance page. It says nothing of the
 * identity, and may pass.
 */
export class TokenResponseInvalid extends Schema.TaggedError<TokenResponseInvalid>()("TokenResponseInvalid", {
  endpoint: Schema.String,
  status: Schema.Int,
  problem: Schema.String
}) {
  readonly retryable = true
  override get message() {
    return (
      `${this.endpoint} answered ${this.status}, but ${this.problem}. If that does not pass, ` +
      "check that the instance is a Databricks workspace and that no proxy or login page answers in its place."
    )
  }
}

/** A header was asked for after the service was closed. */
export class AuthClosed extends Schema.TaggedError<AuthClosed>()("AuthClosed", {}) {
  readonly retryable = false
  override get message() {
    return (
      "Authentication is closed: the scope of its layer has ended, and no header is given any more. " +
      "Keep that scope (or the ManagedRuntime) open for as long as headers are asked for."
    )
  }
}

export const Reason = Schema.Union([
  SettingInvalid,
  InstanceMissing,
  InstanceRefused,
  NamespaceAmbiguous,
  NamespaceInvalid,
  NamespaceNotServed,
  TaskOverrideRefused,
  CredentialsMissing,
  CredentialsBroken,
  AccessForbidden,
  KubernetesUnavailable,
  IdentityChanged,
  IdentityRefused,
  ModeUnavailable,
  TokenRefused,
  ExchangeRefused,
  TokenEndpointUnavailable,
  TokenResponseInvalid,
  AuthClosed
])
export type Reason = typeof Reason.Type

/**
 * The package's one public error.
 */
export class AuthError extends Schema.TaggedError<AuthError>()("AuthError", { reason: Reason }) {
  constructor(...fields: readonly [props: { readonly reason: Reason }, options?: Schema.MakeOptions]) {
    super(...fields)
    // An error keeps alive what was on the stack when it was made, until its trace is read: the whole task that a refusal
    // is about, for as long as the refusal is remembered. Nobody reads the trace of one that says what to do.
    for (const error of [this, this.reason]) error.stack = error.name
  }
  override get message() {
    return this.reason.message
  }
  get retryable(): boolean {
    return this.reason.retryable
  }
  /** How long to wait before the next try, as far as anybody asked for that. */
  get retryAfterMillis(): number {
    return this.reason._tag === "TokenEndpointUnavailable" ? (this.reason.retryAfterMillis ?? 0) : 0
  }
}
