/**
 * What can exist of OIDC: ServiceAccounts in the namespace, what Kubernetes and Databricks say to their tokens, and the
 * connector's JWT file.
 */
import { clientIdOf, secretMark } from "./Credentials.ts"

/** The audience where nobody sets one, and one that the environment sets. */
export const audience = { default: "databricks", set: "federation.example" } as const

/** A ServiceAccount with the label; its client id by the namespace it is in. */
interface Labelled {
  readonly name: string
  readonly clientId?: (namespace: string) => string
  readonly audience?: string
}

interface ServiceAccountsState {
  readonly listing: "answered" | "forbidden" | "unavailable"
  /** In the order in which Kubernetes lists them. */
  readonly labelled: ReadonlyArray<Labelled>
}

const offering = (name: string): Labelled => ({ name, clientId: (namespace) => clientIdOf(`${namespace}-${name}`) })
const answered = (...labelled: ReadonlyArray<Labelled>): ServiceAccountsState => ({ listing: "answered", labelled })
const blank: Labelled = { name: "lacking", clientId: () => " \n" }

export const serviceAccounts = {
  none: answered(),
  one: answered(offering("spark")),
  "one with an audience": answered({ ...offering("spark"), audience: "audience-of-spark" }),
  "one beside a blank one": answered(blank, offering("spark")),
  two: answered(offering("zeta"), offering("alpha")),
  "a blank one": answered(blank),
  "one without the annotation": answered({ name: "lacking" }),
  // What is there does not matter to who may not look at it.
  forbidden: { listing: "forbidden", labelled: [offering("spark")] },
  unavailable: { listing: "unavailable", labelled: [offering("spark")] }
} as const satisfies Record<string, ServiceAccountsState>

/** What becomes of the request for a ServiceAccount's token, once the identity is chosen. */
export const acquisition = [
  "granted",
  "TokenRequest forbidden",
  "TokenRequest unavailable",
  "exchange refused"
] as const

/** What stands at a path. */
export type Content = "missing" | "whole" | "for another audience" | "empty" | "not a JWT"

export const pathBy = {
  default: "/var/run/secrets/databricks/token",
  FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/jwt/named",
  AWS_WEB_IDENTITY_TOKEN_FILE: "/jwt/aws"
} as const

/** What stands at each path; a setting that is not here is unset. */
type JwtFileState = { readonly [By in keyof typeof pathBy]?: Content }

const named = (content: Content) => ({ FLYTE_DATABRICKS_OIDC_TOKEN_FILE: content, default: "whole" }) as const
const aws = (content: Content, defaultPath: Content) =>
  ({ AWS_WEB_IDENTITY_TOKEN_FILE: content, default: defaultPath }) as const

/** A file that is named has a whole one at the default path beside it, which must not stand in for it. */
export const jwtFile = {
  absent: {},
  "at the default path": { default: "whole" },
  "at the default path for another audience": { default: "for another audience" },
  "at the default path, empty": { default: "empty" },
  "at the default path, not a JWT": { default: "not a JWT" },
  named: named("whole"),
  "named, for another audience": named("for another audience"),
  "named, missing": named("missing"),
  "named, empty": named("empty"),
  "named, not a JWT": named("not a JWT"),
  "named, and one for AWS": { ...named("whole"), ...aws("whole", "missing") },
  "named, missing, and one for AWS": { ...named("missing"), ...aws("whole", "missing") },
  "for AWS": aws("whole", "whole"),
  "for AWS alone, for another audience": aws("for another audience", "missing"),
  "for AWS, for another audience": aws("for another audience", "whole"),
  "for AWS alone, missing": aws("missing", "missing"),
  "for AWS, missing": aws("missing", "whole"),
  "for AWS alone, not a JWT": aws("not a JWT", "missing"),
  "for AWS, not a JWT": aws("not a JWT", "whole")
} as const satisfies Record<string, JwtFileState>

/** The subject of the JWT at a path. */
export const subjectAt = (path: string): string => `file-${path}`

/** A JWT whose signature is the secret part of it. */
export const jwtOf = (sub: string, aud: string): string =>
  [{ alg: "RS256" }, { iss: "https://issuer.example", sub, aud: [aud] }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .concat(`signature-${secretMark}`)
    .join(".")

/** The text of a file. */
export const textOf = (path: string, content: Content, audienceOfConnector: string): string | undefined => {
  switch (content) {
    case "missing":
      return undefined
    case "empty":
      return " \n"
    case "not a JWT":
      return `${secretMark} that is no JWT`
    case "whole":
      return jwtOf(subjectAt(path), audienceOfConnector)
    case "for another audience":
      return jwtOf(subjectAt(path), audienceOfConnector === audience.default ? "sts.amazonaws.com" : audience.default)
  }
}
