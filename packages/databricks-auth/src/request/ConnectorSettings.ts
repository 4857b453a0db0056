/**
 * What the operator configured once, on the connector. Secrets are not here: `ConnectorSecrets` looks them up when
 * they are needed.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { AuthError } from "../AuthError.ts"
import { AuthType } from "../Identity.ts"
import { flag, invalid, looksLikeSecret, oneOf, variable } from "../internal/settings.ts"
import { isNamespace, isSecretName } from "../internal/kubernetesNames.ts"
import {
  type AllowList,
  admit,
  allowList,
  canonicalize,
  databricksDomains,
  type WorkspaceHost
} from "../WorkspaceHost.ts"

/**
 * Whether a namespace brings its own identity: it may (`allow`), it must (`require`), or namespaces are never looked
 * into (`ignore`).
 */
export type NamespaceIdentity = "allow" | "require" | "ignore"

/**
 * The files that may hold the connector's projected JWT.
 */
export interface TokenFiles {
  /** What the operator named for this purpose. */
  readonly named: Option.Option<string>
  /** What EKS named, for AWS or for whatever the operator made of it. */
  readonly aws: Option.Option<string>
  readonly byDefault: string
}

/** The audience of JWTs, where nothing else says one. */
export const oidcAudienceByDefault = "databricks"

/**
 * The operator's settings.
 */
export class ConnectorSettings extends Context.Service<
  ConnectorSettings,
  {
    readonly authType: Option.Option<AuthType>
    readonly instance: Option.Option<WorkspaceHost>
    readonly allowedInstances: AllowList
    readonly tokenSecretName: string
    readonly oauthSecretName: string
    readonly namespaceTemplate: string
    readonly namespaceIdentity: NamespaceIdentity
    readonly allowTaskAuthOverride: boolean
    readonly persistPat: boolean
    readonly tokenFiles: TokenFiles
    readonly oidcAudience: string
    readonly taskTokenFileDirs: ReadonlyArray<string>
  }
>()("@flyte-databricks/databricks-auth/request/ConnectorSettings") {}

const variables = Config.all({
  authType: variable("FLYTE_DATABRICKS_AUTH_TYPE"),
  instance: variable("FLYTE_DATABRICKS_INSTANCE"),
  allowedInstances: variable("FLYTE_DATABRICKS_ALLOWED_INSTANCES"),
  tokenSecretName: variable("FLYTE_DATABRICKS_TOKEN_SECRET_NAME"),
  oauthSecretName: variable("FLYTE_DATABRICKS_OAUTH_SECRET_NAME"),
  namespaceTemplate: variable("FLYTE_DATABRICKS_NAMESPACE_TEMPLATE"),
  namespaceIdentity: variable("FLYTE_DATABRICKS_NAMESPACE_IDENTITY"),
  allowTaskAuthOverride: variable("FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE"),
  persistPat: variable("FLYTE_DATABRICKS_PERSIST_PAT"),
  tokenFile: variable("FLYTE_DATABRICKS_OIDC_TOKEN_FILE"),
  awsTokenFile: variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
  oidcAudience: variable("FLYTE_DATABRICKS_OIDC_AUDIENCE"),
  taskTokenFileDirs: variable("FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS")
})

/**
 * Reads the settings from the environment; one that is not valid is an error, so that the connector does not start.
 */
export const fromConfig = Effect.gen(function* () {
  const given = yield* variables
  const authType = yield* transposed(given.authType, oneOf("FLYTE_DATABRICKS_AUTH_TYPE", AuthType.literals))
  const own = yield* transposed(given.instance, canonicalize)
  const listed = yield* transposed(given.allowedInstances, instanceList)
  const allowedInstances = yield* allowList(
    Option.getOrElse(listed, () => [...Option.toArray(own), ...databricksDomains])
  )
  if (Option.isSome(own)) yield* admit(own.value, allowedInstances)
  return ConnectorSettings.of({
    authType,
    instance: own,
    allowedInstances,
    tokenSecretName: yield* secretName("FLYTE_DATABRICKS_TOKEN_SECRET_NAME", given.tokenSecretName, "databricks-token"),
    oauthSecretName: yield* secretName("FLYTE_DATABRICKS_OAUTH_SECRET_NAME", given.oauthSecretName, "databricks-oauth"),
    namespaceTemplate: yield* template(Option.getOrElse(given.namespaceTemplate, () => "{namespace}")),
    namespaceIdentity: yield* oneOf("FLYTE_DATABRICKS_NAMESPACE_IDENTITY", ["allow", "require", "ignore"])(
      Option.getOrElse(given.namespaceIdentity, () => "allow")
    ),
    allowTaskAuthOverride: yield* switched("FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE", given.allowTaskAuthOverride),
    persistPat: yield* switched("FLYTE_DATABRICKS_PERSIST_PAT", given.persistPat),
    tokenFiles: {
      named: given.tokenFile,
      aws: given.awsTokenFile,
      byDefault: "/var/run/secrets/databricks/token"
    },
    oidcAudience: Option.getOrElse(given.oidcAudience, () => oidcAudienceByDefault),
    taskTokenFileDirs: yield* directories(given.taskTokenFileDirs)
  })
})

const transposed = <A, B, E>(option: Option.Option<A>, f: (value: A) => Effect.Effect<B, E>) =>
  Option.isSome(option) ? Effect.asSome(f(option.value)) : Effect.succeedNone

const instanceList = Effect.fnUntraced(function* (value: string): Effect.fn.Return<ReadonlyArray<string>, AuthError> {
  const items = value.split(",").flatMap((item) => item.trim() || [])
  return items.length > 0
    ? items
    : yield* invalid("FLYTE_DATABRICKS_ALLOWED_INSTANCES", value, "instances and *. wildcards, separated by commas")
})

const secretName = Effect.fnUntraced(function* (
  setting: string,
  given: Option.Option<string>,
  byDefault: string
): Effect.fn.Return<string, AuthError> {
  const name = Option.getOrElse(given, () => byDefault)
  return isSecretName(name) ? name : yield* invalid(setting, name, "the name of a Kubernetes Secret")
})

const directories = Effect.fnUntraced(function* (
  given: Option.Option<string>
): Effect.fn.Return<ReadonlyArray<string>, AuthError> {
  const listed = Option.getOrElse(given, () => "")
    .split(",")
    .flatMap((item) => item.trim() || [])
  const relative = listed.find((directory) => !directory.startsWith("/"))
  return relative === undefined
    ? listed
    : yield* invalid("FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS", relative, "absolute directories, separated by commas")
})

const switched = (setting: string, given: Option.Option<string>) =>
  Option.isSome(given) ? flag(setting, given.value) : Effect.succeed(true)

const template = Effect.fnUntraced(function* (value: string): Effect.fn.Return<string, AuthError> {
  const unknown = [...value.matchAll(/\{([^}]*)\}/g)].find(
    ([, name]) => !["namespace", "project", "domain", "org"].includes(name!)
  )
  // Whatever the parts are, the rest must leave room for a namespace.
  return unknown === undefined && isNamespace(value.replaceAll(/\{\w+\}/g, "x")) && !looksLikeSecret(value)
    ? value
    : yield* invalid(
        "FLYTE_DATABRICKS_NAMESPACE_TEMPLATE",
        value,
        "lower-case letters, digits, hyphens, {namespace}, {project}, {domain} and {org}"
      )
})

/**
 * The settings of the environment, read once.
 */
export const layerConfig: Layer.Layer<ConnectorSettings, AuthError | Config.ConfigError> = Layer.effect(
  ConnectorSettings,
  fromConfig
)
