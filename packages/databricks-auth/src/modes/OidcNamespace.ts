/**
 * OIDC federation, Model 2: an annotated ServiceAccount of the workflow's namespace is the service principal.
 * Kubernetes mints a JWT for it (TokenRequest), which is exchanged for a token (RFC 8693).
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AuthError } from "../AuthError.ts"
import type { Absent, AuthMode, Found, Wired } from "./AuthMode.ts"
import { exchange } from "./internal/exchange.ts"
import { refused, requirePrincipal } from "./Policy.ts"
import type { AuthRequest } from "../request/AuthRequest.ts"
import { ConnectorSettings, defaultOidcAudience } from "../request/ConnectorSettings.ts"
import * as IdentityNamespace from "../request/IdentityNamespace.ts"
import { OidcNamespaceIdentity } from "../Identity.ts"
import { authTypeOf } from "../IdentityRecord.ts"
import { applicationId } from "../internal/applicationId.ts"
import { broken } from "../internal/broken.ts"
import { invalid, shown } from "../internal/settings.ts"
import * as IdTokenSource from "../sources/IdTokenSource.ts"
import {
  audienceAnnotation,
  clientIdAnnotation,
  describeDiscovery,
  describeServiceAccount,
  describeSkipped,
  type Discovery,
  enabledLabel,
  maxAnnotation,
  ServiceAccountTokens
} from "../sources/ServiceAccountTokens.ts"
import { TokenEndpoint } from "../endpoint/TokenEndpoint.ts"

const wire = Effect.gen(function* () {
  const serviceAccounts = yield* ServiceAccountTokens
  const tokenEndpoint = yield* TokenEndpoint
  const { oidcAudience, allowedAudiences, namespaceIdentity } = yield* ConnectorSettings
  const isMade = IdentityNamespace.isMade(yield* ConnectorSettings)

  const look = Effect.fnUntraced(function* (
    request: AuthRequest,
    namespace: string
  ): Effect.fn.Return<Absent | Found<OidcNamespaceIdentity>, AuthError> {
    const discovery = yield* serviceAccounts.discover(namespace)
    const [offer, ...others] = discovery.offers
    if (offer === undefined) {
      // One that does not exist is no namespace that brings nothing: its tasks would be whoever the connector is.
      if (isMade && !(yield* serviceAccounts.exists(namespace))) return yield* missing(namespace)
      return { _tag: "Absent", detail: serviceAccounts.absence(discovery) }
    }
    if (others.length > 0) return yield* ambiguous(namespace, discovery)
    const { serviceAccount, audience } = offer
    if (Option.exists(audience, ({ length }) => length > maxAnnotation)) {
      const annotation = `Annotation ${audienceAnnotation} of ${describeServiceAccount(namespace, serviceAccount)}`
      return yield* invalid(annotation, "longer", `at most ${maxAnnotation} characters`)
    }
    const clientId = yield* Effect.fromResult(
      applicationId(
        describeServiceAccount(namespace, serviceAccount),
        `has what looks like a secret under annotation ${clientIdAnnotation}`,
        offer.clientId
      )
    )
    return {
      _tag: "Found",
      credential: {
        identity: new OidcNamespaceIdentity({
          instance: request.instance,
          clientId,
          namespace,
          serviceAccount,
          audience: Option.getOrElse(audience, () => request.audience)
        })
      },
      ...(discovery.skipped.length === 0 ? {} : { detail: describeSkipped(discovery.skipped) }),
      builtFrom: Option.none()
    }
  })

  // A run's metadata comes back from a caller. What its ServiceAccount says today goes before it: another client id is
  // another principal. One that lost its label goes on, for the runs that were submitted as it.
  const checkToday = Effect.fnUntraced(function* (identity: OidcNamespaceIdentity) {
    const { clientId, namespace, serviceAccount, audience, source } = identity
    const { offers } = yield* namespaceIdentity === "ignore"
      ? Effect.succeed(unseen)
      : serviceAccounts
          .discover(namespace)
          .pipe(Effect.catchReason("AuthError", "AccessForbidden", () => Effect.succeed(unseen)))
    const offer = offers.find((offer) => offer.serviceAccount === serviceAccount)
    if (offer !== undefined) yield* Effect.fromResult(requirePrincipal(source, clientId, offer.clientId))
    const allowed = [oidcAudience, ...allowedAudiences, ...Option.toArray(offer?.audience ?? Option.none())]
    if (!allowed.includes(audience)) {
      const why = `audience ${shown(audience)} is neither its annotation's nor one of ${allowed.join(", ")}`
      return yield* refused(identity, why, "FLYTE_DATABRICKS_ALLOWED_AUDIENCES")
    }
  })

  const idTokensOf = ({ namespace, serviceAccount }: OidcNamespaceIdentity) =>
    IdTokenSource.ofServiceAccount(serviceAccounts, namespace, serviceAccount)

  return {
    places: [
      {
        tenancy: "namespace",
        describe: (_, namespace) => describeDiscovery(namespace),
        remedy: (_, namespace) => markers(namespace),
        look
      }
    ],
    record: ({ identity: { clientId, serviceAccount, audience, namespace } }) => ({
      clientId: Option.some(clientId),
      oidcServiceAccount: Option.some(serviceAccount),
      oidcAudience: Option.some(audience),
      namespace: Option.some(namespace)
    }),
    recall: ({ clientId, oidcServiceAccount, oidcAudience, namespace }, instance) => {
      if (Option.isNone(oidcServiceAccount) || Option.isNone(clientId) || Option.isNone(namespace)) {
        const expected = "oidc_service_account, client_id and namespace"
        return Effect.fail(invalid("The job metadata of a run as a ServiceAccount", "incomplete", expected))
      }
      return Effect.succeed({
        identity: new OidcNamespaceIdentity({
          instance,
          clientId: clientId.value,
          namespace: namespace.value,
          serviceAccount: oidcServiceAccount.value,
          audience: Option.getOrElse(oidcAudience, () => defaultOidcAudience)
        })
      })
    },
    subject: (identity) => IdTokenSource.require(idTokensOf(identity), identity.audience),
    acquire: Effect.fnUntraced(function* ({ identity }, _refused, tries) {
      return yield* checkToday(identity).pipe(
        Effect.andThen(exchange(tokenEndpoint, idTokensOf(identity), identity, tries)),
        // What was discovered may be what is wrong, and may have been mended: the next submit is to see it.
        Effect.tapError((error) => (error.retryable ? Effect.void : serviceAccounts.forget(identity.namespace)))
      )
    }),
    forget: ({ namespace }) => serviceAccounts.forget(namespace),
    // Nothing of it is on the connector.
    summarize: () => Effect.succeed({ facts: {}, hasAny: false })
  } satisfies Wired<OidcNamespaceIdentity>
})

/**
 * The mode of ServiceAccounts of namespaces (Model 2).
 */
export const mode: AuthMode<OidcNamespaceIdentity, ServiceAccountTokens | TokenEndpoint | ConnectorSettings> = {
  tag: "oidc_namespace",
  authType: "oidc_federation",
  taskSettings: ["clientId", "oidcAudience"],
  isRecorded: (record) => authTypeOf(record) === "oidc_federation" && Option.isSome(record.oidcServiceAccount),
  wire
}

const unseen: Discovery = { offers: [], skipped: [] }

const markers = (namespace: string): string =>
  `give one ServiceAccount in namespace ${namespace}\n` +
  `      labels: {${enabledLabel}: "true"}\n` +
  `      annotations: {${clientIdAnnotation}: <application id of its service principal>}`

const missing = (namespace: string): AuthError =>
  broken(
    `Namespace ${namespace}`,
    "does not exist: it has no ServiceAccount, and Kubernetes gives each namespace one",
    `Create it (kubectl create namespace ${namespace}), or correct FLYTE_DATABRICKS_NAMESPACE_TEMPLATE.`
  )

const ambiguous = (namespace: string, { offers, skipped }: Discovery): AuthError => {
  const names = offers.map(({ serviceAccount }) => serviceAccount).join(", ")
  const aside = skipped.length === 0 ? "" : ` (and ${describeSkipped(skipped)})`
  return broken(
    `Namespace ${namespace}`,
    `has ${offers.length} ServiceAccounts with annotation ${clientIdAnnotation}: ${names}${aside}`,
    `Leave the label ${enabledLabel}=true on one of them.`
  )
}
