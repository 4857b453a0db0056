/**
 * OIDC federation by whatever ID tokens this process has: an `IdTokenSource` gives one, which is exchanged for a token
 * (RFC 8693).
 *
 * It is not in the list of modes of a Flyte connector, whose ID tokens are files of its pod (`OidcConnector`) and
 * ServiceAccounts of namespaces (`OidcNamespace`). `DatabricksAuth.layerOidc` is the boundary over it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { TokenEndpoint } from "../endpoint/TokenEndpoint.ts"
import { ExtensionIdentity } from "../Identity.ts"
import { applicationId } from "../internal/applicationId.ts"
import { shown } from "../internal/settings.ts"
import { ConnectorSettings, defaultOidcAudience } from "../request/ConnectorSettings.ts"
import * as TaskSettings from "../request/TaskSettings.ts"
import * as IdTokenSource from "../sources/IdTokenSource.ts"
import * as AuthMode from "./AuthMode.ts"
import { exchange } from "./internal/exchange.ts"
import { hasAny, said } from "./internal/facts.ts"
import { refused } from "./Policy.ts"

/** The tag of the mode. */
export const tag = "oidc"

/** Who a process is. */
export interface Options {
  /** The application id of the service principal whose federation policy takes the ID tokens. */
  readonly clientId: string
}

const audienceOf = ({ parameters }: AuthMode.Pinned): string => parameters["audience"] ?? defaultOidcAudience

const wire = (own: Options) =>
  Effect.gen(function* () {
    const idTokens = yield* IdTokenSource.IdTokenSource
    const tokenEndpoint = yield* TokenEndpoint
    const { allowedAudiences, oidcAudience } = yield* ConnectorSettings
    const audiences = [oidcAudience, ...allowedAudiences]

    const identityOf = ({ clientId, instance, ...pinned }: AuthMode.Pinned) =>
      new ExtensionIdentity({
        mode: tag,
        authType: "oidc_federation",
        instance,
        clientId,
        namespace: Option.none(),
        source: idTokens.name,
        parameters: { audience: audienceOf({ clientId, instance, ...pinned }) }
      })

    return {
      places: [
        {
          tenancy: "connector",
          describe: idTokens.name,
          remedy: idTokens.remedy,
          look: Effect.fnUntraced(function* ({ audience, clientId: ofTask, instance }) {
            const from = Option.isSome(ofTask) ? TaskSettings.describe("clientId") : "This service"
            const given = Option.getOrElse(ofTask, () => own.clientId)
            const clientId = yield* Effect.fromResult(
              applicationId(from, "has what looks like a secret for a client id", given)
            )
            const idToken = yield* idTokens.get(audience)
            if (Option.isNone(idToken)) return { _tag: "Absent", detail: idTokens.absence }
            const pinned = { instance, clientId, namespace: Option.none(), parameters: { audience } }
            return { _tag: "Found", credential: { identity: identityOf(pinned) }, builtFrom: Option.none() }
          })
        }
      ],
      acquire: Effect.fnUntraced(function* ({ identity }, _refused, tries) {
        const audience = audienceOf(identity)
        if (!audiences.includes(audience)) {
          const why = `audience ${shown(audience)} is not one of ${audiences.join(", ")}`
          return yield* refused(identity, why, "FLYTE_DATABRICKS_ALLOWED_AUDIENCES")
        }
        const { clientId, instance, source } = identity
        const isTaskClient = clientId !== own.clientId
        return yield* exchange(tokenEndpoint, idTokens, { audience, clientId, instance, source }, tries, isTaskClient)
      }),
      subject: (identity) => IdTokenSource.require(idTokens, audienceOf(identity)),
      // An ID token is read anew for each exchange.
      forget: () => Effect.void,
      recall: (pinned) => Effect.succeed(identityOf(pinned)),
      summarize: () =>
        Effect.map(Effect.result(idTokens.get(oidcAudience)), (idToken) => ({
          facts: { idToken: said(idToken, () => idTokens.name) },
          hasAny: hasAny(idToken),
          takesClientId: hasAny(idToken)
        }))
    } satisfies AuthMode.WiredExtension
  })

/**
 * The mode of a process that is this service principal.
 */
export const mode = (
  own: Options
): AuthMode.AuthMode<ExtensionIdentity, IdTokenSource.IdTokenSource | TokenEndpoint | ConnectorSettings> =>
  AuthMode.extension({
    tag,
    authType: "oidc_federation",
    taskSettings: ["clientId", "oidcAudience"],
    wire: wire(own)
  })
