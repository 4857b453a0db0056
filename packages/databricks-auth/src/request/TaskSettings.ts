/**
 * What a task says about its identity. Whoever wrote the task chose it, so each value is checked before it is used.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import type { AuthError } from "../AuthError.ts"
import { invalid, looksLikeSecret, nonBlank } from "../internal/settings.ts"

/**
 * The settings of a task, in place of the connector's. None of them is a secret.
 */
export interface TaskSettings {
  /** The workspace, as an address or a host name. */
  readonly instance?: string | undefined
  /** Which workspace of the instance's host, where its address does not say it. */
  readonly workspaceId?: string | undefined
  /** `pat`, `oauth_m2m` or `oidc_federation`. */
  readonly authType?: string | undefined
  /** In place of the connector's client id; a namespace's own credential has to have it. */
  readonly clientId?: string | undefined
  /** The Secret of the namespace that has its PAT. */
  readonly tokenSecretName?: string | undefined
  /** The Secret of the namespace that has its client credentials. */
  readonly oauthSecretName?: string | undefined
  /** A JWT file on the connector, inside of the directories that the operator listed. */
  readonly oidcTokenFile?: string | undefined
  /** The audience of its JWT, of those that the operator allows. */
  readonly oidcAudience?: string | undefined
  /** The secret of Flyte that the task names for its PAT: Flyte 2 sends its value along as the request's connection. */
  readonly connectionSecretName?: string | undefined
}

/**
 * A setting of a task, by its name here.
 */
export type Name = keyof TaskSettings

/**
 * The key of each setting in `custom` of a Flyte task template. That of `connectionSecretName` is under `secrets`.
 */
export const customKeys = {
  instance: "databricksInstance",
  workspaceId: "databricksWorkspaceId",
  authType: "databricksAuthType",
  clientId: "databricksClientId",
  tokenSecretName: "databricksTokenSecret",
  oauthSecretName: "databricksOauthSecret",
  oidcTokenFile: "databricksOidcTokenFile",
  oidcAudience: "databricksOidcAudience",
  connectionSecretName: "databricks_token"
} as const satisfies { readonly [N in Name]-?: string }

/** All of them. */
export const names: ReadonlyArray<Name> = Record.keys(customKeys)

/**
 * Names a setting the way errors and explanations do.
 */
export const describe = (name: Name): string => `${customKeys[name]} of the task`

/**
 * The settings, trimmed and without the blank ones.
 */
export const make = (given: { readonly [N in Name]?: unknown }): Result.Result<TaskSettings, AuthError> => {
  const settings: { [N in Name]?: string } = {}
  for (const name of names) {
    const setting = read(name, given[name])
    if (Result.isFailure(setting)) return Result.fail(setting.failure)
    if (setting.success !== undefined) settings[name] = setting.success
  }
  return Result.succeed(settings)
}

/**
 * Reads `custom` of a Flyte task template, once it is JSON. Keys that are no settings of an identity are left alone.
 */
export const fromCustom = (custom: unknown): Effect.Effect<TaskSettings, AuthError> =>
  Effect.fromResult(
    make(
      Record.map(customKeys, (key, name) =>
        propertyOf(name === "connectionSecretName" ? propertyOf(custom, "secrets") : custom, key)
      )
    )
  )

const propertyOf = (object: unknown, key: string): unknown =>
  Predicate.isObject(object) && Object.hasOwn(object, key) ? Reflect.get(object, key) : undefined

// Of free text. Every other setting is a word, a host or a name, and those are short.
const limits: { readonly [N in Name]?: number } = {
  clientId: 256,
  oidcAudience: 256,
  oidcTokenFile: 1000,
  connectionSecretName: 500
}

const read = (name: Name, value: unknown): Result.Result<string | undefined, AuthError> => {
  if (value === undefined || value === null) return absent
  const isOfFlyte = name === "connectionSecretName"
  const refuse = (given: string, expected: string) => Result.fail(invalid(describe(name), given, expected))
  if (!Predicate.isString(value)) return isOfFlyte ? absent : refuse(typeof value, "text")
  const text = Option.getOrUndefined(nonBlank(value))
  if (text === undefined) return absent
  const limit = limits[name]
  if (limit !== undefined && text.length > limit) return refuse(`${text.length} characters long`, `at most ${limit}`)
  // Errors, explanations and job metadata show every setting. Flyte looks its secret up itself: any name of it is as good as
  // another.
  return !isOfFlyte && looksLikeSecret(text)
    ? refuse(text, "a setting: secrets are for Kubernetes Secrets")
    : Result.succeed(text)
}

const absent = Result.succeed(undefined)
