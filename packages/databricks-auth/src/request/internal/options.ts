/**
 * Which settings an operator has: as values, as variables of the environment, and their defaults.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import type { AuthType } from "../../Identity.ts"
import { shown, variable } from "../../internal/settings.ts"
import { databricksDomains } from "../../WorkspaceHost.ts"
import { ownTemplate } from "../IdentityNamespace.ts"

export const namespaceIdentities = ["allow", "require", "ignore"] as const

/**
 * Whether a namespace brings its own identity: it may (`allow`), it must (`require`), or namespaces are never looked
 * into (`ignore`).
 */
export type NamespaceIdentity = (typeof namespaceIdentities)[number]

/** The audience of JWTs, where nothing else says one. */
export const defaultOidcAudience = "databricks"

/** Where the connector's projected JWT is, where nothing else says so. */
export const defaultTokenFile = "/var/run/secrets/databricks/token"

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

/** The variables by which an operator sets them. */
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
export const environment = Config.all([
  Config.all(Record.map(variables, variable)),
  variable(databricksWorkspaceId)
]).pipe(
  Config.map(([given, ofDatabricks]) => ({
    given: { ...given, workspaceId: Option.orElse(given.workspaceId, () => ofDatabricks) },
    variables:
      Option.isNone(given.workspaceId) && Option.isSome(ofDatabricks)
        ? { ...variables, workspaceId: databricksWorkspaceId }
        : variables
  }))
)

/** The values of settings that are not set, as an operator would write them. */
export const defaults = {
  namespaces: "*",
  tokenSecretName: "databricks-token",
  oauthSecretName: "databricks-oauth",
  namespaceTemplate: ownTemplate,
  namespaceIdentity: "allow",
  allowTaskAuthOverride: "true",
  persistPat: "true",
  oidcTokenFile: defaultTokenFile,
  oidcAudience: defaultOidcAudience
} as const satisfies { readonly [Name in keyof Options]?: string }

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
