/**
 * Why a credential gets no token.
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { createPolicy } from "../../DatabricksCli.ts"

/** What the token endpoint said no to, and how (RFC 6749 §5.2). */
const refusal = {
  endpoint: Schema.String,
  clientId: Schema.String,
  source: Schema.String,
  status: Schema.Int,
  error: Schema.String,
  /** What to do, where it is not Databricks that refused. */
  remedy: Schema.optionalKey(Schema.String),
  description: Schema.optionalKey(Schema.String),
  errorId: Schema.optionalKey(Schema.String)
}

const describeRefusal = ({ endpoint, clientId, status, error, description, errorId }: TokenRefused | ExchangeRefused) =>
  `${endpoint} refused client ${clientId} with ${status} ${error}` +
  `${description === undefined ? "" : `: ${description}`}${errorId === undefined ? "" : ` (error id ${errorId})`}.`

/** The token endpoint refused client credentials. */
export class TokenRefused extends Schema.TaggedError<TokenRefused>()("TokenRefused", refusal) {
  override get message() {
    return (
      `${describeRefusal(this)} Its credentials came from ${this.source}: ` +
      `${this.remedy ?? "check that the secret is current and that the service principal belongs to this workspace"}.`
    )
  }
}

/** The token endpoint refused a JWT: no federation policy lets it in. */
export class ExchangeRefused extends Schema.TaggedError<ExchangeRefused>()("ExchangeRefused", {
  ...refusal,
  issuer: Schema.optionalKey(Schema.String),
  audiences: Schema.Array(Schema.String),
  subject: Schema.optionalKey(Schema.String),
  expires: Schema.optionalKey(Schema.String),
  /** Which key of the issuer signed the JWT. */
  keyId: Schema.optionalKey(Schema.String)
}) {
  /** What went wrong, without the command that mends it. */
  get says(): string {
    const accepted = this.#accepted()
    return (
      `${describeRefusal(this)}\n` +
      `The JWT, of ${this.source}, says\n` +
      `  iss: ${this.issuer ?? "(nothing)"}\n` +
      `  aud: ${this.audiences.join(", ") || "(nothing)"}${accepted === undefined ? "" : `, and the policy accepts ${accepted}`}\n` +
      `  sub: ${this.subject ?? "(nothing)"}\n  exp: ${this.expires ?? "(nothing)"}\n` +
      this.#meaning()
    )
  }
  /** The command that lets such a JWT in; none where nothing can. */
  get command(): string | undefined {
    const { issuer, audiences, subject } = this
    return issuer?.startsWith("https://") && audiences.length > 0 && subject !== undefined
      ? createPolicy(this.clientId, { oidc_policy: { issuer, audiences, subject } })
      : undefined
  }
  override get message() {
    // The command stands on lines of its own: who reads the error may add to its last one.
    return this.command === undefined
      ? this.says
      : `${this.says} This adds one:\n${this.command}\nA policy counts within two minutes.`
  }
  #meaning(): string {
    const { clientId, description = "" } = this
    if (this.command === undefined) {
      return "which no federation policy can let in: it takes an iss that is an https URL, an aud and a sub."
    }
    const accepted = this.#accepted()
    if (accepted !== undefined) {
      return (
        `A federation policy of service principal ${clientId} takes it but for its audience. Have it issued for ${accepted} ` +
        "(FLYTE_DATABRICKS_OIDC_AUDIENCE, for a ServiceAccount of a namespace its annotation flyte.org/databricks-audience), " +
        "or add a policy that takes this one."
      )
    }
    return /\bTOKEN_INVALID\b/.test(description)
      ? `No federation policy of service principal ${clientId} takes it.`
      : `Check that Databricks can reach the issuer's keys, and that a federation policy of service principal ${clientId} ` +
          "says the same."
  }
  // Databricks names the policy that is there where it is the audience alone that differs.
  #accepted(): string | undefined {
    const { description = "" } = this
    return /\bTOKEN_AUDIENCE_INVALID\b/.test(description) ? /\baudience: '([^']+)'/.exec(description)?.[1] : undefined
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
  override get message() {
    return (
      `${this.endpoint} answered ${this.status}, but ${this.problem}. If that does not pass, ` +
      "check that the instance is a Databricks workspace and that no proxy or login page answers in its place."
    )
  }
}

/** A header was asked for after the service was closed. */
export class AuthClosed extends Schema.TaggedError<AuthClosed>()("AuthClosed", {}) {
  override get message() {
    return (
      "Authentication is closed: the scope of its layer has ended, and no header is given any more. " +
      "Keep that scope (or the ManagedRuntime) open for as long as headers are asked for."
    )
  }
}
