/**
 * The keys that a policy's tokens are signed with: inline, at an address, or by the issuer's discovery document. They
 * are fetched for each exchange, so that a rotated key counts at once.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"
import * as Jose from "jose"
import { getCACertificates } from "node:tls"
import type { FederationPolicy } from "./FederationPolicies.ts"

/** The keys could not be had. */
class KeysUnavailable extends Data.TaggedError("KeysUnavailable")<{ readonly problem: string }> {}

const Discovery = Schema.Struct({ issuer: Schema.String, jwks_uri: Schema.String })
const KeySet = Schema.Struct({ keys: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)) })

const maxAnswer = 1024 * 1024

const keySetOf = (keys: unknown, from: string) =>
  Effect.try({
    try: () => Jose.createLocalJWKSet(keys as Jose.JSONWebKeySet),
    catch: () => new KeysUnavailable({ problem: `${from} is not a JSON Web Key Set` })
  })

/** Makes the look-up of keys; `trust` adds an authority for HTTPS to the machine's own. */
export const make = (initiallyTrusted: ReadonlyArray<string>) => {
  let trusted = initiallyTrusted

  const getJson = <S extends Schema.ConstraintDecoder<unknown>>(url: string, schema: S) =>
    HttpClient.get(url).pipe(
      Effect.flatMap(HttpClientResponse.filterStatusOk),
      Effect.flatMap(HttpClientResponse.schemaBodyJson(schema)),
      Effect.timeout("10 seconds"),
      Effect.mapError((error) => new KeysUnavailable({ problem: `${url}: ${error.message}` })),
      // A client of its own: the surrounding program's client may have been built with other authorities.
      Effect.provide(
        NodeHttpClient.layerUndiciOptions({
          connect: { ca: [...getCACertificates("default"), ...trusted] },
          maxResponseSize: maxAnswer
        }),
        { local: true }
      )
    )

  return {
    trust: (pem: string) =>
      Effect.sync(() => {
        trusted = [...trusted, pem]
      }),
    of: Effect.fnUntraced(function* ({ issuer, jwksJson, jwksUri }: FederationPolicy) {
      if (jwksJson !== undefined) return yield* keySetOf(JSON.parse(jwksJson), "the policy's jwksJson")
      if (jwksUri !== undefined) return yield* keySetOf(yield* getJson(jwksUri, KeySet), jwksUri)
      const document = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`
      const found = yield* getJson(document, Discovery)
      if (found.issuer !== issuer) {
        return yield* new KeysUnavailable({
          problem: `${document} is of the issuer "${found.issuer}", not "${issuer}"`
        })
      }
      return yield* keySetOf(yield* getJson(found.jwks_uri, KeySet), found.jwks_uri)
    })
  }
}

export type IssuerKeys = ReturnType<typeof make>
