/**
 * What today's settings say of an identity, whoever made it: a run's metadata comes back from a caller, who may have
 * written it. What needs no history is held against them before any secret is read.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { AuthError, IdentityChanged, IdentityRefused } from "../AuthError.ts"
import type { Credential } from "../Credential.ts"
import { type Identity, OAuthM2MIdentity, PatIdentity, secretOf } from "../Identity.ts"
import type { ConnectorSettings } from "../request/ConnectorSettings.ts"
import { admit } from "../WorkspaceHost.ts"

type Settings = ConnectorSettings["Service"]

/**
 * The credential as it may be used, if it may be used at all.
 */
export const admitted = (settings: Settings, credential: Credential): Result.Result<Credential, AuthError> => {
  const { identity } = credential
  return Result.flatMap(admit(identity.instance, settings.allowedInstances), () => {
    const { namespace, isShared } = ownerOf(identity)
    if (Option.isSome(namespace) && !settings.namespaces.includes(namespace.value)) {
      const why = `namespace ${namespace.value} is not among ${settings.namespaces.patterns.join(", ")}`
      return Result.fail(refused(identity, why, "FLYTE_DATABRICKS_NAMESPACES"))
    }
    const refusal = whyNotShared(settings, identity.instance)
    if (refusal === undefined) return Result.succeed(credential)
    const own = isShared ? Option.none() : ofNamespaceAlone(identity)
    return Option.isSome(own)
      ? Result.succeed({ ...credential, identity: own.value })
      : Result.fail(refused(identity, refusal.why, refusal.setting))
  })
}

/** The namespace whose credential an identity has, and whether it has the connector's. */
const ownerOf = (identity: Identity): { readonly namespace: Option.Option<string>; readonly isShared: boolean } => {
  switch (identity._tag) {
    case "pat":
    case "oauth_m2m": {
      const namespace = Option.map(secretOf(identity.origin), ({ namespace }) => namespace)
      return { namespace, isShared: identity.origin._tag === "ConnectorLevel" }
    }
    case "oidc_connector":
      return { namespace: Option.none(), isShared: true }
    case "oidc_namespace":
      return { namespace: Option.some(identity.namespace), isShared: false }
    case "extension":
      return { namespace: identity.namespace, isShared: Option.isNone(identity.namespace) }
  }
}

// Where a record leaves open whose credential it was, it is the namespace's then.
const ofNamespaceAlone = (identity: Identity): Option.Option<Identity> => {
  if (!("origin" in identity) || identity.origin._tag !== "Unrecorded") return Option.some(identity)
  return Option.map(secretOf(identity.origin), (origin) =>
    identity._tag === "pat" ? new PatIdentity({ ...identity, origin }) : new OAuthM2MIdentity({ ...identity, origin })
  )
}

/**
 * Why no credential of the connector is used for a workspace; `undefined` where one may be.
 */
export const whyNotShared = (
  { namespaceIdentity, sharedInstances }: Settings,
  instance: Identity["instance"]
): { readonly why: string; readonly setting: string } | undefined => {
  if (namespaceIdentity === "require") {
    const why = "shared by namespaces, and FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require"
    return { why, setting: "FLYTE_DATABRICKS_NAMESPACE_IDENTITY" }
  }
  if (sharedInstances.allows(instance)) return undefined
  const why = `the connector's own credentials go only to ${sharedInstances.patterns.join(", ")}`
  return { why, setting: "FLYTE_DATABRICKS_ALLOWED_INSTANCES" }
}

/**
 * The error of an identity that a setting refuses.
 */
export const refused = ({ principal, source }: Identity, why: string, setting: string): AuthError =>
  new AuthError({ reason: new IdentityRefused({ principal, source, why, setting }) })

/**
 * Fails where a credential is of another principal than the one that is meant.
 */
export const requirePrincipal = (source: string, expected: string, found: string): Result.Result<void, AuthError> =>
  expected === found
    ? Result.succeed(undefined)
    : Result.fail(new AuthError({ reason: new IdentityChanged({ source, expected, found }) }))
