/**
 * What can exist and what can be set, as a table of dimensions. Each state says what its source answers, in the words of
 * the contract (absent, whole, broken, forbidden, unavailable). A new credential source is a new row of `dimensions`,
 * and a new source in the oracle.
 */
import { clientIdOf, clientSecretOf, connector, patOf } from "./Credentials.ts"
import { acquisition, audience, jwtFile, serviceAccounts } from "./OidcStates.ts"

/** What a credential source answers. */
export type Answer = "absent" | "whole" | "broken" | "forbidden" | "unavailable"

/** One state of a Secret: its answer, its data (by the namespace it is in), and the keys that an error must name. */
interface SecretState {
  readonly answer: Answer
  readonly data?: (owner: string) => Record<string, string>
  readonly faulty?: ReadonlyArray<string>
}

const idAndSecret = (owner: string) => ({
  client_id: clientIdOf(owner),
  client_secret: clientSecretOf(clientIdOf(owner))
})

export const tokenSecret = {
  absent: { answer: "absent" },
  whole: { answer: "whole", data: (owner) => ({ token: patOf(owner) }) },
  "without token": { answer: "broken", data: (owner) => ({ TOKEN: patOf(owner) }), faulty: ["token"] },
  "with an empty token": { answer: "broken", data: () => ({ token: "" }), faulty: ["token"] },
  "with a blank token": { answer: "broken", data: () => ({ token: " \n" }), faulty: ["token"] },
  forbidden: { answer: "forbidden" },
  unavailable: { answer: "unavailable" }
} as const satisfies Record<string, SecretState>

export const oauthSecret = {
  absent: { answer: "absent" },
  whole: { answer: "whole", data: idAndSecret },
  "without keys": { answer: "broken", data: () => ({}), faulty: ["client_id", "client_secret"] },
  "without client_id": {
    answer: "broken",
    data: (owner) => ({ client_secret: idAndSecret(owner).client_secret }),
    faulty: ["client_id"]
  },
  "without client_secret": {
    answer: "broken",
    data: (owner) => ({ client_id: clientIdOf(owner) }),
    faulty: ["client_secret"]
  },
  "with a blank client_id": {
    answer: "broken",
    data: (owner) => ({ ...idAndSecret(owner), client_id: " \n" }),
    faulty: ["client_id"]
  },
  "with a blank client_secret": {
    answer: "broken",
    data: (owner) => ({ ...idAndSecret(owner), client_secret: " \n" }),
    faulty: ["client_secret"]
  },
  forbidden: { answer: "forbidden" },
  unavailable: { answer: "unavailable" }
} as const satisfies Record<string, SecretState>

/** One state of the connector's own secrets: its answer, and what the environment holds. */
interface ConnectorState {
  readonly answer: Answer
  readonly variables: Record<string, string>
}

const id = { FLYTE_DATABRICKS_CLIENT_ID: clientIdOf(connector) }
const secret = { FLYTE_DATABRICKS_CLIENT_SECRET: clientSecretOf(clientIdOf(connector)) }

export const connectorPat = {
  absent: { answer: "absent", variables: {} },
  whole: { answer: "whole", variables: { FLYTE_DATABRICKS_ACCESS_TOKEN: patOf(connector) } }
} as const satisfies Record<string, ConnectorState>

export const connectorPair = {
  absent: { answer: "absent", variables: {} },
  whole: { answer: "whole", variables: { ...id, ...secret } },
  "id only": { answer: "broken", variables: id },
  "secret only": { answer: "broken", variables: secret }
} as const satisfies Record<string, ConnectorState>

const authType = ["unset", "pat", "oauth_m2m", "oidc_federation"] as const

const keys = <T extends object>(states: T) => Object.keys(states) as ReadonlyArray<string> as ReadonlyArray<keyof T>

export const dimensions = {
  namespaceIdentity: ["allow", "require", "ignore"],
  environmentAuthType: authType,
  taskAuthType: authType,
  kubernetes: ["configured", "not configured"],
  namespace: ["given", "not given"],
  connectorPair: keys(connectorPair),
  connectorPat: keys(connectorPat),
  oauthSecret: keys(oauthSecret),
  tokenSecret: keys(tokenSecret),
  serviceAccounts: keys(serviceAccounts),
  jwtFile: keys(jwtFile),
  audience: keys(audience),
  acquisition
} as const

export type Combination = { readonly [D in keyof typeof dimensions]: (typeof dimensions)[D][number] }

/** Every combination of the states in a table of dimensions. */
export const product = <T extends Readonly<Record<string, ReadonlyArray<string>>>>(
  table: T
): ReadonlyArray<{ readonly [D in keyof T]: T[D][number] }> =>
  Object.entries(table)
    .reduce<ReadonlyArray<Record<string, string>>>(
      (partial, [name, states]) => partial.flatMap((one) => states.map((state) => ({ ...one, [name]: state }))),
      [{}]
    )
    .map((one) => one as { readonly [D in keyof T]: T[D][number] })

/** Without a cluster, and without a namespace to look into, there are no Secrets to tell apart. */
const isPossible = ({ kubernetes, namespace, oauthSecret, tokenSecret }: Combination): boolean =>
  (kubernetes === "configured" && namespace === "given") || (oauthSecret === "absent" && tokenSecret === "absent")

/**
 * Nothing of OIDC exists here, neither a ServiceAccount nor a JWT file, so where it is asked for it must end in an
 * error: that is tried where every other credential is whole and would do, but for the connector's pair, whose client id
 * is also half of what Model 1 needs.
 */
const isDistinct = (one: Combination): boolean =>
  (one.environmentAuthType !== "oidc_federation" && one.taskAuthType !== "oidc_federation") ||
  [one.connectorPat, one.oauthSecret, one.tokenSecret].every((state) => state === "whole")

/** Every combination of what PAT and M2M know, where nothing of OIDC exists. */
export const combinations: ReadonlyArray<Combination> = product({
  ...dimensions,
  serviceAccounts: ["none"],
  jwtFile: ["absent"],
  audience: ["default"],
  acquisition: ["granted"]
} as const).filter((one) => isPossible(one) && isDistinct(one))

/** Names a combination in a message. */
export const describeCombination = (combination: Combination): string =>
  Object.entries(combination)
    .map(([name, state]) => `${name}: ${state}`)
    .join(", ")
