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
import {
  commaSeparated,
  flag,
  invalid,
  looksLikeSecret,
  nonBlank,
  oneOf,
  shown,
  variable
} from "../internal/settings.ts"
import { isNamespace, secretName } from "../internal/kubernetesNames.ts"
import {
  type AllowList,
  admit,
  allowList,
  databricksDomains,
  operatorsOwn,
  type WorkspaceHost
} from "../WorkspaceHost.ts"

const namespaceIdentities = ["allow", "require", "ignore"] as const

/**
 * Whether a namespace brings its own identity: it may (`allow`), it must (`require`), or namespaces are never looked
 * into (`ignore`).
 */
export type NamespaceIdentity = (typeof namespaceIdentities)[number]

/**
 * The files that may hold the connector's projected JWT.
 */
export interface TokenFiles {
  /** What the operator named for this purpose. */
  readonly named: Option.Option<string>
  /** What EKS named, for AWS or for whatever the operator made of it. */
  readonly aws: Option.Option<string>
  readonly defaultPath: string
}

/** The audience of JWTs, where nothing else says one. */
export const defaultOidcAudience = "databricks"

const namespaceParts = ["namespace", "project", "domain", "org"] as const

/** A part of a request that the namespace of its identities may be made of. */
export type NamespacePart = (typeof namespaceParts)[number]

/**
 * The operator's settings.
 */
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
    readonly namespaces: NamespacePatterns
    readonly tokenSecretName: string
    readonly oauthSecretName: string
    readonly namespaceTemplate: string
    readonly namespaceIdentity: NamespaceIdentity
    readonly allowTaskAuthOverride: boolean
    readonly persistPat: boolean
    readonly tokenFiles: TokenFiles
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

/** The values of settings that are not set, as an operator would write them. */
const defaults = {
  namespaces: "*",
  tokenSecretName: "databricks-token",
  oauthSecretName: "databricks-oauth",
  namespaceTemplate: "{namespace}",
  namespaceIdentity: "allow",
  allowTaskAuthOverride: "true",
  persistPat: "true",
  oidcTokenFile: "/var/run/secrets/databricks/token",
  oidcAudience: defaultOidcAudience
} as const satisfies { readonly [Name in keyof Options]?: string }

// A switch, a list or a word may also be given as text, which is all that a variable holds.
const make = Effect.fnUntraced(function* (
  given: { readonly [Name in keyof Options]: Options[Name] | string },
  nameOf: (option: keyof Options) => string
): Effect.fn.Return<ConnectorSettings["Service"], AuthError> {
  const listed = list(given.allowedInstances)
  const instance = yield* Effect.transposeOption(
    Option.map(text(given.instance), (own) =>
      operatorsOwn(
        nameOf("instance"),
        own,
        Option.getOrElse(listed, () => [])
      )
    )
  )
  if (Option.exists(listed, ({ length }) => length === 0)) {
    const expected = "instances and *. wildcards, separated by commas"
    return yield* invalid(nameOf("allowedInstances"), String(given.allowedInstances), expected)
  }
  const allowedInstances = yield* allowList(
    Option.getOrElse(listed, () => [...Option.toArray(instance), ...databricksDomains]),
    nameOf("allowedInstances")
  )
  if (Option.isSome(instance)) yield* admit(instance.value, allowedInstances)
  return ConnectorSettings.of({
    authType: yield* Effect.transposeOption(
      Option.map(text(given.authType), oneOf(nameOf("authType"), AuthType.literals))
    ),
    instance,
    allowedInstances,
    sharedInstances: yield* allowList(
      Option.getOrElse(
        Option.orElse(listed, () => Option.map(instance, (own) => [own])),
        () => databricksDomains
      )
    ),
    namespaces: yield* namespacePatterns(
      nameOf("namespaces"),
      Option.getOrElse(list(given.namespaces), () => [defaults.namespaces])
    ),
    tokenSecretName: yield* secretName(
      nameOf("tokenSecretName"),
      textOr(given.tokenSecretName, defaults.tokenSecretName)
    ),
    oauthSecretName: yield* secretName(
      nameOf("oauthSecretName"),
      textOr(given.oauthSecretName, defaults.oauthSecretName)
    ),
    namespaceTemplate: yield* template(
      nameOf("namespaceTemplate"),
      textOr(given.namespaceTemplate, defaults.namespaceTemplate)
    ),
    namespaceIdentity: yield* oneOf(
      nameOf("namespaceIdentity"),
      namespaceIdentities
    )(textOr(given.namespaceIdentity, defaults.namespaceIdentity)),
    allowTaskAuthOverride: yield* flag(
      nameOf("allowTaskAuthOverride"),
      textOr(given.allowTaskAuthOverride, defaults.allowTaskAuthOverride)
    ),
    persistPat: yield* flag(nameOf("persistPat"), textOr(given.persistPat, defaults.persistPat)),
    tokenFiles: {
      named: text(given.oidcTokenFile),
      aws: text(given.awsTokenFile),
      defaultPath: defaults.oidcTokenFile
    },
    oidcAudience: textOr(given.oidcAudience, defaults.oidcAudience),
    allowedAudiences: Option.getOrElse(list(given.allowedAudiences), () => []),
    taskTokenFileDirs: yield* directories(nameOf("taskTokenFileDirs"), list(given.taskTokenFileDirs))
  })
})

const text = (value: string | boolean | undefined): Option.Option<string> =>
  Option.flatMap(Option.fromUndefinedOr(value), (given) => nonBlank(String(given)))

const textOr = (value: string | boolean | undefined, otherwise: string): string =>
  Option.getOrElse(text(value), () => otherwise)

const list = (value: string | ReadonlyArray<string> | undefined): Option.Option<ReadonlyArray<string>> =>
  typeof value === "string"
    ? Option.map(nonBlank(value), commaSeparated)
    : Option.map(Option.fromUndefinedOr(value), (items) => items.flatMap((item) => Option.toArray(nonBlank(item))))

/**
 * Namespaces by name, `*` standing for any part of one.
 */
export interface NamespacePatterns {
  readonly patterns: ReadonlyArray<string>
  readonly includes: (namespace: string) => boolean
}

const namespacePatterns = Effect.fnUntraced(function* (
  setting: string,
  patterns: ReadonlyArray<string>
): Effect.fn.Return<NamespacePatterns, AuthError> {
  const wrong = patterns.find((pattern) => !isNamespace(pattern.replaceAll("*", "x")))
  if (wrong !== undefined || patterns.length === 0) {
    return yield* invalid(setting, wrong ?? "", "namespaces, * for any part of a name, separated by commas")
  }
  const expressions = patterns.map((pattern) => new RegExp(`^${pattern.replaceAll(/\*+/g, "[a-z0-9-]*")}$`))
  return { patterns, includes: (namespace) => expressions.some((expression) => expression.test(namespace)) }
})

const directories = Effect.fnUntraced(function* (
  setting: string,
  given: Option.Option<ReadonlyArray<string>>
): Effect.fn.Return<ReadonlyArray<string>, AuthError> {
  const listed = Option.getOrElse(given, () => [])
  const relative = listed.find((directory) => !directory.startsWith("/"))
  return relative === undefined
    ? listed
    : yield* invalid(setting, relative, "absolute directories, separated by commas")
})

const template = Effect.fnUntraced(function* (setting: string, value: string): Effect.fn.Return<string, AuthError> {
  const unknown = [...value.matchAll(/\{([^{}]*)\}/g)].find(([, name]) => !namespaceParts.some((part) => part === name))
  // Whatever the parts are, the rest must leave room for a namespace.
  if (unknown !== undefined || !isNamespace(value.replaceAll(/\{\w+\}/g, "x")) || looksLikeSecret(value)) {
    const expected = "lower-case letters, digits, hyphens, {namespace}, {project}, {domain} and {org}"
    return yield* invalid(setting, value, expected)
  }
  const between = [...value.matchAll(/(?<=\})[^{]*(?=\{)/g)]
  return between.every(([text]) => /^-(.*-)?$/.test(text))
    ? value
    : yield* invalid(setting, value, "a hyphen after each part and before the next, so that they can be told apart")
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
  Config.all(Record.map(variables, variable)),
  (given) => {
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
  Config.all(Record.map(variables, variable)),
  (given) => make(Record.map(given, Option.getOrUndefined), (option) => variables[option])
)

/**
 * The settings of the environment, read once.
 */
export const layerConfig: Layer.Layer<ConnectorSettings, AuthError | Config.ConfigError> = Layer.effect(
  ConnectorSettings,
  fromConfig
)

/**
 * The settings as a program gives them.
 */
export const layer = (options: Options = {}): Layer.Layer<ConnectorSettings, AuthError> =>
  Layer.effect(
    ConnectorSettings,
    make(options, (option) => option)
  )
