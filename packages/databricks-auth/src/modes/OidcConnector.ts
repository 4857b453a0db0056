/**
 * OIDC federation, Model 1: the connector's pod is the service principal. Its projected JWT is exchanged for a token
 * (RFC 8693), and is read anew each time.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { AuthError, CredentialsMissing } from "../AuthError.ts"
import type { Absent, AuthMode, Found, Wired } from "./AuthMode.ts"
import { exchange } from "./internal/exchange.ts"
import { hasAny, said } from "./internal/facts.ts"
import type { AuthRequest } from "../request/AuthRequest.ts"
import { ConnectorSettings, defaultOidcAudience, defaultTokenFile } from "../request/ConnectorSettings.ts"
import { OidcConnectorIdentity } from "../Identity.ts"
import { authTypeOf } from "../IdentityRecord.ts"
import { describeFile } from "../sources/internal/tokenFiles.ts"
import * as IdTokenSource from "../sources/IdTokenSource.ts"
import { fileFrom, filesOf, ProjectedToken, requireFile, type TokenFile } from "../sources/ProjectedToken.ts"
import { TokenEndpoint } from "../endpoint/TokenEndpoint.ts"

const wire = Effect.gen(function* () {
  const tokens = yield* ProjectedToken
  const tokenEndpoint = yield* TokenEndpoint
  const { aws, named, own: ownFile, standard: defaultFile } = filesOf(yield* ConnectorSettings)

  const whole = (file: TokenFile) => Effect.flatMap(tokens.read(file), (jwt) => requireFile(file, jwt))

  // EKS sets a variable for AWS on every pod with an IAM role. Unless the auth type is set as well, its file has to
  // be made for Databricks to count, and is nobody's fault if it is broken.
  const isForDatabricks = (file: TokenFile, audience: string) =>
    Effect.map(Effect.option(tokens.read(file)), (read) =>
      Option.exists(Option.flatten(read), ({ claims }) => claims.audiences.includes(audience))
    )

  const look = Effect.fnUntraced(function* (
    request: AuthRequest
  ): Effect.fn.Return<Absent | Found<OidcConnectorIdentity>, AuthError> {
    const { instance, audience } = request
    const ofConnector = yield* tokens.clientId
    const clientId = Option.orElse(request.clientId, () => ofConnector)
    if (Option.isNone(clientId)) {
      return { _tag: "Absent", detail: "no client id: FLYTE_DATABRICKS_CLIENT_ID is not set" }
    }
    const found = (file: TokenFile): Found<OidcConnectorIdentity> => ({
      _tag: "Found",
      credential: {
        identity: new OidcConnectorIdentity({ instance, clientId: clientId.value, tokenFile: file.path, audience })
      },
      builtFrom: Option.none()
    })

    const set = [
      Option.map(request.tokenFile, fileFrom("task")),
      named,
      Option.isSome(request.authType) ? aws : Option.none()
    ]
    const demanded = Option.firstSomeOf(set)
    if (Option.isSome(demanded)) return yield* Effect.as(whole(demanded.value), found(demanded.value))
    if (Option.isSome(aws) && (yield* isForDatabricks(aws.value, audience))) return found(aws.value)
    if (Option.isSome(yield* tokens.read(defaultFile))) return found(defaultFile)
    const passedOver = Option.map(aws, (file) => `; ${describeFile(file)} holds no JWT for audience ${audience}`)
    return {
      _tag: "Absent",
      detail: `${describeFile(defaultFile)} does not exist${Option.getOrElse(passedOver, () => "")}`
    }
  })

  // An operator's file stays one, whoever recorded it; any other was the task's, or was the operator's once.
  const pinned = (path: string): TokenFile =>
    [...Option.toArray(named), ...Option.toArray(aws), defaultFile].find((file) => file.path === path) ??
    fileFrom("run")(path)

  const idTokensOf = ({ tokenFile }: OidcConnectorIdentity) => IdTokenSource.ofFile(tokens, pinned(tokenFile))

  return {
    places: [
      {
        tenancy: "connector",
        namedBy: "oidcTokenFile",
        describe: "client id and projected JWT of the connector (Model 1)",
        remedy: `set FLYTE_DATABRICKS_CLIENT_ID on the connector and project a ServiceAccount token to ${defaultTokenFile}`,
        look
      }
    ],
    record: ({ identity: { clientId, tokenFile, audience } }) => ({
      clientId: Option.some(clientId),
      oidcTokenFile: Option.some(tokenFile),
      oidcAudience: Option.some(audience)
    }),
    // Flyte's connector leaves out what its environment gave it.
    recall: Effect.fnUntraced(function* ({ clientId, oidcTokenFile, oidcAudience }, instance) {
      const ofConnector = yield* tokens.clientId
      const recordedOrOwn = Option.orElse(clientId, () => ofConnector)
      if (Option.isNone(recordedOrOwn)) {
        return yield* new AuthError({
          reason: new CredentialsMissing({
            wanted: "the run's identity (OIDC federation as the connector)",
            looked: [{ source: "FLYTE_DATABRICKS_CLIENT_ID of the connector", outcome: "absent" }],
            remedy: "The job metadata names no client id: set it on the connector that submitted the run."
          })
        })
      }
      return {
        identity: new OidcConnectorIdentity({
          instance,
          clientId: recordedOrOwn.value,
          tokenFile: Option.getOrElse(oidcTokenFile, () => ownFile.path),
          audience: Option.getOrElse(oidcAudience, () => defaultOidcAudience)
        })
      }
    }),
    subject: (identity) => IdTokenSource.require(idTokensOf(identity), identity.audience),
    acquire: Effect.fnUntraced(function* ({ identity }, _refused, tries) {
      const ofConnector = yield* Effect.option(tokens.clientId)
      const isTaskClient = !Option.contains(Option.flatten(ofConnector), identity.clientId)
      return yield* exchange(tokenEndpoint, idTokensOf(identity), identity, tries, isTaskClient)
    }),
    // The file is read at each exchange.
    forget: () => Effect.void,
    summarize: Effect.fnUntraced(function* () {
      const jwt = yield* Effect.result(Option.isSome(named) ? Effect.asSome(whole(ownFile)) : tokens.read(ownFile))
      const clientId = yield* Effect.result(tokens.clientId)
      return {
        facts: {
          connectorClientId: said(clientId, (id) => id),
          connectorJwt: said(jwt, () => describeFile(ownFile))
        },
        hasAny: hasAny(clientId),
        takesClientId: Result.isSuccess(clientId) && hasAny(clientId) && hasAny(jwt)
      }
    })
  } satisfies Wired<OidcConnectorIdentity>
})

/**
 * The mode of the connector's own projected token (Model 1).
 */
export const mode: AuthMode<OidcConnectorIdentity, ProjectedToken | TokenEndpoint | ConnectorSettings> = {
  tag: "oidc_connector",
  authType: "oidc_federation",
  taskSettings: ["clientId", "oidcTokenFile", "oidcAudience"],
  isRecorded: (record) => authTypeOf(record) === "oidc_federation" && Option.isNone(record.oidcServiceAccount),
  wire
}
