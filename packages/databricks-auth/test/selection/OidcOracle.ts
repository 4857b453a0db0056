/** The two sources of OIDC as the contract has them, for the oracle; like it, they share nothing with the code. */
import type { Answer, Combination } from "./Combination.ts"
import { connectorPair } from "./Combination.ts"
import { clientIdOf, connector } from "./Credentials.ts"
import { audience, type Content, jwtFile, pathBy, serviceAccounts, subjectAt } from "./OidcStates.ts"

/** What a token is exchanged for, given the namespace that it is about. */
export interface Federation {
  readonly clientId: (namespace: string) => string
  /** What the identity holds beside its client id. */
  readonly pinned: (namespace: string) => Readonly<Record<string, string>>
  readonly source: (namespace: string) => string
  /** The subject of the JWT that the exchange is made with. */
  readonly subject: (namespace: string) => string
  /** What comes in place of a token. */
  readonly refusal?: { readonly reason: string; readonly retryable: boolean; readonly says: ReadonlyArray<string> }
}

interface OidcSource {
  readonly answer: Answer
  readonly names: ReadonlyArray<string>
  readonly right?: ReadonlyArray<string>
  readonly federation?: Federation
  /** The contract leaves open whether it is broken or absent; an error follows from both. */
  readonly orAbsent?: boolean
  /** ServiceAccounts that were seen and are no match. */
  readonly skipped?: ReadonlyArray<string>
}

/** Model 2: the one annotated ServiceAccount of the namespace. */
export const modelTwo = (exists: Combination): OidcSource => {
  const { listing, labelled } = serviceAccounts[exists.serviceAccounts]
  const names = ["ServiceAccount"]
  if (listing === "unavailable") return { answer: "unavailable", names }
  if (listing === "forbidden") return { answer: "forbidden", names, right: ["serviceaccounts", "list"] }

  const annotated = labelled.filter(({ clientId }) => clientId !== undefined && clientId("any").trim() !== "")
  const skipped = labelled.filter((one) => !annotated.includes(one)).map(({ name }) => name)
  const [first, ...others] = annotated
  if (first === undefined) return { answer: "absent", names, skipped }
  // All of them, sorted.
  if (others.length > 0) return { answer: "broken", names: [...names, ...annotated.map(({ name }) => name).toSorted()] }

  const refusal = refusalOf(exists.acquisition, first.name)
  return {
    answer: "whole",
    names,
    federation: {
      clientId: (namespace) => first.clientId?.(namespace) ?? "none",
      pinned: (namespace) => ({
        namespace,
        serviceAccount: first.name,
        audience: first.audience ?? audience[exists.audience]
      }),
      source: (namespace) => `ServiceAccount ${namespace}/${first.name}`,
      subject: (namespace) =>
        `system:serviceaccount:${namespace}:${first.name}:${first.audience ?? audience[exists.audience]}`,
      ...(refusal === undefined ? {} : { refusal })
    }
  }
}

const refusalOf = (acquisition: Combination["acquisition"], serviceAccount: string): Federation["refusal"] => {
  switch (acquisition) {
    case "granted":
      return undefined
    case "TokenRequest forbidden":
      return { reason: "AccessForbidden", retryable: false, says: [serviceAccount, "serviceaccounts/token", "create"] }
    case "TokenRequest unavailable":
      return { reason: "KubernetesUnavailable", retryable: true, says: [serviceAccount] }
    case "exchange refused":
      return { reason: "ExchangeRefused", retryable: false, says: [serviceAccount] }
  }
}

/** Model 1: the client id and the JWT file of the connector. */
export const modelOne = (exists: Combination, isExplicit: boolean): OidcSource => {
  // It is looked at once a client id is there.
  if (!("FLYTE_DATABRICKS_CLIENT_ID" in connectorPair[exists.connectorPair].variables)) {
    return { answer: "absent", names: ["FLYTE_DATABRICKS_CLIENT_ID"] }
  }
  const at: { readonly [By in keyof typeof pathBy]?: Content } = jwtFile[exists.jwtFile]
  const named = at.FLYTE_DATABRICKS_OIDC_TOKEN_FILE
  const aws = at.AWS_WEB_IDENTITY_TOKEN_FILE

  // What is named must be there. What is there for AWS counts only if it is for the audience, unless OIDC is explicit,
  // which takes it as it is; if it does not count, the default path is next, as if nothing had been named.
  if (named !== undefined) return file(exists, "FLYTE_DATABRICKS_OIDC_TOKEN_FILE", named, "broken")
  if (aws !== undefined && (isExplicit || aws === "whole")) {
    // A file that is missing is absent, one that is named and missing is broken: this one is named, if by another's word.
    return { ...file(exists, "AWS_WEB_IDENTITY_TOKEN_FILE", aws, "broken"), orAbsent: aws === "missing" }
  }
  return file(exists, "default", at.default ?? "missing", "absent")
}

/** A whole one is there, not empty, and a JWT. */
const file = (exists: Combination, by: keyof typeof pathBy, content: Content, missing: Answer): OidcSource => {
  const answer = content === "missing" ? missing : content === "empty" || content === "not a JWT" ? "broken" : "whole"
  return {
    answer,
    // What is wrong with the file is wrong with it alone; where there is none, it is the whole of Model 1 that is not there.
    names: [
      ...(answer === "absent" ? ["FLYTE_DATABRICKS_CLIENT_ID"] : []),
      pathBy[by],
      ...(by === "default" ? [] : [by])
    ],
    federation: {
      clientId: () => clientIdOf(connector),
      pinned: () => ({ tokenFile: pathBy[by], audience: audience[exists.audience] }),
      source: () => `JWT file ${pathBy[by]}`,
      subject: () => subjectAt(pathBy[by])
    }
  }
}
