/**
 * Who a Flyte task is on Databricks: a mode, a principal where it is known, and where the credential came from. An
 * identity holds no secret; it is what submit pins, what the job's metadata stores, and what a token is acquired for.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { WorkspaceHost } from "./WorkspaceHost.ts"

/**
 * What an operator or a task may set; nothing set means auto-detect.
 */
export const AuthType = Schema.Literals(["pat", "oauth_m2m", "oidc_federation"])
export type AuthType = typeof AuthType.Type

/**
 * The credential is a Secret of the workflow's namespace.
 */
export const NamespaceSecret = Schema.TaggedStruct("NamespaceSecret", {
  namespace: Schema.String,
  name: Schema.String
})
export type NamespaceSecret = typeof NamespaceSecret.Type

/**
 * The credential is configured once on the connector and shared by the namespaces that bring none.
 */
export const ConnectorLevel = Schema.TaggedStruct("ConnectorLevel", {})

/**
 * Another connector submitted the run and did not record where its credential came from. It looked at the namespace
 * Secret first and at the connector level second, and so do we.
 */
export const Unrecorded = Schema.TaggedStruct("Unrecorded", {
  namespace: Schema.Option(Schema.String),
  name: Schema.String
})

/**
 * The credential comes with each request: the PAT of a Flyte 2 connection.
 */
export const RequestSecret = Schema.TaggedStruct("RequestSecret", {})

/**
 * The credential is the token that the run's metadata stores. Where that came from is not recorded, so no other takes its
 * place.
 */
export const StoredToken = Schema.TaggedStruct("StoredToken", {})

/**
 * Where a PAT or client credentials came from, by `_tag`.
 */
export const Origin = Schema.Union([NamespaceSecret, ConnectorLevel, Unrecorded, RequestSecret, StoredToken])
export type Origin = typeof Origin.Type

/** The namespace's Secret that an origin names. */
export const secretOf = (origin: Origin): Option.Option<NamespaceSecret> => {
  switch (origin._tag) {
    case "NamespaceSecret":
      return Option.some(origin)
    case "Unrecorded":
      return Option.map(origin.namespace, (namespace) => NamespaceSecret.make({ namespace, name: origin.name }))
    case "ConnectorLevel":
    case "RequestSecret":
    case "StoredToken":
      return Option.none()
  }
}

const unrecorded = "not recorded at submit"

/**
 * Names an origin the way errors, logs and tables show it.
 */
export const describeOrigin = (origin: Origin): string => {
  switch (origin._tag) {
    case "NamespaceSecret":
      return `Secret ${origin.namespace}/${origin.name}`
    case "ConnectorLevel":
      return "connector"
    case "Unrecorded":
      return unrecorded
    case "RequestSecret":
      return "connection of the request"
    case "StoredToken":
      return "auth_token of the job metadata"
  }
}

/**
 * Equal for two identities exactly when they may share a token: all fields, which their schema puts in order. As JSON no
 * two look alike, whatever their parts hold, and a part that is absent is like no other.
 */
const keyOf = (identity: object): string => JSON.stringify(identity)

/**
 * A personal access token. Whose it is, Databricks alone knows.
 */
export class PatIdentity extends Schema.TaggedClass<PatIdentity>()("pat", {
  instance: WorkspaceHost,
  origin: Origin
}) {
  readonly authType = "pat"
  #key: string | undefined
  get key(): string {
    return (this.#key ??= keyOf(this))
  }
  get principal(): string {
    return "owner of the PAT"
  }
  get source(): string {
    return describeOrigin(this.origin)
  }
}

/**
 * A service principal that authenticates with client credentials. The client id is absent only where another
 * connector submitted the run without recording it.
 */
export class OAuthM2MIdentity extends Schema.TaggedClass<OAuthM2MIdentity>()("oauth_m2m", {
  instance: WorkspaceHost,
  clientId: Schema.Option(Schema.String),
  origin: Origin
}) {
  readonly authType = "oauth_m2m"
  #key: string | undefined
  get key(): string {
    return (this.#key ??= keyOf(this))
  }
  get principal(): string {
    return Option.getOrElse(this.clientId, () => unrecorded)
  }
  get source(): string {
    return describeOrigin(this.origin)
  }
}

/**
 * OIDC federation as the connector's pod (Model 1).
 */
export class OidcConnectorIdentity extends Schema.TaggedClass<OidcConnectorIdentity>()("oidc_connector", {
  instance: WorkspaceHost,
  clientId: Schema.String,
  tokenFile: Schema.String,
  audience: Schema.String
}) {
  readonly authType = "oidc_federation"
  #key: string | undefined
  get key(): string {
    return (this.#key ??= keyOf(this))
  }
  get principal(): string {
    return this.clientId
  }
  get source(): string {
    return `JWT file ${this.tokenFile}`
  }
}

/**
 * OIDC federation as a ServiceAccount of the workflow's namespace (Model 2).
 */
export class OidcNamespaceIdentity extends Schema.TaggedClass<OidcNamespaceIdentity>()("oidc_namespace", {
  instance: WorkspaceHost,
  clientId: Schema.String,
  namespace: Schema.String,
  serviceAccount: Schema.String,
  audience: Schema.String
}) {
  readonly authType = "oidc_federation"
  #key: string | undefined
  get key(): string {
    return (this.#key ??= keyOf(this))
  }
  get principal(): string {
    return this.clientId
  }
  get source(): string {
    return `ServiceAccount ${this.namespace}/${this.serviceAccount}`
  }
}

/**
 * The identity of a mode that is not one of Flyte's four: another package brought it (`AuthMode.extension`). Everything
 * that makes it what it is stands in its fields, none of which is a secret.
 */
export class ExtensionIdentity extends Schema.TaggedClass<ExtensionIdentity>()("extension", {
  instance: WorkspaceHost,
  /** The tag of its mode. */
  mode: Schema.String,
  authType: AuthType,
  /** The client id that tokens are asked for with. */
  clientId: Schema.String,
  /** The namespace whose credential it is; none: the connector's, which namespaces share. */
  namespace: Schema.Option(Schema.String),
  /** Where its credential comes from, as explanations name it. */
  source: Schema.String,
  /** What else its mode pins, by names of its own. */
  parameters: Schema.Record(Schema.String, Schema.String)
}) {
  #key: string | undefined
  get key(): string {
    return (this.#key ??= keyOf({ ...this, parameters: inOrder(this.parameters) }))
  }
  get principal(): string {
    return this.clientId
  }
}

const inOrder = (parameters: Readonly<Record<string, string>>) =>
  Object.keys(parameters)
    .toSorted()
    .map((name) => [name, parameters[name]])

/**
 * The service principal that an identity is, where that is known: whose a PAT is, Databricks alone knows.
 */
export const clientIdOf = (identity: Identity): Option.Option<string> => {
  switch (identity._tag) {
    case "pat":
      return Option.none()
    case "oauth_m2m":
      return identity.clientId
    case "oidc_connector":
    case "oidc_namespace":
    case "extension":
      return Option.some(identity.clientId)
  }
}

/**
 * Who a run is, of whichever mode, by `_tag`.
 */
export const Identity = Schema.Union([
  PatIdentity,
  OAuthM2MIdentity,
  OidcConnectorIdentity,
  OidcNamespaceIdentity,
  ExtensionIdentity
])
export type Identity = typeof Identity.Type

/** The tag of the mode that an identity is of. */
export const modeOf = (identity: Identity): string => (identity._tag === "extension" ? identity.mode : identity._tag)

/**
 * An identity as JSON: `Schema.encodeEffect(Identity)` alone leaves `Option`s in it, which JSON does not carry back.
 */
export const IdentityFromJson = Schema.toCodecJson(Identity)

/**
 * An identity as lists, logs and APIs show it, the same for every mode.
 */
export const Summary = Schema.Struct({
  /** `pat`, `oauth_m2m`, `oidc_connector`, `oidc_namespace`, or the tag of a mode that a package brought. */
  mode: Schema.String,
  authType: AuthType,
  principal: Schema.String,
  source: Schema.String,
  instance: Schema.String
})
export type Summary = typeof Summary.Type

/**
 * Sums an identity up. It holds no secret, and neither does this.
 */
export const summarize = (identity: Identity): Summary => {
  const { authType, principal, source, instance } = identity
  return { mode: modeOf(identity), authType, principal, source, instance }
}
