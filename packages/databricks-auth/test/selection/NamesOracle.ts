/**
 * What a task names, as the contract has it: "that one or an error". Written from the contract alone, as one plain
 * function; it shares nothing with the code that it judges.
 */

/** What there is, what is named, and what is set. Every state of each is tried with every state of the others. */
export const dimensions = {
  /** All that nobody names: what selection would fall through to. */
  exists: ["everything", "nothing", "a ServiceAccount", "Secrets", "the connector's"],
  authType: ["unset", "pat", "oauth_m2m", "oidc_federation"],
  namespaceIdentity: ["allow", "require", "ignore"],
  /** Secrets by names of the task's own, beside the ones that everybody has. */
  tokenSecret: ["unset", "whole", "absent", "broken"],
  oauthSecret: ["unset", "whole", "absent", "broken"],
  clientId: ["unset", "the connector's", "the Secret's", "the named Secret's", "the ServiceAccount's", "nobody's"],
  file: ["unset", "whole", "missing"],
  /** The connection of a Flyte 2 request, and whether the task names the secret that it carries. */
  connection: ["none", "empty", "whole", "empty, though named", "whole and named"]
} as const

export type Case = { readonly [D in keyof typeof dimensions]: (typeof dimensions)[D][number] }

/** A mode's place, by the mode's tag and whose it is. */
export type PlaceName =
  | "oidc_namespace/namespace"
  | "oidc_connector/connector"
  | "oauth_m2m/namespace"
  | "oauth_m2m/connector"
  | "pat/request"
  | "pat/namespace"
  | "pat/connector"

interface Place {
  readonly name: PlaceName
  readonly authType: "oidc_federation" | "oauth_m2m" | "pat"
  readonly at: "request" | "namespace" | "connector"
  /** What is there: nobody knows the client id of a PAT, and Model 1 is whoever the client id says. */
  readonly holds: "absent" | "broken" | { readonly clientId: string | undefined }
  /** Whether the task names this very place. */
  readonly isNamed: boolean
}

/** Client ids by whose they are. */
export const clientIds = {
  "the connector's": "sp-connector",
  "the Secret's": "sp-secret",
  "the named Secret's": "sp-named-secret",
  "the ServiceAccount's": "sp-service-account",
  "nobody's": "sp-nobody"
} as const

export type Verdict = PlaceName | "error"

const placesOf = (one: Case): ReadonlyArray<Place> => {
  const has = (what: Case["exists"]) => one.exists === "everything" || one.exists === what
  const named = one.clientId === "unset" ? undefined : clientIds[one.clientId]
  const secret = (state: Case["tokenSecret"], defaultPath: boolean, clientId: string | undefined) =>
    state === "unset"
      ? defaultPath
        ? { clientId }
        : ("absent" as const)
      : state === "whole"
        ? { clientId: clientId === undefined ? undefined : clientIds["the named Secret's"] }
        : state
  const isSent = one.connection.startsWith("whole")
  const hasFile = one.file === "unset" ? has("the connector's") : one.file === "whole"
  // A file that is named and missing is broken. A client id is what makes Model 1 be looked at.
  const modelOne =
    named === undefined && !has("the connector's")
      ? ("absent" as const)
      : hasFile
        ? { clientId: named ?? clientIds["the connector's"] }
        : one.file === "missing"
          ? ("broken" as const)
          : ("absent" as const)
  // The connector's pair has a client id of its own; a task's without a pair to go with it is half of one.
  const pair = has("the connector's")
    ? { clientId: clientIds["the connector's"] }
    : named === undefined
      ? ("absent" as const)
      : ("broken" as const)
  return [
    {
      name: "oidc_namespace/namespace",
      authType: "oidc_federation",
      at: "namespace",
      holds: has("a ServiceAccount") ? { clientId: clientIds["the ServiceAccount's"] } : "absent",
      isNamed: false
    },
    {
      name: "oidc_connector/connector",
      authType: "oidc_federation",
      at: "connector",
      holds: modelOne,
      isNamed: one.file !== "unset"
    },
    {
      name: "oauth_m2m/namespace",
      authType: "oauth_m2m",
      at: "namespace",
      holds: secret(one.oauthSecret, has("Secrets"), clientIds["the Secret's"]),
      isNamed: one.oauthSecret !== "unset"
    },
    { name: "oauth_m2m/connector", authType: "oauth_m2m", at: "connector", holds: pair, isNamed: false },
    {
      name: "pat/request",
      authType: "pat",
      at: "request",
      holds: isSent
        ? { clientId: undefined }
        : // Flyte sent an empty value for a secret that the task names.
          one.connection === "empty, though named"
          ? "broken"
          : "absent",
      isNamed: one.connection.endsWith("named")
    },
    {
      name: "pat/namespace",
      authType: "pat",
      at: "namespace",
      holds: secret(one.tokenSecret, has("Secrets"), undefined),
      isNamed: one.tokenSecret !== "unset"
    },
    {
      name: "pat/connector",
      authType: "pat",
      at: "connector",
      holds: has("the connector's") ? { clientId: undefined } : "absent",
      isNamed: false
    }
  ]
}

/** The places that there are, for whoever asks whether all of them are judged here. */
export const judged: ReadonlyArray<PlaceName> = placesOf({
  exists: "nothing",
  authType: "unset",
  namespaceIdentity: "allow",
  tokenSecret: "unset",
  oauthSecret: "unset",
  clientId: "unset",
  file: "unset",
  connection: "none"
}).map(({ name }) => name)

/** Who such a task is, or that it is an error. */
export const verdict = (one: Case): Verdict => {
  const named = one.clientId === "unset" ? undefined : clientIds[one.clientId]
  // Names of another auth type than the one that is set mean nothing to it.
  const ofType = placesOf(one).filter(({ authType }) => one.authType === "unset" || authType === one.authType)
  const isNaming = ofType.some(({ isNamed }) => isNamed)
  const candidates = ofType
    // A place that is named is that one or an error: no other is looked at.
    .filter(({ isNamed }) => !isNaming || isNamed)
    // A PAT has no client id, so it is not the one that is named; of PATs alone none is asked for.
    .filter(({ authType }) => named === undefined || authType !== "pat" || one.authType === "pat")
    .filter(({ at }) => at !== "namespace" || one.namespaceIdentity !== "ignore")
    .filter(({ at }) => at !== "connector" || one.namespaceIdentity !== "require")
  const deciding = candidates.find(({ holds }) => holds !== "absent")
  if (deciding === undefined || typeof deciding.holds === "string") return "error"
  const { clientId } = deciding.holds
  return named === undefined || clientId === undefined || clientId === named ? deciding.name : "error"
}
