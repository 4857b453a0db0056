/**
 * What the operator configured once, on the connector. Secrets are not here: `ConnectorSecrets` looks them up when
 * they are needed.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import type { AuthError } from "../AuthError.ts"
import { AuthType } from "../Identity.ts"
import { commaSeparated, flag, invalid, nonBlank, oneOf, shown, variable } from "../internal/settings.ts"
import { secretName } from "../internal/kubernetesNames.ts"
import * as IdentityNamespace from "./IdentityNamespace.ts"
import {
  AllowedInstances,
  type AllowList,
  allowList,
  databricksDomains,
  operatorsOwn,
  requireListed,
  type WorkspaceHost,
  workspaceId
} from "../WorkspaceHost.ts"

const namespaceIdentities = ["allow", "require", "ignore"] as const

/**
 * Whether a namespace brings its own identity: it may (`allow`), it must (`require`), or namespaces are never looked
 * into (`ignore`).
 */
export type NamespaceIdentity = (typeof namespaceIdentities)[number]

/** The audience of JWTs, where nothing else says one. */
export const defaultOidcAudience = "databricks"

/** Where the connector's projected JWT is, where nothing else says so. */
export const defaultTokenFile = "/var/run/secrets/databricks/token"

export class ConnectorSettings extends Context.Service<
  ConnectorSettings,
  {
    readonly authType: Option.Option<AuthType>
    readonly instance: Option.Option<WorkspaceHost>
    /** Where credentials may go at all. */
    readonly allowedInstances: AllowList
    /** Where the connector's own may go: what the operator named, where anything is. */
    readonly sharedInstances: AllowList
    /** The namespaces that are served. */
    readonly namespaces: IdentityNamespace.Patterns
    readonly tokenSecretName: string
    readonly oauthSecretName: string
    readonly namespaceTemplate: string
    readonly namespaceIdentity: NamespaceIdentity
    readonly allowTaskAuthOverride: boolean
    readonly persistPat: boolean
    /** The file of the connector's projected JWT, as the operator named it for this purpose. */
    readonly oidcTokenFile: Option.Option<string>
    /** The one that EKS named, for AWS or for whatever the operator made of it. */
    readonly awsTokenFile: Option.Option<string>
    readonly oidcAudience: string
    readonly allowedAudiences: ReadonlyArray<string>
    readonly taskTokenFileDirs: ReadonlyArray<string>
  }
>()("@flyte-databricks/databricks-auth/request/ConnectorSettings") {}

/**
 * The settings as values. Each has a default; a blank one is unset.
 */
export interface Options {
  readonly authType?: AuthType | undefined
  readonly instance?: string | undefined
  /** Which workspace of its host the instance is, where its address does not say it. */
  readonly workspaceId?: string | undefined
  /** Instances and `*.` wildcards; by default the instance above and the domains of Databricks. */
  readonly allowedInstances?: ReadonlyArray<string> | undefined
  /** Namespaces that are served, `*` for any part of a name; by default all. */
  readonly namespaces?: ReadonlyArray<string> | undefined
  /** Audiences that a task may ask for, beside the one below. */
  readonly allowedAudiences?: ReadonlyArray<string> | undefined
  readonly tokenSecretName?: string | undefined
  readonly oauthSecretName?: string | undefined
  /** The namespace that identities come from, made of `{namespace}`, `{project}`, `{domain}` and `{org}`. */
  readonly namespaceTemplate?: string | undefined
  readonly namespaceIdentity?: NamespaceIdentity | undefined
  readonly allowTaskAuthOverride?: boolean | undefined
  readonly persistPat?: boolean | undefined
  readonly oidcTokenFile?: string | undefined
  /** Taken where its JWT has the audience, or where the auth type is set. */
  readonly awsTokenFile?: string | undefined
  readonly oidcAudience?: string | undefined
  readonly taskTokenFileDirs?: ReadonlyArray<string> | undefined
}

const variables: { readonly [Name in keyof Options]-?: string } = {
  authType: "FLYTE_DATABRICKS_AUTH_TYPE",
  instance: "FLYTE_DATABRICKS_INSTANCE",
  workspaceId: "FLYTE_DATABRICKS_WORKSPACE_ID",
  allowedInstances: "FLYTE_DATABRICKS_ALLOWED_INSTANCES",
  namespaces: "FLYTE_DATABRICKS_NAMESPACES",
  allowedAudiences: "FLYTE_DATABRICKS_ALLOWED_AUDIENCES",
  tokenSecretName: "FLYTE_DATABRICKS_TOKEN_SECRET_NAME",
  oauthSecretName: "FLYTE_DATABRICKS_OAUTH_SECRET_NAME",
  namespaceTemplate: "FLYTE_DATABRICKS_NAMESPACE_TEMPLATE",
  namespaceIdentity: "FLYTE_DATABRICKS_NAMESPACE_IDENTITY",
  allowTaskAuthOverride: "FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE",
  persistPat: "FLYTE_DATABRICKS_PERSIST_PAT",
  oidcTokenFile: "FLYTE_DATABRICKS_OIDC_TOKEN_FILE",
  awsTokenFile: "AWS_WEB_IDENTITY_TOKEN_FILE",
  oidcAudience: "FLYTE_DATABRICKS_OIDC_AUDIENCE",
  taskTokenFileDirs: "FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS"
}

/** Databricks' own tools read the id of a workspace here: it counts where ours is not set. */
const databricksWorkspaceId = "DATABRICKS_WORKSPACE_ID"

/** What the environment says, and the variable that says it. */
const environment = Config.all([Config.all(Record.map(variables, variable)), variable(databricksWorkspaceId)]).pipe(
  Config.map(([given, ofDatabricks]) => ({
    given: { ...given, workspaceId: Option.orElse(given.workspaceId, () => ofDatabricks) },
    variables:
      Option.isNone(given.workspaceId) && Option.isSome(ofDatabricks)
        ? { ...variables, workspaceId: databricksWorkspaceId }
        : variables
  }))
)

/** The values of settings that are not set, as an operator would write them. */
const defaults = {
  namespaces: "*",
  tokenSecretName: "databricks-token",
  oauthSecretName: "databricks-oauth",
  namespaceTemplate: IdentityNamespace.ownTemplate,
  namespaceIdentity: "allow",
  allowTaskAuthOverride: "true",
  persistPat: "true",
  oidcTokenFile: defaultTokenFile,
  oidcAudience: defaultOidcAudience
} as const satisfies { readonly [Name in keyof Options]?: string }

// A switch, a list or a word may also be given as text, which is all that a variable holds.
const make = Effect.fnUntraced(function* (
  given: { readonly [Name in keyof Options]: Options[Name] | string },
  nameOf: (option: keyof Options) => string
): Effect.fn.Return<ConnectorSettings["Service"], AuthError> {
  const set = (option: keyof typeof defaults) => Option.getOrElse(text(given[option]), () => defaults[option])
  const valueOf = <A>(option: keyof typeof defaults, read: (setting: string, value: string) => A) =>
    read(nameOf(option), set(option))
  const listed = list(given.allowedInstances)
  const id = yield* Effect.transposeOption(
    Option.map(text(given.workspaceId), (value) => workspaceId(nameOf("workspaceId"), value))
  )
  const instance = yield* Effect.transposeOption(
    Option.map(text(given.instance), (own) =>
      operatorsOwn(nameOf("instance"), own, listed ?? [], Option.getOrUndefined(id))
    )
  )
  if (listed?.length === 0) {
    const expected = "instances and *. wildcards, separated by commas"
    return yield* invalid(nameOf("allowedInstances"), String(given.allowedInstances), expected)
  }
  const allowedInstances = yield* allowList(
    listed ?? [...Option.toArray(instance), ...databricksDomains],
    nameOf("allowedInstances")
  )
  if (Option.isSome(instance)) yield* requireListed(instance.value, allowedInstances)
  return ConnectorSettings.of({
    authType: yield* Effect.transposeOption(
      Option.map(text(given.authType), (word) => oneOf(AuthType.literals)(nameOf("authType"), word))
    ),
    instance,
    allowedInstances,
    sharedInstances: yield* allowList(listed ?? (Option.isSome(instance) ? [instance.value] : databricksDomains)),
    namespaces: yield* IdentityNamespace.patterns(
      nameOf("namespaces"),
      list(given.namespaces) ?? [defaults.namespaces]
    ),
    tokenSecretName: yield* valueOf("tokenSecretName", secretName),
    oauthSecretName: yield* valueOf("oauthSecretName", secretName),
    namespaceTemplate: yield* valueOf("namespaceTemplate", IdentityNamespace.template),
    namespaceIdentity: yield* valueOf("namespaceIdentity", oneOf(namespaceIdentities)),
    allowTaskAuthOverride: yield* valueOf("allowTaskAuthOverride", flag),
    persistPat: yield* valueOf("persistPat", flag),
    oidcTokenFile: text(given.oidcTokenFile),
    awsTokenFile: text(given.awsTokenFile),
    oidcAudience: set("oidcAudience"),
    allowedAudiences: list(given.allowedAudiences) ?? [],
    taskTokenFileDirs: yield* directories(nameOf("taskTokenFileDirs"), list(given.taskTokenFileDirs) ?? [])
  })
})

const text = (value: Options[keyof Options]): Option.Option<string> =>
  value === undefined ? Option.none() : nonBlank(String(value))

const list = (value: string | ReadonlyArray<string> | undefined): ReadonlyArray<string> | undefined =>
  typeof value === "string"
    ? Option.getOrUndefined(Option.map(nonBlank(value), commaSeparated))
    : value?.flatMap((item) => Option.toArray(nonBlank(item)))

const directories = Effect.fnUntraced(function* (
  setting: string,
  listed: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<string>, AuthError> {
  const relative = listed.find((directory) => !directory.startsWith("/"))
  return relative === undefined
    ? listed
    : yield* invalid(setting, relative, "absolute directories, separated by commas")
})

/**
 * A setting as an operator sees it: under its variable, with its value and where that is from.
 */
export interface Described {
  readonly option: keyof Options
  readonly variable: string
  /** As it is set, or the default; blank where there is none. */
  readonly value: string
  readonly isSet: boolean
}

const defaultOf: { readonly [Name in keyof Options]?: string } = defaults

/**
 * The settings of the environment, one by one. What is set is shown as it is there, unless it looks like a secret.
 */
export const describeConfig: Effect.Effect<ReadonlyArray<Described>, Config.ConfigError> = Effect.map(
  environment,
  ({ given, variables }) => {
    const byDefault = (option: keyof Options): string =>
      option === "allowedInstances"
        ? [...Option.toArray(given.instance), ...databricksDomains].map((item) => shown(item)).join(",")
        : (defaultOf[option] ?? "")
    return Record.keys(variables).map((option) => ({
      option,
      variable: variables[option],
      value: Option.match(given[option], { onNone: () => byDefault(option), onSome: (value) => shown(value, 500) }),
      isSet: Option.isSome(given[option])
    }))
  }
)

/**
 * Reads the settings from the environment; one that is not valid is an error, so that the connector does not start.
 */
export const fromConfig: Effect.Effect<ConnectorSettings["Service"], AuthError | Config.ConfigError> = Effect.flatMap(
  environment,
  ({ given, variables }) => make(Record.map(given, Option.getOrUndefined), (option) => variables[option])
)

const contextOf = (settings: ConnectorSettings["Service"]) =>
  Context.make(ConnectorSettings, settings).pipe(Context.add(AllowedInstances, settings.allowedInstances))

export const layerConfig: Layer.Layer<ConnectorSettings | AllowedInstances, AuthError | Config.ConfigError> =
  Layer.effectContext(Effect.map(fromConfig, contextOf))

/**
 * The settings as a program gives them.
 */
export const layer = (options: Options = {}): Layer.Layer<ConnectorSettings | AllowedInstances, AuthError> =>
  Layer.effectContext(
    Effect.map(
      make(options, (option) => option),
      contextOf
    )
  )
