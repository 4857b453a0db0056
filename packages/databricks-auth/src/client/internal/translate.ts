/**
 * The core's errors in the words of the client: the core speaks to whoever operates a connector.
 */
import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { AuthError, type Finding as CoreFinding } from "../../AuthError.ts"
import type { Explanation, Finding } from "../Databricks.ts"
import { DatabricksError } from "../DatabricksError.ts"

const isAuthError = Schema.is(AuthError)

/** What became of a place, where the place is this one alone: what no client is configured with is not there to be told. */
const findings = (looked: ReadonlyArray<CoreFinding>, source: string | undefined): ReadonlyArray<Finding> => {
  const told = looked.flatMap(({ outcome, ...finding }): ReadonlyArray<Finding> =>
    outcome === "skipped" ? [] : [{ ...finding, outcome }]
  )
  return source === undefined ? told : told.slice(-1).map(({ outcome }) => ({ source, outcome }))
}

/**
 * The error of a failure; `source` is what the credential is called, where there is one alone.
 */
export const fromCause = (cause: Cause.Cause<unknown>, source?: string): DatabricksError => {
  const error = Cause.squash(cause)
  if (DatabricksError.is(error)) return error
  if (isAuthError(error)) return fromAuthError(error, source)
  if (Cause.hasFails(cause)) return invalid(Predicate.isError(error) ? error.message : String(error))
  // What closing interrupts is closed.
  if (Cause.hasInterruptsOnly(cause)) return closed()
  return new DatabricksError("unexpected", "Something unexpected happened; the cause has it.", {
    cause: error
  })
}

/** The error of a call after the end. */
export const closed = (): DatabricksError =>
  new DatabricksError(
    "closed",
    "This client is closed: close() was called, or its `await using` block has ended. Make another, or keep this one open."
  )

export const fromAuthError = (error: AuthError, source?: string): DatabricksError => {
  const { reason } = error
  switch (reason._tag) {
    case "SettingInvalid":
      return invalid(`${reason.setting} is "${reason.value}", expected ${reason.expected}.`)
    case "InstanceMissing":
      return invalid("No host: give one to databricks(), or set DATABRICKS_HOST.")
    case "InstanceRefused":
      return invalid(
        `Host "${reason.instance}" is refused: the credentials go to the host that databricks() was given, and nowhere else.`
      )
    case "NamespaceInvalid":
    case "NamespaceAmbiguous":
    case "NamespaceNotServed":
      return invalid("The namespace is not one of Kubernetes: expected 1 to 63 lower-case letters, digits and hyphens.")
    case "TaskOverrideRefused":
    case "ModeUnavailable":
    case "IdentityRefused":
      return invalid("This way to log in is not served here.")
    case "CredentialsMissing": {
      const looked = findings(reason.looked, source)
      const list = looked.map((finding) => `\n  - ${finding.source}: ${finding.outcome}${detailOf(finding)}`)
      return new DatabricksError("credentials_missing", `There are no credentials. Looked at:${list.join("")}`)
    }
    case "CredentialsBroken":
      return new DatabricksError("credentials_invalid", `${source ?? reason.source} ${reason.problem}.`)
    case "AccessForbidden": {
      const { namespace, resource, resourceName, verb } = reason
      const names = resourceName === undefined ? "" : `, resourceNames: ["${resourceName}"]`
      return new DatabricksError(
        "access_forbidden",
        `${reason.source} cannot be read: Kubernetes forbids it. Give this program's ServiceAccount the rule ` +
          `{apiGroups: [""], resources: ["${resource}"]${names}, verbs: ["${verb}"]} in namespace ${namespace}.`
      )
    }
    case "KubernetesUnavailable":
      return new DatabricksError("unavailable", `${reason.source} could not be read: ${reason.detail}. Try again.`, {
        retryable: true
      })
    case "IdentityChanged":
      return new DatabricksError(
        "credentials_invalid",
        `${source ?? reason.source} holds client id ${reason.found}, expected ${reason.expected}.`
      )
    case "TokenRefused":
      return new DatabricksError(
        "credentials_refused",
        `${refusal(reason)} The secret came from ${source ?? reason.source}: check that it is current, and that the ` +
          "service principal belongs to this workspace."
      )
    case "ExchangeRefused":
      return new DatabricksError("credentials_refused", exchangeRefused(reason, source))
    case "TokenEndpointUnavailable":
      return new DatabricksError("unavailable", reason.message, {
        retryable: true,
        retryAfterMillis: error.retryAfterMillis
      })
    case "TokenResponseInvalid":
      return new DatabricksError(
        "response_invalid",
        `${reason.endpoint} answered ${reason.status}, but ${reason.problem}. If that does not pass, check that the host ` +
          "is a Databricks workspace and that no proxy or login page answers in its place.",
        { retryable: true }
      )
    case "AuthClosed":
      return closed()
    default:
      return unknownReason(reason, error)
  }
}

type Reason = AuthError["reason"]
type Refused = Extract<Reason, { readonly _tag: "TokenRefused" | "ExchangeRefused" }>

const unknownReason = (reason: never, error: AuthError): DatabricksError =>
  new DatabricksError("unexpected", "Something unexpected happened; the cause has it.", { cause: reason ?? error })

const invalid = (message: string): DatabricksError => new DatabricksError("configuration_invalid", message)

const detailOf = ({ detail }: Finding): string => (detail === undefined ? "" : ` (${detail})`)

const refusal = ({ endpoint, clientId, status, error, description, errorId }: Refused): string =>
  `${endpoint} refused client ${clientId} with ${status} ${error}` +
  `${description === undefined ? "" : `: ${description}`}${errorId === undefined ? "" : ` (error id ${errorId})`}.`

const exchangeRefused = (
  reason: Extract<Reason, { readonly _tag: "ExchangeRefused" }>,
  source: string | undefined
): string => {
  const { audiences, clientId, command, issuer = "(nothing)", subject = "(nothing)", expires = "(nothing)" } = reason
  return (
    `${refusal(reason)}\nThe JWT, of ${source ?? reason.source}, says\n  iss: ${issuer}\n  aud: ${audiences.join(", ") || "(nothing)"}\n` +
    `  sub: ${subject}\n  exp: ${expires}\nA federation policy of service principal ${clientId} has to say the same.` +
    (command === undefined ? "" : ` This adds one:\n${command}`)
  )
}

/** An explanation of the core's, in the same words. */
export const explanation = (
  looked: ReadonlyArray<CoreFinding>,
  source: string | undefined,
  who: Explanation["identity"] | DatabricksError
): Explanation => ({
  looked: findings(looked, source),
  ...(who === undefined ? {} : DatabricksError.is(who) ? { error: who } : { identity: who })
})
