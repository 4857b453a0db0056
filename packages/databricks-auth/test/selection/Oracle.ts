/**
 * Who a task is, written from the contract alone, as one plain function: what exists and what is explicit go in, the
 * identity or the error comes out. It shares nothing with the code that it judges, and must stay that way.
 */
import { type Answer, type Combination, connectorPair, connectorPat, oauthSecret, tokenSecret } from "./Combination.ts"

type AuthType = "oidc_federation" | "oauth_m2m" | "pat"

type SecretName = "databricks-oauth" | "databricks-token"

/** One place a credential may be in, and what it answers. */
interface Source {
  readonly authType: AuthType
  readonly at: "namespace" | "connector"
  readonly answer: Answer
  /** The Secret that is read to know; none at connector level. */
  readonly secret?: SecretName
  /** What an error about this source has to name. */
  readonly names: ReadonlyArray<string>
  /** What is wrong with it, where it is broken. */
  readonly faulty?: ReadonlyArray<string>
}

export type Outcome =
  | { readonly is: "identity"; readonly authType: AuthType; readonly at: "namespace" | "connector" }
  | {
      readonly is: "error"
      readonly reason: string
      readonly retryable: boolean
      /** What its message has to say, beside the namespace where a Secret is concerned. */
      readonly says: ReadonlyArray<string>
      /** What the advice at its end has to say, where nothing was found. */
      readonly advises?: ReadonlyArray<string>
    }

export interface Expectation {
  /** The auth type that is named; none: auto-detect. */
  readonly explicit: string | undefined
  readonly outcome: Outcome
  /** The Secrets looked into, in order; no other is. */
  readonly reads: ReadonlyArray<SecretName>
  /** The Secrets that Kubernetes forbids and auto-detection went past, with a warning. */
  readonly wentPast: ReadonlyArray<SecretName>
}

/** The strongest auth type first; within a type the namespace's own credential first. */
const strongestFirst = (exists: Combination): ReadonlyArray<Source> => [
  { authType: "oidc_federation", at: "namespace", answer: "absent", names: ["ServiceAccount"] },
  {
    authType: "oidc_federation",
    at: "connector",
    answer: "absent",
    names: [
      "FLYTE_DATABRICKS_CLIENT_ID",
      // The file is looked at once a client id is there; at the default path, missing is absent.
      ...("FLYTE_DATABRICKS_CLIENT_ID" in connectorPair[exists.connectorPair].variables
        ? ["/var/run/secrets/databricks/token"]
        : [])
    ]
  },
  {
    authType: "oauth_m2m",
    at: "namespace",
    secret: "databricks-oauth",
    names: ["databricks-oauth"],
    ...oauthSecret[exists.oauthSecret]
  },
  {
    authType: "oauth_m2m",
    at: "connector",
    answer: connectorPair[exists.connectorPair].answer,
    names: ["FLYTE_DATABRICKS_CLIENT_ID", "FLYTE_DATABRICKS_CLIENT_SECRET"]
  },
  {
    authType: "pat",
    at: "namespace",
    secret: "databricks-token",
    names: ["databricks-token"],
    ...tokenSecret[exists.tokenSecret]
  },
  {
    authType: "pat",
    at: "connector",
    answer: connectorPat[exists.connectorPat].answer,
    names: ["FLYTE_DATABRICKS_ACCESS_TOKEN"]
  }
]

/** What the contract says of this combination. */
export const oracle = (combination: Combination): Expectation => {
  const { taskAuthType, environmentAuthType, namespaceIdentity, namespace, kubernetes } = combination

  // The task's word counts before the environment's.
  const named = taskAuthType !== "unset" ? taskAuthType : environmentAuthType
  const explicit = named === "unset" ? undefined : named

  // Explicit: that type or an error. `ignore`: namespaces are never looked into. `require`: nothing shared.
  const candidates = strongestFirst(combination)
    .filter(({ authType }) => explicit === undefined || authType === explicit)
    .filter(({ at }) => at === "connector" || (namespaceIdentity !== "ignore" && namespace === "given"))
    .filter(({ at }) => at === "namespace" || namespaceIdentity !== "require")

  // Only a source that holds nothing is gone past, and, in auto-detection, one that may not be looked at.
  const isPassed = ({ answer }: Source) => answer === "absent" || (answer === "forbidden" && explicit === undefined)
  const deciding = candidates.findIndex((source) => !isPassed(source))
  const looked = deciding === -1 ? candidates : candidates.slice(0, deciding + 1)

  return {
    explicit,
    outcome: outcomeOf(candidates[deciding], looked, namespaceIdentity),
    // Where no Kubernetes is configured there is nothing to read from.
    reads: kubernetes === "configured" ? secretsOf(looked) : [],
    wentPast: secretsOf(looked.filter((source) => source.answer === "forbidden" && isPassed(source)))
  }
}

const outcomeOf = (
  deciding: Source | undefined,
  looked: ReadonlyArray<Source>,
  namespaceIdentity: Combination["namespaceIdentity"]
): Outcome => {
  if (deciding === undefined) {
    const why = namespaceIdentity === "require" ? ["FLYTE_DATABRICKS_NAMESPACE_IDENTITY"] : []
    const places = looked.flatMap(({ names }) => names)
    return { ...error("CredentialsMissing", ...places, ...why), advises: places }
  }
  switch (deciding.answer) {
    case "whole":
      return { is: "identity", authType: deciding.authType, at: deciding.at }
    case "broken":
      return error("CredentialsBroken", ...deciding.names, ...(deciding.faulty ?? []))
    case "forbidden":
      return error("AccessForbidden", ...deciding.names, "secrets", "get", "FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore")
    case "unavailable":
      return { ...error("KubernetesUnavailable", ...deciding.names), retryable: true }
    case "absent":
      throw new Error("an absent source decides nothing")
  }
}

const error = (reason: string, ...says: ReadonlyArray<string>) =>
  ({ is: "error", reason, retryable: false, says }) as const

const secretsOf = (sources: ReadonlyArray<Source>): ReadonlyArray<SecretName> =>
  sources.flatMap(({ secret }) => secret ?? [])
