/**
 * An identity as job metadata keeps it. Flyte's own connector reads and writes the same fields, so that either connector
 * can poll and cancel what the other submitted; each mode says how it uses them.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { AuthError } from "./AuthError.ts"
import type { AuthType } from "./Identity.ts"
import { isNamespace, isObjectName, isSecretName } from "./internal/kubernetesNames.ts"
import { invalid } from "./internal/settings.ts"

/**
 * The fields of job metadata that say who a run is.
 */
export interface IdentityRecord {
  readonly instance: string
  /** Absent in metadata from before there was a choice, when every run was a PAT's. */
  readonly authType: Option.Option<AuthType>
  /** The PAT itself: older connectors need it to poll. No other token is ever recorded. */
  readonly authToken: Option.Option<Redacted.Redacted<string>>
  readonly clientId: Option.Option<string>
  readonly oauthSecretName: Option.Option<string>
  /** Read from a draft's metadata, never written. */
  readonly tokenSecretName: Option.Option<string>
  readonly oidcTokenFile: Option.Option<string>
  readonly oidcServiceAccount: Option.Option<string>
  readonly oidcAudience: Option.Option<string>
  readonly namespace: Option.Option<string>
}

/**
 * Nothing recorded but the instance.
 */
export const empty = (instance: string): IdentityRecord => ({
  instance,
  authType: Option.none(),
  authToken: Option.none(),
  clientId: Option.none(),
  oauthSecretName: Option.none(),
  tokenSecretName: Option.none(),
  oidcTokenFile: Option.none(),
  oidcServiceAccount: Option.none(),
  oidcAudience: Option.none(),
  namespace: Option.none()
})

/**
 * Whether nothing is recorded of who the run is.
 */
export const saysNothing = (recorded: IdentityRecord): boolean =>
  [
    recorded.authType,
    recorded.authToken,
    recorded.clientId,
    recorded.oauthSecretName,
    recorded.tokenSecretName,
    recorded.oidcTokenFile,
    recorded.oidcServiceAccount,
    recorded.oidcAudience,
    recorded.namespace
  ].every((field) => Option.isNone<unknown>(field))

/**
 * Metadata comes back from the caller, and its names end up in the paths of Kubernetes requests.
 */
export const checkNames = Effect.fnUntraced(function* (recorded: IdentityRecord): Effect.fn.Return<void, AuthError> {
  const names = [
    ["namespace", recorded.namespace, isNamespace, "a Kubernetes namespace"],
    ["oauth_secret_name", recorded.oauthSecretName, isSecretName, "the name of a Kubernetes Secret"],
    ["token_secret_name", recorded.tokenSecretName, isSecretName, "the name of a Kubernetes Secret"],
    ["oidc_service_account", recorded.oidcServiceAccount, isObjectName, "the name of a Kubernetes ServiceAccount"]
  ] as const
  for (const [key, value, isValid, expected] of names) {
    if (Option.isSome(value) && !isValid(value.value)) {
      yield* invalid(`${key} of the job metadata`, value.value, expected)
    }
  }
})
