/**
 * Why a request gets no identity, or a pinned one no credential.
 */
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

/** Every source was looked at and none holds a credential. */
export class CredentialsMissing extends Schema.TaggedError<CredentialsMissing>()("CredentialsMissing", {
  wanted: Schema.String,
  looked: Schema.Array(Finding),
  remedy: Schema.String
}) {
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
  override get message() {
    return `${this.from} asks for auth type ${this.wanted}, which is not served here: only ${this.served.join(" and ")}.`
  }
}
