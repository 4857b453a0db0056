/**
 * One request for an identity, with every setting resolved: the task's, else the environment's, else the default.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { AuthError, InstanceMissing, NamespaceInvalid, TaskOverrideRefused } from "../AuthError.ts"
import type { Connection } from "./Connection.ts"
import type { ConnectorSettings, NamespaceIdentity } from "./ConnectorSettings.ts"
import { AuthType } from "../Identity.ts"
import { isNamespace, isSecretName } from "../internal/kubernetesNames.ts"
import { invalid, looksLikeSecret, nonBlank, oneOf, shown } from "../internal/settings.ts"
import { admit, type WorkspaceHost } from "../WorkspaceHost.ts"

/**
 * What a caller knows of a task: where it runs, and the settings it carries (`custom` of a Flyte task template).
 */
export interface TaskContext {
  readonly namespace?: string
  readonly project?: string
  readonly domain?: string
  readonly org?: string
  readonly custom?: unknown
  /** What a request of Flyte 2 carries beside the task; Flyte 1 has nothing of the kind. */
  readonly connection?: Connection
}

/**
 * What selection works on.
 */
export interface AuthRequest {
  readonly instance: WorkspaceHost
  /** The namespace whose Secrets and ServiceAccounts count; none where the request has none. */
  readonly namespace: Option.Option<string>
  /** The auth type that is set, and by whom; none: auto-detect. */
  readonly authType: Option.Option<{ readonly value: AuthType; readonly from: string }>
  /** The task's client id, in place of the connector's. A namespace's own identity is not asked for it. */
  readonly clientId: Option.Option<string>
  readonly tokenSecretName: string
  /** The connection of a Flyte 2 request, and the secret of Flyte that the task names for its PAT. */
  readonly connection?: { readonly value: Connection; readonly secretName: Option.Option<string> }
  readonly oauthSecretName: string
  /** The JWT file that the task names. */
  readonly tokenFile: Option.Option<string>
  readonly audience: string
  readonly namespaceIdentity: NamespaceIdentity
}

const authKeys = [
  "databricksAuthType",
  "databricksClientId",
  "databricksTokenSecret",
  "databricksOauthSecret",
  "databricksOidcTokenFile",
  "databricksOidcAudience"
] as const

/**
 * Resolves a task's settings against the operator's. The instance passes the allow-list here, before any credential is
 * looked at.
 */
export const make = Effect.fnUntraced(function* (
  settings: ConnectorSettings["Service"],
  context: TaskContext
): Effect.fn.Return<AuthRequest, AuthError> {
  const task = taskSettings(context.custom)
  const connection = context.connection && {
    value: context.connection,
    secretName: connectionSecretName(context.custom)
  }
  if (!settings.allowTaskAuthOverride) yield* refuseOverrides(task, connection)

  const instance = Option.orElse(yield* task("databricksInstance"), () => settings.instance)
  if (Option.isNone(instance)) return yield* new AuthError({ reason: new InstanceMissing() })

  const authType = yield* task("databricksAuthType")
  return {
    instance: yield* admit(instance.value, settings.allowedInstances),
    namespace: yield* identityNamespace(settings.namespaceTemplate, context),
    authType: Option.isSome(authType)
      ? Option.some({
          value: yield* oneOf("databricksAuthType of the task", AuthType.literals)(authType.value),
          from: "databricksAuthType of the task"
        })
      : Option.map(settings.authType, (value) => ({ value, from: "FLYTE_DATABRICKS_AUTH_TYPE" })),
    clientId: yield* task("databricksClientId"),
    ...(connection === undefined ? {} : { connection }),
    tokenSecretName: yield* secretName(task, "databricksTokenSecret", settings.tokenSecretName),
    oauthSecretName: yield* secretName(task, "databricksOauthSecret", settings.oauthSecretName),
    tokenFile: yield* task("databricksOidcTokenFile"),
    audience: Option.getOrElse(yield* task("databricksOidcAudience"), () => settings.oidcAudience),
    namespaceIdentity: settings.namespaceIdentity
  }
})

// Of an instance, the allow-list has the say.
const maxLengths: Readonly<Record<string, number>> = { databricksOidcTokenFile: 4096, databricksInstance: Infinity }

type TaskSettings = (key: string) => Effect.Effect<Option.Option<string>, AuthError>

const taskSettings =
  (custom: unknown): TaskSettings =>
  (key) => {
    const value = propertyOf(custom, key)
    if (value === undefined || value === null) return Effect.succeedNone
    if (!Predicate.isString(value)) return Effect.fail(invalid(`${key} of the task`, typeof value, "text"))
    // It becomes part of an identity, which is kept for as long as its token.
    const maxLength = maxLengths[key] ?? 500
    if (value.length > maxLength)
      return Effect.fail(invalid(`${key} of the task`, `${value.length} characters`, `at most ${maxLength}`))
    // No setting of a task is a secret, and all of them are shown: in errors, explanations and metadata.
    return looksLikeSecret(value)
      ? Effect.fail(invalid(`${key} of the task`, value, "a setting: secrets are for Kubernetes Secrets"))
      : Effect.succeed(nonBlank(value))
  }

// `custom.secrets.databricks_token`, which Flyte 2's SDK always writes: null where the task names no secret.
const connectionSecretName = (custom: unknown): Option.Option<string> => {
  const secrets = propertyOf(custom, "secrets")
  const name = propertyOf(secrets, "databricks_token")
  return Predicate.isString(name) ? nonBlank(name) : Option.none()
}

const propertyOf = (object: unknown, key: string): unknown =>
  Predicate.isObject(object) && Object.hasOwn(object, key) ? Reflect.get(object, key) : undefined

const refuseOverrides = Effect.fnUntraced(function* (
  task: TaskSettings,
  connection: AuthRequest["connection"] | undefined
): Effect.fn.Return<void, AuthError> {
  const given: Array<string> = yield* Effect.filter(authKeys, (key) => Effect.map(task(key), Option.isSome))
  // Whether it is the name or the token that came: whose secret it is was the task's choice.
  if (connection !== undefined && (Option.isSome(connection.secretName) || hasToken(connection.value))) {
    given.push("databricks_token")
  }
  if (given.length > 0) yield* new AuthError({ reason: new TaskOverrideRefused({ keys: given }) })
})

const hasToken = ({ databricksToken }: Connection): boolean =>
  Option.exists(databricksToken, (sent) => Option.isSome(nonBlank(Redacted.value(sent))))

const secretName = Effect.fnUntraced(function* (
  task: TaskSettings,
  key: string,
  byDefault: string
): Effect.fn.Return<string, AuthError> {
  const name = Option.getOrElse(yield* task(key), () => byDefault)
  return isSecretName(name) ? name : yield* invalid(`${key} of the task`, name, "the name of a Kubernetes Secret")
})

const identityNamespace = Effect.fnUntraced(function* (
  template: string,
  context: TaskContext
): Effect.fn.Return<Option.Option<string>, AuthError> {
  const missing = new Set<string>()
  const namespace = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const part = String(propertyOf(context, name) ?? "").trim()
    if (part === "") missing.add(name)
    return part
  })
  if (namespace === "") return Option.none()
  // What is left when a part is missing may be a namespace, and somebody else's.
  return isNamespace(namespace) && missing.size === 0
    ? Option.some(namespace)
    : yield* new AuthError({
        reason: new NamespaceInvalid({ namespace: shown(namespace), template, missing: [...missing] })
      })
})
