/**
 * What there is to do with a running Kubernetes API beside calling it: from code by these methods, over HTTP by the admin
 * routes.
 */
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Jose from "jose"
import type { EmulatorError } from "../EmulatorError.ts"
import type * as Rbac from "./Rbac.ts"
import type { Target } from "./Resource.ts"
import type * as Secrets from "./Secrets.ts"
import type * as ServiceAccounts from "./ServiceAccounts.ts"
import type * as ServiceAccountTokens from "./ServiceAccountTokens.ts"
import type * as SigningKeys from "./SigningKeys.ts"
import type * as Users from "./Users.ts"

/** Reads and changes what a Kubernetes API has in it. */
export interface Controls {
  readonly users: Effect.Effect<ReadonlyArray<Users.User>>
  readonly addUser: (options: Users.UserOptions) => Effect.Effect<Users.AddedUser, EmulatorError>
  readonly revokeToken: (token: string | Redacted.Redacted) => Effect.Effect<boolean>

  readonly rules: Effect.Effect<ReadonlyArray<Rbac.Rule>>
  /** Adds a rule; one that denies beats those that allow. */
  readonly addRule: (rule: Rbac.Rule) => Effect.Effect<void>
  /** Replaces all rules. */
  readonly setRules: (rules: ReadonlyArray<Rbac.Rule>) => Effect.Effect<void>

  /** The Secrets there are, as `namespace/name`. */
  readonly secrets: Effect.Effect<ReadonlyArray<string>>
  readonly setSecret: (secret: Secrets.SecretOptions) => Effect.Effect<void, EmulatorError>
  /** Deletes a Secret; says whether it was there. */
  readonly deleteSecret: (target: Target) => Effect.Effect<boolean>

  /** The ServiceAccounts there are, as `namespace/name`. */
  readonly serviceAccounts: Effect.Effect<ReadonlyArray<string>>
  /** Creates a ServiceAccount, or gives one that is there these labels and annotations and no others. */
  readonly setServiceAccount: (account: ServiceAccounts.ServiceAccountOptions) => Effect.Effect<void, EmulatorError>
  /** Changes single labels and annotations; `null` removes one. */
  readonly patchServiceAccount: (
    target: Target,
    patch: ServiceAccounts.ServiceAccountPatch
  ) => Effect.Effect<void, EmulatorError>
  /** Deletes a ServiceAccount; says whether it was there. */
  readonly deleteServiceAccount: (target: Target) => Effect.Effect<boolean>

  /** The `iss` of ServiceAccount tokens. */
  readonly issuer: string
  /** The public keys, as the issuer publishes them. */
  readonly jwks: Effect.Effect<Jose.JSONWebKeySet>
  /** Signs any token with the issuer's key: for a projected token file, or with something wrong about it. */
  readonly mintToken: (token: ServiceAccountTokens.MintOptions) => Effect.Effect<Redacted.Redacted>
  /** Signs with a new key from now on, and gives its id. */
  readonly rotateSigningKey: (options?: SigningKeys.RotateOptions) => Effect.Effect<string>
}
