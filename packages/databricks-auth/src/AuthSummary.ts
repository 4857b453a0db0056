/**
 * What a service says about its authentication when it starts: enough to see a wrong setting, and no secret.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Kubernetes } from "./Kubernetes.ts"
import * as AuthMode from "./modes/AuthMode.ts"
import * as Modes from "./modes/Modes.ts"
import { ConnectorSettings } from "./request/ConnectorSettings.ts"

/**
 * Facts by their names. A credential of the connector that is broken is said here, before the first submit meets it.
 */
export type Facts = Readonly<Record<string, string>>

/**
 * Describes the authentication that is configured.
 */
export class AuthSummary extends Context.Service<AuthSummary, { readonly describe: Effect.Effect<Facts> }>()(
  "@flyte-databricks/databricks-auth/AuthSummary"
) {}

export const layer: Layer.Layer<
  AuthSummary,
  never,
  ConnectorSettings | Kubernetes | AuthMode.SourcesOf<(typeof Modes.all)[number]>
> = Layer.effect(
  AuthSummary,
  Effect.gen(function* () {
    const settings = yield* ConnectorSettings
    const kubernetes = yield* Kubernetes
    const modes = yield* AuthMode.wireAll(Modes.all)
    const order = [...new Set(modes.map(({ authType }) => authType))]
    return AuthSummary.of({
      describe: Effect.gen(function* () {
        let credentials: Facts = {}
        let isServed = false
        for (const mode of modes) {
          const summary: AuthMode.Summary = yield* mode.summarize(isServed)
          credentials = { ...credentials, ...summary.facts }
          isServed ||= summary.isWhole
        }
        return {
          instance: Option.getOrElse(settings.instance, () => "none: each task names its own"),
          allowedInstances: settings.allowedInstances.patterns.join(", "),
          authType: Option.getOrElse(settings.authType, () => `auto-detect: ${order.join(", then ")}`),
          ...credentials,
          kubernetes: Option.getOrElse(kubernetes.cluster, () => "not configured: namespaces have no Secrets"),
          namespaceIdentity: settings.namespaceIdentity,
          taskAuthOverride: settings.allowTaskAuthOverride ? "allowed" : "refused",
          patInJobMetadata: settings.persistPat ? "written" : "not written"
        }
      })
    })
  })
)
