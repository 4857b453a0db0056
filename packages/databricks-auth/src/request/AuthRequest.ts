/**
 * One request for an identity, with every setting resolved: the task's, else the connector's, else the default.
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { AuthError, InstanceMissing, TaskOverrideRefused } from "../AuthError.ts"
import type { Connection } from "./Connection.ts"
import type { ConnectorSettings, NamespaceIdentity } from "./ConnectorSettings.ts"
import * as IdentityNamespace from "./IdentityNamespace.ts"
import * as TaskSettings from "./TaskSettings.ts"
import { AuthType } from "../Identity.ts"
import { secretName } from "../internal/kubernetesNames.ts"
import { invalid, listWords, nonBlank, oneOf } from "../internal/settings.ts"
import { admit, hostOf, type WorkspaceHost, workspaceId } from "../WorkspaceHost.ts"

/**
 * What a caller knows of a task: where it runs, and what it says about its identity. Blank is absent.
 */
export interface TaskContext extends IdentityNamespace.Parts {
  /** What the task says about its identity. */
  readonly settings?: TaskSettings.TaskSettings
  /** What a request of Flyte 2 carries beside the task; Flyte 1 has nothing of the kind. */
  readonly connection?: Connection
}

/**
 * The connection of a Flyte 2 request, and the secret of Flyte that the task names for its PAT.
 */
export interface RequestConnection {
  /** What the request carries. */
  readonly value: Connection
  /** The secret of Flyte that the task names for it. */
  readonly secretName: Option.Option<string>
}

/**
 * What selection works on.
 */
export interface AuthRequest {
  /** The workspace, which has passed the allow-list. */
  readonly instance: WorkspaceHost
  /** The namespace whose Secrets and ServiceAccounts count; none where the request has none. */
  readonly namespace: Option.Option<string>
  /** The auth type that is set, and by whom; none: auto-detect. */
  readonly authType: Option.Option<{ readonly value: AuthType; readonly from: string }>
  /** The settings by which the task names a credential of its own. */
  readonly named: ReadonlyArray<TaskSettings.Name>
  /** The client id that the task names: no other is taken in its place. */
  readonly clientId: Option.Option<string>
  /** The Secret of the namespace that a PAT may be in. */
  readonly tokenSecretName: string
  /** What the request carries beside the task; none in Flyte 1. */
  readonly connection: Option.Option<RequestConnection>
  /** The Secret of the namespace that client credentials may be in. */
  readonly oauthSecretName: string
  /** The JWT file that the task names. */
  readonly tokenFile: Option.Option<string>
  /** For whom JWTs are made. */
  readonly audience: string
  /** Whether the namespace may bring an identity. */
  readonly namespaceIdentity: NamespaceIdentity
}

/**
 * Resolves tasks' settings against the operator's. The instance passes the allow-list here, before any credential is looked
 * at.
 */
export const make = (
  settings: ConnectorSettings["Service"],
  guarded: ReadonlyArray<TaskSettings.Name>
): ((context: TaskContext) => Result.Result<AuthRequest, AuthError>) => {
  const namespaceOf = IdentityNamespace.make(settings)
  // Most tasks name no workspace.
  const ownInstance = instanceOf(settings, {})
  const nameOfSecret = (task: TaskSettings.TaskSettings, setting: "tokenSecretName" | "oauthSecretName") =>
    secretName(TaskSettings.describe(setting), task[setting] ?? settings[setting])
  return (context) =>
    Result.gen(function* () {
      const task = yield* TaskSettings.make(context.settings ?? {})
      const connection = Option.map(Option.fromUndefinedOr(context.connection), (value) => ({
        value,
        secretName: Option.fromUndefinedOr(task.connectionSecretName)
      }))
      if (!settings.allowTaskAuthOverride) yield* refuseOverrides({ ...task, connection }, guarded)
      const namesNone = task.instance === undefined && task.workspaceId === undefined
      return {
        instance: yield* namesNone ? ownInstance : instanceOf(settings, task),
        namespace: yield* namespaceOf(context),
        authType: yield* authTypeOf(settings, task),
        // Without a connection, the secret that it would carry means nothing.
        named: TaskSettings.names.filter(
          (name) => task[name] !== undefined && (name !== "connectionSecretName" || Option.isSome(connection))
        ),
        clientId: Option.fromUndefinedOr(task.clientId),
        connection,
        tokenSecretName: yield* nameOfSecret(task, "tokenSecretName"),
        oauthSecretName: yield* nameOfSecret(task, "oauthSecretName"),
        tokenFile: Option.fromUndefinedOr(task.oidcTokenFile),
        audience: yield* audienceOf(settings, task),
        namespaceIdentity: settings.namespaceIdentity
      }
    })
}

// A task may name another workspace of the operator's host by its id alone.
const instanceOf = (
  settings: ConnectorSettings["Service"],
  { instance, workspaceId: given }: TaskSettings.TaskSettings
): Result.Result<WorkspaceHost, AuthError> => {
  const own = Option.getOrUndefined(settings.instance)
  const address = instance ?? (own && hostOf(own))
  if (address === undefined) return Result.fail(new AuthError({ reason: new InstanceMissing() }))
  if (given === undefined) return admit(address, settings.allowedInstances, { own })
  return Result.flatMap(workspaceId(TaskSettings.describe("workspaceId"), given), (id) =>
    admit(address, settings.allowedInstances, { id, own })
  )
}

const authTypeOf = (
  settings: ConnectorSettings["Service"],
  { authType }: TaskSettings.TaskSettings
): Result.Result<AuthRequest["authType"], AuthError> => {
  const from = TaskSettings.describe("authType")
  return authType === undefined
    ? Result.succeed(Option.map(settings.authType, (value) => ({ value, from: "FLYTE_DATABRICKS_AUTH_TYPE" })))
    : Result.map(oneOf(AuthType.literals)(from, authType), (value) => Option.some({ value, from }))
}

/**
 * Fails where a task sets one of these. What a connection carries is the task's choice whether it is the token or only
 * the secret's name; without a connection that name means nothing.
 */
export const refuseOverrides = (
  task: TaskSettings.TaskSettings & Pick<AuthRequest, "connection">,
  guarded: ReadonlyArray<TaskSettings.Name>
): Result.Result<void, AuthError> => {
  const isSet = (name: TaskSettings.Name): boolean =>
    name === "connectionSecretName"
      ? Option.exists(task.connection, ({ value, secretName }) => Option.isSome(secretName) || hasToken(value))
      : task[name] !== undefined
  const keys = guarded.filter(isSet).map((name) => TaskSettings.customKeys[name])
  return keys.length === 0
    ? Result.succeed(undefined)
    : Result.fail(new AuthError({ reason: new TaskOverrideRefused({ keys }) }))
}

// A JWT is good wherever its audience is: a task does not choose that freely.
const audienceOf = (settings: ConnectorSettings["Service"], { oidcAudience }: TaskSettings.TaskSettings) => {
  const allowed = [settings.oidcAudience, ...settings.allowedAudiences]
  const audience = oidcAudience ?? settings.oidcAudience
  return allowed.includes(audience)
    ? Result.succeed(audience)
    : Result.fail(
        invalid(
          TaskSettings.describe("oidcAudience"),
          audience,
          `${listWords(allowed)}; an operator lists more in FLYTE_DATABRICKS_ALLOWED_AUDIENCES`
        )
      )
}

const hasToken = ({ databricksToken }: Connection): boolean =>
  Option.exists(databricksToken, (sent) => Option.isSome(nonBlank(Redacted.value(sent))))
