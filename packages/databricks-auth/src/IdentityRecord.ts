/**
 * An identity as job metadata keeps it. Flyte's own connector reads and writes the same fields, so that either connector
 * can poll and cancel what the other submitted; each mode says how it uses them.
 */
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { AuthError } from "./AuthError.ts"
import { AuthType } from "./Identity.ts"
import { isNamespace, isObjectName, isSecretName } from "./internal/kubernetesNames.ts"
import { invalid } from "./internal/settings.ts"

/**
 * The fields of job metadata that say who a run is.
 */
export const fields = {
  /** The PAT itself: older connectors need it to poll. No other token is ever recorded. */
  authToken: Schema.Option(Schema.Redacted(Schema.String)),
  /** Absent in metadata from before there was a choice, when every run was a PAT's. */
  authType: Schema.Option(AuthType),
  clientId: Schema.Option(Schema.String),
  oauthSecretName: Schema.Option(Schema.String),
  oidcTokenFile: Schema.Option(Schema.String),
  oidcServiceAccount: Schema.Option(Schema.String),
  oidcAudience: Schema.Option(Schema.String),
  namespace: Schema.Option(Schema.String),
  /** Read from a draft's metadata, never written. */
  tokenSecretName: Schema.Option(Schema.String),
  /** The tag of a mode that is not one of Flyte's four. Only a connector with that mode goes on with the run. */
  mode: Schema.Option(Schema.String),
  /** What such a mode pins, by names of its own; never a secret. */
  parameters: Schema.Option(Schema.Record(Schema.String, Schema.String))
} as const

/**
 * An identity as job metadata keeps it, and the workspace it is for.
 */
export const IdentityRecord = Schema.Struct({ instance: Schema.String, ...fields })
export type IdentityRecord = typeof IdentityRecord.Type

/**
 * Nothing recorded but the instance.
 */
export const empty = (instance: string): IdentityRecord => ({
  instance,
  ...Record.map<keyof typeof fields, unknown, Option.Option<never>>(fields, Option.none)
})

/**
 * Whether nothing is recorded of who the run is.
 */
export const isEmpty = (record: IdentityRecord): boolean =>
  Record.keys(fields).every((field) => Option.isNone<unknown>(record[field]))

/**
 * The auth type that is recorded; `pat` where none is.
 */
export const authTypeOf = ({ authType }: IdentityRecord): AuthType => Option.getOrElse(authType, () => "pat" as const)

/**
 * Metadata comes back from the caller, and its names end up in the paths of Kubernetes requests.
 */
export const checkNames = (record: IdentityRecord): Result.Result<void, AuthError> => {
  const names = [
    ["namespace", record.namespace, isNamespace, "a Kubernetes namespace"],
    ["oauth_secret_name", record.oauthSecretName, isSecretName, "the name of a Kubernetes Secret"],
    ["token_secret_name", record.tokenSecretName, isSecretName, "the name of a Kubernetes Secret"],
    ["oidc_service_account", record.oidcServiceAccount, isObjectName, "the name of a Kubernetes ServiceAccount"]
  ] as const
  for (const [key, value, isValid, expected] of names) {
    if (Option.isSome(value) && !isValid(value.value)) {
      return Result.fail(invalid(`${key} of the job metadata`, value.value, expected))
    }
  }
  return Result.succeed(undefined)
}
