/**
 * Client credentials of Microsoft Entra ID: an app registration is the service principal, and Azure Databricks takes the
 * token that its tenant gives. The id and the secret are where those of OAuth M2M are: in the Secret `databricks-oauth` of
 * the workflow's namespace, else on the connector. What differs is who gives the token.
 */
import {
  AuthError,
  AuthMode,
  ClientCredentialsSource,
  Identity,
  NamespaceSecrets,
  OAuthEndpoint
} from "@flyte-databricks/databricks-auth"
import { Effect, Option } from "effect"

export interface Options {
  readonly tenantId: string
  /** By default Microsoft's own. */
  readonly authority?: string
}

const tag = "entra_id"

/** Azure Databricks, as a resource of every tenant. */
const scope = "2ff814a6-3304-4ab8-94cb-cd0e6f879c1d/.default"

const variables = "FLYTE_DATABRICKS_CLIENT_ID and FLYTE_DATABRICKS_CLIENT_SECRET of the connector"

const fail = (reason: AuthError.Reason) => Effect.fail(new AuthError.AuthError({ reason }))

const wire = ({ authority = "https://login.microsoftonline.com", tenantId }: Options) =>
  Effect.gen(function* () {
    const credentials = yield* ClientCredentialsSource.ClientCredentialsSource
    const oauth = yield* OAuthEndpoint.OAuthEndpoint
    const endpoint = `${authority}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`

    /** An identity is a client of a tenant, and the namespace's Secret or the connector that its credential is in. */
    const identityOf = ({ clientId, instance, namespace, parameters }: AuthMode.Pinned) => {
      const source = Option.match(namespace, {
        onNone: () => variables,
        onSome: (own) => NamespaceSecrets.describeSecret(own, parameters["secret"] ?? "")
      })
      return new Identity.ExtensionIdentity({
        mode: tag,
        authType: "oauth_m2m",
        instance,
        clientId,
        namespace,
        parameters,
        source
      })
    }

    const pairOf = ({ namespace, parameters }: Identity.ExtensionIdentity) =>
      Option.match(namespace, {
        onNone: () => credentials.connector(Option.none()),
        onSome: (own) => credentials.namespaceSecret(own, parameters["secret"] ?? "")
      })

    const look = (
      pair: ReturnType<typeof pairOf>,
      absence: string,
      pinned: Omit<AuthMode.Pinned, "clientId">
    ): AuthMode.Look<Identity.ExtensionIdentity> =>
      Effect.map(
        pair,
        Option.match({
          onNone: () => ({ _tag: "Absent" as const, detail: absence }),
          onSome: ({ clientId, clientSecret }) => ({
            _tag: "Found" as const,
            credential: { identity: identityOf({ ...pinned, clientId }) },
            builtFrom: Option.some(clientSecret)
          })
        })
      )

    return {
      places: [
        {
          tenancy: "namespace",
          namedBy: "oauthSecretName",
          describe: (request, namespace) => NamespaceSecrets.describeSecret(namespace, request.oauthSecretName),
          remedy: (request, namespace) => `create Secret ${request.oauthSecretName} in namespace ${namespace}`,
          look: ({ instance, oauthSecretName: secret }, namespace) =>
            look(credentials.namespaceSecret(namespace, secret), credentials.absence, {
              instance,
              namespace: Option.some(namespace),
              parameters: { tenant: tenantId, secret }
            })
        },
        {
          tenancy: "connector",
          describe: variables,
          remedy: `set ${variables}`,
          look: ({ clientId, instance }) =>
            look(credentials.connector(clientId), "not set", {
              instance,
              namespace: Option.none(),
              parameters: { tenant: tenantId }
            })
        }
      ],
      acquire: Effect.fnUntraced(function* ({ identity }, _refused, tries) {
        const { clientId, source } = identity
        const pair = yield* pairOf(identity)
        if (Option.isNone(pair)) {
          const looked = [{ source, outcome: "absent" as const }]
          const remedy = "The run is pinned to it: put it back."
          return yield* fail(new AuthError.CredentialsMissing({ wanted: `client ${clientId}`, looked, remedy }))
        }
        const { clientId: found, clientSecret: secret } = pair.value
        if (found !== clientId) return yield* fail(new AuthError.IdentityChanged({ source, expected: clientId, found }))
        const form = { grant_type: "client_credentials", client_id: clientId, client_secret: secret, scope }
        const remedy = "check that the secret of the app registration is current"
        return yield* oauth.token({ endpoint, form, clientId, secret, source, remedy }, tries)
      }),
      forget: ({ namespace, parameters }) =>
        Option.match(namespace, {
          onNone: () => credentials.forgetConnector,
          onSome: (own) => credentials.forget(own, parameters["secret"] ?? "")
        }),
      // Metadata comes back from a caller: another tenant is another principal's, and the name ends up in a path.
      recall: (pinned) => {
        const { secret = "databricks-oauth", tenant = "(none)" } = pinned.parameters
        const isSecret = /^[a-z0-9][a-z0-9.-]{0,252}$/.test(secret)
        return tenant === tenantId && isSecret
          ? Effect.succeed(identityOf(pinned))
          : fail(
              new AuthError.SettingInvalid({
                setting: "tenant of the job metadata",
                value: tenant.slice(0, 100),
                expected: tenantId
              })
            )
      },
      summarize: () =>
        Effect.map(Effect.result(credentials.connector(Option.none())), (pair) => {
          const hasAny = pair._tag === "Failure" || Option.isSome(pair.success)
          return { facts: { entraTenant: tenantId, entraClient: hasAny ? "set" : "none" }, hasAny }
        })
    } satisfies AuthMode.WiredExtension
  })

/** The mode of app registrations in this tenant. */
export const mode = (options: Options) =>
  AuthMode.extension({ tag, authType: "oauth_m2m", taskSettings: ["clientId", "oauthSecretName"], wire: wire(options) })
