/**
 * ServiceAccount tokens: the subresource `serviceaccounts/token` (TokenRequest), tokens minted from code, and tokens
 * for the API server itself.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Jose from "jose"
import { uuid } from "../internal/randomText.ts"
import { timestamp } from "./ObjectMeta.ts"
import { type Access, resourceRoute, type Target } from "./Resource.ts"
import type { ServiceAccounts } from "./ServiceAccounts.ts"
import type { SigningKeys } from "./SigningKeys.ts"
import { badRequest, type FieldProblem, invalid } from "./Status.ts"
import { userOf } from "./Users.ts"

/** What `mintToken` takes. */
export interface MintOptions {
  /** E.g. `system:serviceaccount:flyte:flyteconnector`. Nobody of that name need exist. */
  readonly sub: string
  readonly aud: string | ReadonlyArray<string>
  /** By default one hour. */
  readonly lifetime?: Duration.Input | undefined
  /** By default the API's own issuer. */
  readonly iss?: string | undefined
  /** Further claims, or other values for the usual ones; `undefined` leaves a claim out. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
  /** Signed by a key nobody knows, in the name of the one that signs. */
  readonly forged?: boolean | undefined
}

const Nullish = <S extends Schema.Top>(schema: S) => Schema.optional(Schema.NullOr(schema))

const TokenRequest = Schema.fromJsonString(
  Schema.Struct({
    apiVersion: Schema.optional(Schema.Literal("authentication.k8s.io/v1")),
    kind: Schema.optional(Schema.Literal("TokenRequest")),
    metadata: Nullish(Schema.Struct({ name: Nullish(Schema.String), namespace: Nullish(Schema.String) })),
    spec: Nullish(
      Schema.Struct({
        audiences: Nullish(Schema.Array(Schema.String)),
        expirationSeconds: Nullish(Schema.Int),
        boundObjectRef: Nullish(Schema.Struct({ kind: Nullish(Schema.String), apiVersion: Nullish(Schema.String) }))
      })
    )
  })
)

const readBody = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  const text = yield* Effect.orDie(request.text)
  return yield* Schema.decodeEffect(TokenRequest)(text).pipe(
    Effect.mapError((error) =>
      badRequest(`the object provided is unrecognized (must be of type TokenRequest): ${error.message}`)
    )
  )
})

const isPrivate = Schema.is(
  Schema.Struct({
    sub: Schema.String,
    "kubernetes.io": Schema.Struct({
      namespace: Schema.String,
      serviceaccount: Schema.Struct({ name: Schema.String, uid: Schema.String })
    })
  })
)

const shortest = 600
const longest = 2 ** 32

const invalidRequest = (problem: FieldProblem) => invalid("authentication.k8s.io", "TokenRequest", "", problem)

/** Makes the tokens of one API server. */
export const make = (options: {
  readonly serviceAccounts: ServiceAccounts
  readonly keys: SigningKeys
  readonly issuer: string
  /** The audiences that the API server takes for its own. */
  readonly apiAudiences: ReadonlyArray<string>
  readonly maxTokenLifetime?: Duration.Input | undefined
}) => {
  const { apiAudiences, issuer, keys, serviceAccounts } = options
  const maxSeconds = options.maxTokenLifetime === undefined ? Infinity : Duration.toSeconds(options.maxTokenLifetime)

  const mint = Effect.fnUntraced(function* (token: MintOptions) {
    const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const claims = {
      aud: token.aud,
      exp: now + Duration.toSeconds(token.lifetime ?? Duration.hours(1)),
      iat: now,
      iss: token.iss ?? issuer,
      jti: yield* uuid,
      nbf: now,
      sub: token.sub,
      ...token.claims
    } as Jose.JWTPayload
    const signed = token.forged === true ? yield* keys.forge(claims) : yield* keys.sign(claims)
    return Redacted.make(signed, { label: "ServiceAccount token" })
  })

  const create = Effect.fnUntraced(function* (target: Target) {
    const { metadata, spec } = yield* readBody
    for (const field of ["name", "namespace"] as const) {
      const given = metadata?.[field] ?? ""
      if (given !== "" && given !== target[field]) {
        const detail = `must match the service account ${field} if specified`
        return yield* invalidRequest({ field: `metadata.${field}`, value: `"${given}"`, detail })
      }
    }
    const { uid } = yield* serviceAccounts.find(target)
    const asked = spec?.expirationSeconds ?? 3600
    const refuse = (detail: string) =>
      invalidRequest({
        field: "spec.expirationSeconds",
        value: `${asked}`,
        detail: `may not specify a duration ${detail}`
      })
    if (asked < shortest) return yield* refuse("less than 10 minutes")
    if (asked > longest) return yield* refuse("larger than 2^32 seconds")
    const bound = spec?.boundObjectRef
    if (bound != null) {
      const kind = `${bound.apiVersion ?? ""}, Kind=${bound.kind ?? ""}`
      return yield* badRequest(`cannot bind token for serviceaccount "${target.name}" to object with "${kind}"`)
    }

    const now = yield* Clock.currentTimeMillis
    const expirationSeconds = Math.min(asked, maxSeconds)
    const given = spec?.audiences ?? []
    const audiences = given.length === 0 ? apiAudiences : given
    const token = yield* mint({
      sub: `system:serviceaccount:${target.namespace}:${target.name}`,
      aud: audiences,
      lifetime: Duration.seconds(expirationSeconds),
      claims: { "kubernetes.io": { namespace: target.namespace, serviceaccount: { name: target.name, uid } } }
    })
    return {
      kind: "TokenRequest",
      apiVersion: "authentication.k8s.io/v1",
      metadata: { ...target, creationTimestamp: timestamp(now) },
      spec: { audiences, expirationSeconds, boundObjectRef: null },
      status: {
        token: Redacted.value(token),
        expirationTimestamp: timestamp(now + expirationSeconds * 1000)
      }
    }
  })

  return {
    mint,
    /** The user that a token for the API server itself stands for, as long as its ServiceAccount is the same. */
    authenticate: Effect.fnUntraced(function* (token: string) {
      // No keys are made for what is no JWT.
      if (token.split(".").length !== 3) return undefined
      const currentDate = new Date(yield* Clock.currentTimeMillis)
      const keySet = Jose.createLocalJWKSet(yield* keys.jwks)
      const verified = yield* Effect.option(
        Effect.tryPromise(() =>
          Jose.jwtVerify(token, keySet, { issuer, audience: [...apiAudiences], currentDate, clockTolerance: 60 })
        )
      )
      if (Option.isNone(verified) || !isPrivate(verified.value.payload)) return undefined
      const { "kubernetes.io": claim, sub } = verified.value.payload
      const { name, uid } = claim.serviceaccount
      const account = yield* Effect.option(serviceAccounts.find({ name, namespace: claim.namespace }))
      return Option.isSome(account) && account.value.uid === uid ? userOf(sub) : undefined
    }),
    routes: (access: Access) => [
      resourceRoute(access, {
        method: "POST",
        path: "/api/v1/namespaces/:namespace/serviceaccounts/:name/token",
        verb: "create",
        apiGroup: "",
        resource: "serviceaccounts/token",
        handle: create,
        status: 201
      })
    ]
  }
}
