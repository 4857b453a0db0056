/**
 * Who a task is, written from the contract alone, as one plain function: what exists and what is explicit go in, the
 * identity or the error comes out. It shares nothing with the code that it judges, and must stay that way.
 */
import { type Answer, type Combination, connectorPair, connectorPat, oauthSecret, tokenSecret } from "./Combination.ts"
import { type Federation, modelOne, modelTwo } from "./OidcOracle.ts"

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
  /** What Kubernetes has to allow, where it is asked. */
  readonly right?: ReadonlyArray<string>
  /** What a token would be exchanged for, where it is whole. */
  readonly federation?: Federation
  /** ServiceAccounts that were seen and are no match. */
  readonly skipped?: ReadonlyArray<string>
  /** The contract leaves open whether it is broken or absent; an error follows from both. */
  readonly orAbsent?: boolean
}

export type Outcome =
  | {
      readonly is: "identity"
      readonly authType: AuthType
      readonly at: "namespace" | "connector"
      readonly federation?: Federation
    }
  | {
      readonly is: "error"
      readonly reason: string
      /** The other reason that the contract would allow. */
      readonly orReason?: string
      readonly retryable: boolean
      /** What its message has to say, beside the namespace where a Secret is concerned. */
      readonly says: ReadonlyArray<string>
      /** What of it has to be in this order. */
      readonly sorted?: ReadonlyArray<string>
      /** What the advice at its end has to say, where nothing was found. */
      readonly advises?: ReadonlyArray<string>
    }

export interface Expectation {
  /** The auth type that is named; none: auto-detect. */
  readonly explicit: string | undefined
  readonly outcome: Outcome
  /** The Secrets looked into, in order; no other is. */
  readonly reads: ReadonlyArray<SecretName>
  /** The Secrets and the listing that Kubernetes forbids and auto-detection went past, with a warning. */
  readonly wentPast: ReadonlyArray<string>
  /** The ServiceAccounts that have to be told of. */
  readonly skipped: ReadonlyArray<string>
}

/** The strongest auth type first; within a type the namespace's own credential first. */
export const strongestFirst = (exists: Combination, explicit: string | undefined): ReadonlyArray<Source> => [
  { authType: "oidc_federation", at: "namespace", ...modelTwo(exists) },
  { authType: "oidc_federation", at: "connector", ...modelOne(exists, explicit !== undefined) },
  {
    authType: "oauth_m2m",
    at: "namespace",
    secret: "databricks-oauth",
    right: ["secrets", "get"],
    names: ["databricks-oauth"],
    ...oauthSecret[exists.oauthSecret]
  },
  {
    authType: "oauth_m2m",
    at: "connector",
    answer: connectorPair[exists.connectorPair].answer,
    names: ["FLYTE_DATABRICKS_CLIENT_ID", "FLYTE_DATABRICKS_CLIENT_SECRET"],
    // A client id without a secret is half of something unless a JWT file goes with it; what is it then to M2M?
    orAbsent: exists.connectorPair === "id only" && exists.jwtFile !== "absent" && explicit === "oauth_m2m"
  },
  {
    authType: "pat",
    at: "namespace",
    secret: "databricks-token",
    right: ["secrets", "get"],
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
  const candidates = strongestFirst(combination, explicit)
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
    wentPast: looked
      .filter((source) => source.answer === "forbidden" && isPassed(source))
      .flatMap(({ names: [name] }) => name ?? []),
    skipped: looked.flatMap(({ skipped }) => skipped ?? [])
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
      return {
        is: "identity",
        authType: deciding.authType,
        at: deciding.at,
        ...(deciding.federation === undefined ? {} : { federation: deciding.federation })
      }
    case "broken":
      return {
        ...error("CredentialsBroken", ...deciding.names, ...(deciding.faulty ?? [])),
        sorted: deciding.at === "namespace" && deciding.authType === "oidc_federation" ? deciding.names.slice(1) : [],
        ...(deciding.orAbsent ? { orReason: "CredentialsMissing" } : {})
      }
    case "forbidden":
      return error(
        "AccessForbidden",
        ...deciding.names,
        ...(deciding.right ?? []),
        "FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore"
      )
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
