/**
 * What a service says about its authentication when it starts: enough to see a wrong setting, and no secret.
 *
 * It does not start where no task can ever be served, whatever it says or brings: tasks may not choose, the namespaces'
 * credentials are not looked at, and of the connector's own there is nothing, or they may not be used. Whatever may still
 * come right by itself is a warning: a file may appear, a task may name what the connector lacks.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { AuthError } from "./AuthError.ts"
import type { Identity } from "./Identity.ts"
import { Kubernetes } from "./Kubernetes.ts"
import * as AuthMode from "./modes/AuthMode.ts"
import * as Modes from "./modes/Modes.ts"
import * as Selection from "./modes/Selection.ts"
import type { AuthRequest } from "./request/AuthRequest.ts"
import { ConnectorSettings } from "./request/ConnectorSettings.ts"
import * as IdentityNamespace from "./request/IdentityNamespace.ts"
import { canonicalize } from "./WorkspaceHost.ts"

type Settings = ConnectorSettings["Service"]

/**
 * Facts by their names. A credential of the connector that is broken is said here, before the first submit meets it.
 */
export type Facts = Readonly<Record<string, string>>

/**
 * What a service logs of its authentication when it starts.
 */
export class AuthSummary extends Context.Service<
  AuthSummary,
  {
    /** The summary as text, with facts by their names. It holds no secret. */
    readonly describe: Effect.Effect<Facts>
    /** What tasks would meet with, in the words that they would hear, and what an operator may not have meant. */
    readonly warnings: ReadonlyArray<string>
  }
>()("@flyte-databricks/databricks-auth/AuthSummary") {}

/**
 * The summary of a service with these modes.
 */
export const layerOf = <const M extends AuthMode.AnyMode>(
  list: ReadonlyArray<M>
): Layer.Layer<AuthSummary, AuthError, ConnectorSettings | Kubernetes | AuthMode.SourcesOf<M>> =>
  Layer.effect(
    AuthSummary,
    Effect.gen(function* () {
      const settings = yield* ConnectorSettings
      const kubernetes = yield* Kubernetes
      const modes = yield* AuthMode.wireAll(list)

      const summarize = Effect.gen(function* () {
        const summaries: Array<AuthMode.Summary> = []
        for (const mode of modes) {
          summaries.push(yield* mode.summarize(summaries.some(({ takesClientId }) => takesClientId === true)))
        }
        return summaries
      })

      const looksIntoNamespaces = Option.isSome(kubernetes.cluster) && settings.namespaceIdentity !== "ignore"
      const hasNothing = Effect.map(summarize, (summaries) =>
        modes.every(
          ({ authType }, index) =>
            settings.namespaceIdentity === "require" ||
            Option.exists(settings.authType, (only) => only !== authType) ||
            summaries[index]!.hasAny === false
        )
      )

      /** A task that says nothing, in a namespace that brings nothing. */
      const trial = Effect.gen(function* () {
        const select = yield* Selection.make(settings, modes)
        const { outcome } = yield* select(yield* plainRequest(settings, looksIntoNamespaces))
        return yield* Effect.fromResult(outcome)
      })
      const warnings = yield* trial.pipe(
        Effect.map(({ identity }) => unexpected(settings, identity)),
        Effect.catch(
          Effect.fnUntraced(function* (error): Effect.fn.Return<ReadonlyArray<string>, AuthError> {
            // A namespace may bring what the connector does not have.
            if (error.reason._tag === "CredentialsMissing" && looksIntoNamespaces) return []
            if (!looksIntoNamespaces && !settings.allowTaskAuthOverride && (yield* hasNothing)) return yield* error
            return [`A task that says nothing of its identity is refused. ${error.message}`]
          })
        )
      )

      return AuthSummary.of({
        warnings,
        describe: Effect.map(summarize, (summaries) => ({
          instance: Option.getOrElse(settings.instance, () => "none: each task names its own"),
          allowedInstances: settings.allowedInstances.patterns.join(", "),
          authType: Option.getOrElse(
            settings.authType,
            () => `auto-detect: ${AuthMode.authTypes(modes).join(", then ")}`
          ),
          ...summaries.reduce<Facts>((all, { facts }) => ({ ...all, ...facts }), {}),
          kubernetes: Option.getOrElse(kubernetes.cluster, () => "not configured: namespaces have no Secrets"),
          namespaceIdentity: settings.namespaceIdentity,
          taskAuthOverride: settings.allowTaskAuthOverride ? "allowed" : "refused",
          patInJobMetadata: settings.persistPat ? "written" : "not written"
        }))
      })
    })
  )

/**
 * The summary of a service with every mode.
 */
export const layer: Layer.Layer<
  AuthSummary,
  AuthError,
  ConnectorSettings | Kubernetes | AuthMode.SourcesOf<(typeof Modes.all)[number]>
> = layerOf(Modes.all)

// Where namespaces are looked into, none is at hand that could be; where not, any name will do.
const plainRequest = Effect.fnUntraced(function* (
  settings: Settings,
  looksIntoNamespaces: boolean
): Effect.fn.Return<AuthRequest, AuthError> {
  const [allowed] = settings.allowedInstances.patterns
  const { namespaceIdentity, oauthSecretName, oidcAudience: audience, tokenSecretName } = settings
  return {
    instance: Option.isSome(settings.instance)
      ? settings.instance.value
      : yield* Effect.fromResult(canonicalize(allowed!.replace("*", "any"))),
    namespace: looksIntoNamespaces ? Option.none() : Option.some("NAMESPACE"),
    authType: Option.map(settings.authType, (value) => ({ value, from: "FLYTE_DATABRICKS_AUTH_TYPE" })),
    named: [],
    clientId: Option.none(),
    connection: Option.none(),
    tokenFile: Option.none(),
    tokenSecretName,
    oauthSecretName,
    audience,
    namespaceIdentity
  }
})

const unexpected = (settings: Settings, { authType, principal, source }: Identity): ReadonlyArray<string> => {
  const warnings: Array<string> = []
  if (Option.isNone(settings.authType) && authType !== "pat") {
    warnings.push(
      `FLYTE_DATABRICKS_AUTH_TYPE is not set, and a task that says nothing runs as ${principal} (${authType}, ${source}). ` +
        "Flyte's own connector takes pat where it is not set: set it to pat where this connector takes its place and " +
        `nobody's identity is to change, or to ${authType} where that is meant.`
    )
  }
  // Only the look for ServiceAccounts tells whether a namespace exists.
  const isTold = Option.match(settings.authType, { onNone: () => true, onSome: (only) => only === "oidc_federation" })
  if (IdentityNamespace.isMade(settings) && !isTold && settings.namespaces.patterns.includes("*")) {
    warnings.push(
      `FLYTE_DATABRICKS_NAMESPACE_TEMPLATE is ${settings.namespaceTemplate}, and tasks whose namespace does not exist run as ` +
        `${principal} (${source}). List those that are served in FLYTE_DATABRICKS_NAMESPACES, or set ` +
        "FLYTE_DATABRICKS_NAMESPACE_IDENTITY=require."
    )
  }
  return warnings
}
