/**
 * The combinations in which something of OIDC exists: every state of its sources, with fewer details of PAT and M2M,
 * whose own enumeration has them all. The full product has millions, and most say the same thing twice: where the
 * contract says that some sources cannot matter, those are tried together only, in three states: all whole, so that
 * each of them would do; all faulty, so that a look at any of them shows; all absent.
 */
import { type Combination, describeCombination, dimensions, product } from "./Combination.ts"
import { acquisition } from "./OidcStates.ts"

type States = Partial<Combination>
type Rows = ReadonlyArray<States>

const files = dimensions.jwtFile
const pairs = ["absent", "whole", "id only"] as const
const pats = ["absent", "whole"] as const
const oauthSecrets = ["absent", "whole", "without client_secret", "forbidden", "unavailable"] as const
const tokenSecrets = ["absent", "whole"] as const

// What cannot matter.
const ofNamespace: Rows = [
  { serviceAccounts: "one", oauthSecret: "whole", tokenSecret: "whole" },
  { serviceAccounts: "unavailable", oauthSecret: "unavailable", tokenSecret: "whole" },
  { serviceAccounts: "none", oauthSecret: "absent", tokenSecret: "absent" }
]
const ofConnector: Rows = [
  { jwtFile: "at the default path", connectorPair: "whole", connectorPat: "whole" },
  { jwtFile: "named, empty", connectorPair: "id only", connectorPat: "absent" },
  { jwtFile: "absent", connectorPair: "absent", connectorPat: "absent" }
]
const ofOidc: Rows = [
  { serviceAccounts: "one", jwtFile: "at the default path" },
  { serviceAccounts: "unavailable", jwtFile: "named, empty" },
  { serviceAccounts: "none", jwtFile: "absent" }
]
const ofPatAndM2M: Rows = [
  { oauthSecret: "whole", tokenSecret: "whole", connectorPat: "whole" },
  { oauthSecret: "unavailable", tokenSecret: "whole", connectorPat: "whole" },
  { oauthSecret: "absent", tokenSecret: "absent", connectorPat: "absent" }
]

// Who says what. That the task's word counts before the environment's is tried for all pairs of them in the other
// enumeration, and here where one of the two says OIDC.
const autoDetect: Rows = [{ environmentAuthType: "unset", taskAuthType: "unset" }]
const explicitOidc: Rows = [
  { environmentAuthType: "oidc_federation", taskAuthType: "unset" },
  { environmentAuthType: "pat", taskAuthType: "oidc_federation" }
]
const explicitOidcOtherwise: Rows = [
  { environmentAuthType: "unset", taskAuthType: "oidc_federation" },
  { environmentAuthType: "oauth_m2m", taskAuthType: "oidc_federation" },
  { environmentAuthType: "oidc_federation", taskAuthType: "oidc_federation" }
]
const explicitOther: Rows = (["pat", "oauth_m2m"] as const).flatMap((type) => [
  { environmentAuthType: type, taskAuthType: "unset" },
  { environmentAuthType: "unset", taskAuthType: type },
  { environmentAuthType: "oidc_federation", taskAuthType: type }
])

const inNamespace: Rows = [{ namespace: "given", kubernetes: "configured" }]
const nowhereToLook: Rows = [
  { namespace: "not given", kubernetes: "configured" },
  { namespace: "given", kubernetes: "not configured" },
  { namespace: "not given", kubernetes: "not configured" }
]

// Listings after which the next source is looked at; forbidden is one of them in auto-detection only.
const noOffer = ["none", "a blank one", "one without the annotation"] as const
const offers = ["one", "one with an audience", "one beside a blank one"] as const

/** What is the same in all of a part, unless its rows say otherwise. */
const usual: States = { audience: "default", acquisition: "granted" }

/** Every way to take one row of each. */
const every = (...parts: ReadonlyArray<Rows>): Rows =>
  parts.reduce<Rows>((partial, rows) => partial.flatMap((one) => rows.map((row) => ({ ...one, ...row }))), [usual])

// The audience decides whether a file for AWS counts, which a client id is needed for.
const connectorsJwt: Rows = [
  ...product({ jwtFile: files, connectorPair: pairs }),
  ...product({
    jwtFile: files.filter((file) => file.includes("AWS")),
    connectorPair: pairs.filter((pair) => pair !== "absent"),
    audience: ["set"] as const
  })
]

const parts: Rows = [
  // Auto-detection where no ServiceAccount decides: everything that follows counts.
  ...every(
    autoDetect,
    inNamespace,
    product({
      namespaceIdentity: ["allow"] as const,
      serviceAccounts: ["none", "a blank one", "forbidden"] as const,
      oauthSecret: oauthSecrets,
      tokenSecret: tokenSecrets,
      connectorPat: pats
    }),
    connectorsJwt
  ),
  // Where the ServiceAccounts decide, for better or worse, nothing that follows is looked at.
  ...every(
    [...autoDetect, ...explicitOidc],
    inNamespace,
    [
      ...product({ serviceAccounts: offers, acquisition, audience: dimensions.audience }),
      ...product({ serviceAccounts: ["two", "unavailable", "forbidden"] as const })
    ],
    product({ namespaceIdentity: ["allow", "require"] as const }),
    ofConnector,
    ofPatAndM2M
  ),
  // Explicit: "that type or an error, never another", so that what there is of other types does not matter.
  ...every(
    explicitOidc,
    inNamespace,
    product({ namespaceIdentity: ["allow"] as const, serviceAccounts: noOffer }),
    connectorsJwt,
    ofPatAndM2M
  ),
  // That it does not matter who says it needs no details.
  ...every(explicitOidcOtherwise, inNamespace, product({ namespaceIdentity: dimensions.namespaceIdentity }), ofOidc, [
    { connectorPair: "whole", connectorPat: "whole", oauthSecret: "whole", tokenSecret: "whole" }
  ]),
  ...every(
    explicitOther,
    inNamespace,
    product({
      namespaceIdentity: dimensions.namespaceIdentity,
      oauthSecret: ["absent", "whole"] as const,
      tokenSecret: tokenSecrets,
      connectorPair: pairs,
      connectorPat: pats
    }),
    ofOidc
  ),
  // `require`: "shared, connector-level identities are refused".
  ...every(
    [...autoDetect, ...explicitOidc],
    inNamespace,
    product({
      namespaceIdentity: ["require"] as const,
      serviceAccounts: [...noOffer, "forbidden"] as const,
      oauthSecret: oauthSecrets,
      tokenSecret: tokenSecrets
    }),
    ofConnector
  ),
  // `ignore`: "namespaces are never looked into".
  ...every(
    [...autoDetect, ...explicitOidc],
    inNamespace,
    product({ namespaceIdentity: ["ignore"] as const, connectorPat: pats }),
    connectorsJwt,
    ofNamespace
  ),
  // No namespace, or no cluster: only the connector has something.
  ...every(
    [...autoDetect, ...explicitOidc],
    nowhereToLook,
    product({
      namespaceIdentity: dimensions.namespaceIdentity,
      serviceAccounts: ["none"] as const,
      oauthSecret: ["absent"] as const,
      tokenSecret: ["absent"] as const,
      connectorPat: ["whole"] as const
    }),
    product({ jwtFile: files, connectorPair: pairs })
  )
]

/** Each once. */
export const oidcCombinations: ReadonlyArray<Combination> = [
  ...new Map(
    parts.map((part) => {
      const one = Object.fromEntries(
        Object.keys(dimensions).map((name) => {
          const state = part[name as keyof Combination]
          if (state === undefined) throw new Error(`no state of ${name}`)
          return [name, state]
        })
      ) as Combination
      return [describeCombination(one), one] as const
    })
  ).values()
]
