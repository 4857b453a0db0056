/**
 * What today's settings say of an identity, whoever made it: a run's metadata comes back from a caller, who may have
 * written it. What needs no history is held against them before any secret is read.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AuthError, IdentityRefused } from "../AuthError.ts"
import type { Credential } from "../Credential.ts"
import { type Identity, OAuthM2MIdentity, PatIdentity, secretOf } from "../Identity.ts"
import type { ConnectorSettings } from "../request/ConnectorSettings.ts"
import { admit } from "../WorkspaceHost.ts"

type Settings = ConnectorSettings["Service"]

/**
 * The credential as it may be used, if it may be used at all.
 */
export const admitted = Effect.fnUntraced(function* (
  settings: Settings,
  credential: Credential
): Effect.fn.Return<Credential, AuthError> {
  const { identity } = credential
  yield* admit(identity.instance, settings.allowedInstances)
  const { tenant } = identity
  if (Option.isSome(tenant) && !settings.namespaces.includes(tenant.value)) {
    const why = `namespace ${tenant.value} is not among ${settings.namespaces.patterns.join(", ")}`
    return yield* refuse(identity, why, "FLYTE_DATABRICKS_NAMESPACES")
  }
  const refusal = whyNotShared(settings, identity.instance)
  if (Option.isNone(refusal)) return credential
  const own = ofNamespaceAlone(identity)
  return Option.isSome(own)
    ? { ...credential, identity: own.value }
    : yield* refuse(identity, refusal.value.why, refusal.value.setting)
})

// Where a record leaves open whose credential it was, it is the namespace's then.
const ofNamespaceAlone = (identity: Identity): Option.Option<Identity> => {
  if (identity.isShared) return Option.none()
  if (!("origin" in identity) || identity.origin._tag !== "Unrecorded") return Option.some(identity)
  return Option.map(secretOf(identity.origin), (origin) =>
    identity._tag === "pat" ? new PatIdentity({ ...identity, origin }) : new OAuthM2MIdentity({ ...identity, origin })
  )
}

/**
 * Why no credential of the connector is used for a workspace; none where one may be.
 */
export const whyNotShared = (
  { namespaceIdentity, sharedInstances }: Settings,
  instance: Identity["instance"]
): Option.Option<{ readonly why: string; readonly setting: string }> => {
  if (namespaceIdentity === "require") {
    return Option.some({
      why: "shared by namespaces, and FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require",
      setting: "FLYTE_DATABRICKS_NAMESPACE_IDENTITY"
    })
  }
  return sharedInstances.allows(instance)
    ? Option.none()
    : Option.some({
        why: `the connector's own credentials go only to ${sharedInstances.patterns.join(", ")}`,
        setting: "FLYTE_DATABRICKS_ALLOWED_INSTANCES"
      })
}

const refuse = (identity: Identity, why: string, setting: string) =>
  Effect.fail(
    new AuthError({
      reason: new IdentityRefused({ principal: identity.principal, source: identity.source, why, setting })
    })
  )
