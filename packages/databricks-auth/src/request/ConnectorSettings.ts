/**
 * What the operator configured once, on the connector. Secrets are not here: `ConnectorSecrets` looks them up when
 * they are needed.
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import type { AuthError } from "../AuthError.ts"
import { AuthType } from "../Identity.ts"
import { commaSeparated, flag, invalid, nonBlank, oneOf } from "../internal/settings.ts"
import { secretName } from "../internal/kubernetesNames.ts"
import * as IdentityNamespace from "./IdentityNamespace.ts"
import { defaults, environment, type NamespaceIdentity, namespaceIdentities, type Options } from "./internal/options.ts"
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

export {
  defaultOidcAudience,
  defaultTokenFile,
  describeConfig,
  type Described,
  type NamespaceIdentity,
  type Options
} from "./internal/options.ts"

/**
 * The operator's settings, read and checked.
 */
export class ConnectorSettings extends Context.Service<
  ConnectorSettings,
  {
    /** The auth type of tasks that set none; where this is none, too, it is the strongest that is reachable. */
    readonly authType: Option.Option<AuthType>
    /** The workspace of tasks that name none. */
    readonly instance: Option.Option<WorkspaceHost>
    /** Where credentials may go at all. */
    readonly allowedInstances: AllowList
    /** Where the connector's own may go: what the operator named, where anything is. */
    readonly sharedInstances: AllowList
    /** The namespaces that are served. */
    readonly namespaces: IdentityNamespace.Patterns
    /** The name of the Secrets that namespaces have their PATs in. */
    readonly tokenSecretName: string
    /** The name of the Secrets that namespaces have their client credentials in. */
    readonly oauthSecretName: string
    /** What the namespace of a request's identity is made of, as in `{namespace}` or `{project}-{domain}`. */
    readonly namespaceTemplate: string
    /** Whether a namespace may, must or must not bring its identity. */
    readonly namespaceIdentity: NamespaceIdentity
    /** Whether a task may choose among credentials. */
    readonly allowTaskAuthOverride: boolean
    /** Whether a namespace's PAT is written into job metadata, as older connectors need it. */
    readonly persistPat: boolean
    /** The file of the connector's projected JWT, as the operator named it for this purpose. */
    readonly oidcTokenFile: Option.Option<string>
    /** The one that EKS named, for AWS or for whatever the operator made of it. */
    readonly awsTokenFile: Option.Option<string>
    /** The audience of JWTs, where a task names none. */
    readonly oidcAudience: string
    /** Audiences that a task may name beside it. */
    readonly allowedAudiences: ReadonlyArray<string>
    /** Absolute directories; a task may name a JWT file inside of them alone. */
    readonly taskTokenFileDirs: ReadonlyArray<string>
  }
>()("@flyte-databricks/databricks-auth/request/ConnectorSettings") {}

// A switch, a list or a word may also be given as text, which is all that a variable holds.
const make = (
  given: { readonly [Name in keyof Options]: Options[Name] | string },
  nameOf: (option: keyof Options) => string
): Result.Result<ConnectorSettings["Service"], AuthError> =>
  Result.gen(function* () {
    const set = (option: keyof typeof defaults) => Option.getOrElse(text(given[option]), () => defaults[option])
    const valueOf = <A>(option: keyof typeof defaults, read: (setting: string, value: string) => A) =>
      read(nameOf(option), set(option))
    const listed = list(given.allowedInstances)
    const id = yield* Result.transposeOption(
      Option.map(text(given.workspaceId), (value) => workspaceId(nameOf("workspaceId"), value))
    )
    const instance = yield* Result.transposeOption(
      Option.map(text(given.instance), (own) =>
        operatorsOwn(nameOf("instance"), own, listed ?? [], Option.getOrUndefined(id))
      )
    )
    if (listed?.length === 0) {
      const expected = "instances and *. wildcards, separated by commas"
      return yield* Result.fail(invalid(nameOf("allowedInstances"), String(given.allowedInstances), expected))
    }
    const allowedInstances = yield* allowList(
      listed ?? [...Option.toArray(instance), ...databricksDomains],
      nameOf("allowedInstances")
    )
    if (Option.isSome(instance)) yield* requireListed(instance.value, allowedInstances)
    return ConnectorSettings.of({
      authType: yield* Result.transposeOption(
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

const directories = (
  setting: string,
  listed: ReadonlyArray<string>
): Result.Result<ReadonlyArray<string>, AuthError> => {
  const relative = listed.find((directory) => !directory.startsWith("/"))
  return relative === undefined
    ? Result.succeed(listed)
    : Result.fail(invalid(setting, relative, "absolute directories, separated by commas"))
}

/**
 * Reads the settings from the environment; one that is not valid is an error, so that the connector does not start.
 */
export const fromConfig: Effect.Effect<ConnectorSettings["Service"], AuthError | Config.ConfigError> = Effect.flatMap(
  environment,
  ({ given, variables }) =>
    Effect.fromResult(make(Record.map(given, Option.getOrUndefined), (option) => variables[option]))
)

const contextOf = (settings: ConnectorSettings["Service"]) =>
  Context.make(ConnectorSettings, settings).pipe(Context.add(AllowedInstances, settings.allowedInstances))

/**
 * The settings of the environment. Fails while it is built where one is not valid.
 */
export const layerConfig: Layer.Layer<ConnectorSettings | AllowedInstances, AuthError | Config.ConfigError> =
  Layer.effectContext(Effect.map(fromConfig, contextOf))

/**
 * The settings as a program gives them.
 */
export const layer = (options: Options = {}): Layer.Layer<ConnectorSettings | AllowedInstances, AuthError> =>
  Layer.effectContext(
    Effect.map(
      Effect.suspend(() => Effect.fromResult(make(options, (option) => option))),
      contextOf
    )
  )
