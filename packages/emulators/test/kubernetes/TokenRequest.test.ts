import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as Jose from "jose"
import { Fault, type KubernetesApi } from "../../src/index.ts"
import { get } from "../support/http.ts"
import { accountsUrl, type Api, claimsOf, list, plain, read, requestToken, withApi } from "../support/kubernetes.ts"

const serviceAccounts = [{ namespace: "team-a", name: "spark" }]
const username = "system:serviceaccount:team-a:spark"

/** A token by TokenRequest, which has to succeed. */
const tokenFor = (api: Api, spec: object = {}) =>
  Effect.map(requestToken(api, "team-a", "spark", { spec }), ({ json, status }): string => {
    assert.strictEqual(status, 201)
    return json.status.token
  })

/** Whether the token is signed by a key that the issuer publishes. */
const isSigned = Effect.fnUntraced(function* ({ url }: Api, token: string | Redacted.Redacted) {
  const { json } = yield* get(`${url}/openid/v1/jwks`)
  const keys = Jose.createLocalJWKSet(json)
  return yield* Effect.promise(() =>
    Jose.compactVerify(plain(token), keys).then(
      () => true,
      () => false
    )
  )
})

describe("TokenRequest", () => {
  it.effect("answers as the API server does, with a token that says who it is for", () =>
    withApi(
      { serviceAccounts },
      Effect.fnUntraced(function* (api) {
        yield* TestClock.adjust("90061500 millis")
        const { json, status } = yield* requestToken(api, "team-a", "spark", {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: { audiences: ["databricks", "other"], expirationSeconds: 600 }
        })
        const { token, ...rest } = json.status
        assert.strictEqual(status, 201)
        assert.deepStrictEqual(
          { ...json, status: rest },
          {
            kind: "TokenRequest",
            apiVersion: "authentication.k8s.io/v1",
            metadata: { name: "spark", namespace: "team-a", creationTimestamp: "1970-01-02T01:01:01Z" },
            spec: { audiences: ["databricks", "other"], expirationSeconds: 600, boundObjectRef: null },
            status: { expirationTimestamp: "1970-01-02T01:11:01Z" }
          }
        )
        const { jti, "kubernetes.io": kubernetes, ...claims } = claimsOf(token)
        assert.deepStrictEqual(claims, {
          iss: api.url,
          sub: username,
          aud: ["databricks", "other"],
          iat: 90_061,
          nbf: 90_061,
          exp: 90_661
        })
        assert.match(jti, /^[0-9a-f-]{36}$/)
        assert.deepStrictEqual([kubernetes.namespace, kubernetes.serviceaccount.name], ["team-a", "spark"])
        assert.isTrue(yield* isSigned(api, token))
        assert.notStrictEqual(claimsOf(yield* tokenFor(api)).jti, jti)
      })
    )
  )

  it.effect("gives a token for the API server itself, for an hour, where nothing is asked for", () =>
    withApi(
      { serviceAccounts, apiAudiences: ["https://kubernetes.default.svc", "k3s"] },
      Effect.fnUntraced(function* (api) {
        for (const body of [{}, { spec: {} }, { spec: { audiences: [], expirationSeconds: null } }]) {
          const { json } = yield* requestToken(api, "team-a", "spark", body)
          assert.deepStrictEqual(json.spec, {
            audiences: ["https://kubernetes.default.svc", "k3s"],
            expirationSeconds: 3600,
            boundObjectRef: null
          })
          assert.deepStrictEqual(claimsOf(json.status.token).aud, json.spec.audiences)
        }
      })
    )
  )

  it.effect("shortens a lifetime that is longer than the cluster allows, and says so", () =>
    withApi(
      { serviceAccounts, maxTokenLifetime: "1 hour" },
      Effect.fnUntraced(function* (api) {
        const { json } = yield* requestToken(api, "team-a", "spark", { spec: { expirationSeconds: 7200 } })
        assert.strictEqual(json.spec.expirationSeconds, 3600)
        assert.strictEqual(json.status.expirationTimestamp, "1970-01-01T01:00:00Z")
        assert.strictEqual(claimsOf(json.status.token).exp, 3600)
        assert.strictEqual(claimsOf(yield* tokenFor(api, { expirationSeconds: 601 })).exp, 601)
      })
    )
  )

  it.effect("is a 404 without the ServiceAccount", () =>
    withApi(
      { serviceAccounts },
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* requestToken(api, "team-b", "spark")
        assert.deepStrictEqual([status, json.reason], [404, "NotFound"])
        assert.strictEqual(json.message, 'serviceaccounts "spark" not found')
      })
    )
  )

  it.effect("is for those who may create serviceaccounts/token: serviceaccounts is not enough", () =>
    withApi(
      { serviceAccounts, rules: [{ effect: "allow", resources: ["serviceaccounts"] }] },
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* requestToken(api, "team-a", "spark")
        assert.strictEqual(status, 403)
        assert.strictEqual(
          json.message,
          'serviceaccounts "spark" is forbidden: User "system:serviceaccount:flyte:flyteconnector" cannot create resource "serviceaccounts/token" in API group "" in the namespace "team-a"'
        )
        assert.deepStrictEqual(json.details, { name: "spark", kind: "serviceaccounts" })
        yield* api.setRules([{ effect: "allow", verbs: ["get"], resources: ["serviceaccounts/token"] }])
        assert.strictEqual((yield* requestToken(api, "team-a", "spark")).status, 403)
        yield* api.setRules([{ effect: "allow", verbs: ["create"], resources: ["serviceaccounts/token"] }])
        assert.strictEqual((yield* requestToken(api, "team-a", "spark")).status, 201)
      })
    )
  )

  const invalid: ReadonlyArray<readonly [body: unknown, field: string, problem: string]> = [
    [
      { spec: { expirationSeconds: 599 } },
      "spec.expirationSeconds",
      "Invalid value: 599: may not specify a duration less than 10 minutes"
    ],
    [
      { spec: { expirationSeconds: 2 ** 32 + 1 } },
      "spec.expirationSeconds",
      "Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds"
    ],
    [
      { metadata: { name: "other" } },
      "metadata.name",
      'Invalid value: "other": must match the service account name if specified'
    ],
    [
      { metadata: { namespace: "other" } },
      "metadata.namespace",
      'Invalid value: "other": must match the service account namespace if specified'
    ]
  ]

  it.effect.each(invalid)("refuses a field with a value that is not allowed: %o", ([body, field, problem]) =>
    withApi(
      { serviceAccounts },
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* requestToken(api, "team-a", "spark", body)
        assert.deepStrictEqual([status, json.reason], [422, "Invalid"])
        assert.strictEqual(json.message, `TokenRequest.authentication.k8s.io "" is invalid: ${field}: ${problem}`)
        assert.deepStrictEqual(json.details, {
          group: "authentication.k8s.io",
          kind: "TokenRequest",
          causes: [{ reason: "FieldValueInvalid", message: problem, field }]
        })
      })
    )
  )

  it.effect.each([
    ["{"],
    [{ kind: "Pod" }],
    [{ apiVersion: "v1" }],
    [{ spec: { audiences: "databricks" } }],
    [{ spec: { boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "p" } } }]
  ])("refuses a body that it cannot take: %o", ([body]) =>
    withApi(
      { serviceAccounts },
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* requestToken(api, "team-a", "spark", body)
        assert.deepStrictEqual([status, json.reason], [400, "BadRequest"])
      })
    )
  )

  it.effect("can be made to answer with an empty token, or one for another audience", () =>
    withApi(
      { serviceAccounts },
      Effect.fnUntraced(function* (api) {
        const path = "/api/*/token"
        const other = yield* api.mintToken({ sub: username, aud: ["other"] })
        yield* api.faults.add({ path, times: 1, action: Fault.mergePatch({ status: { token: "" } }) })
        yield* api.faults.add({ path, times: 1, action: Fault.mergePatch({ status: { token: plain(other) } }) })
        yield* api.faults.add({ path, times: 1, action: Fault.mergePatch({ status: null }) })
        const empty = yield* requestToken(api, "team-a", "spark", { spec: { audiences: ["databricks"] } })
        assert.deepStrictEqual(
          [empty.status, empty.json.status],
          [201, { token: "", expirationTimestamp: "1970-01-01T01:00:00Z" }]
        )
        assert.deepStrictEqual(claimsOf(yield* tokenFor(api, { audiences: ["databricks"] })).aud, ["other"])
        const without = yield* requestToken(api, "team-a", "spark")
        assert.deepStrictEqual([without.json.kind, "status" in without.json], ["TokenRequest", false])
        assert.deepStrictEqual(claimsOf(yield* tokenFor(api, { audiences: ["databricks"] })).aud, ["databricks"])
      })
    )
  )
})

describe("a token for the API server itself", () => {
  const secrets = [{ namespace: "team-a", name: "s", data: {} }]
  const rules = [
    { effect: "allow", verbs: ["create"] },
    { effect: "allow", subjects: [username], verbs: ["list"] },
    { effect: "allow", subjects: ["system:serviceaccounts:team-a"], verbs: ["get"] }
  ] as const
  const options: KubernetesApi.Options = { serviceAccounts, secrets, rules }
  const status = (api: Api, token: string | Redacted.Redacted) =>
    Effect.map(read(api, "team-a", "s", token), ({ status }) => status)

  it.effect("logs in as the ServiceAccount, until a minute after it has expired", () =>
    withApi(
      options,
      Effect.fnUntraced(function* (api) {
        const token = yield* tokenFor(api, { expirationSeconds: 600 })
        assert.strictEqual(yield* status(api, api.token), 403)
        assert.strictEqual(yield* status(api, token), 200)
        assert.strictEqual((yield* list({ ...api, token: Redacted.make(token) }, "team-a")).status, 200)
        yield* TestClock.adjust("659 seconds")
        assert.strictEqual(yield* status(api, token), 200)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* status(api, token), 401)
      })
    )
  )

  it.effect("logs in as long as the ServiceAccount is the same", () =>
    withApi(
      options,
      Effect.fnUntraced(function* (api) {
        const token = yield* tokenFor(api)
        yield* api.patchServiceAccount(serviceAccounts[0]!, { labels: { a: "b" } })
        assert.strictEqual(yield* status(api, token), 200)
        yield* api.deleteServiceAccount(serviceAccounts[0]!)
        assert.strictEqual(yield* status(api, token), 401)
        yield* api.setServiceAccount(serviceAccounts[0]!)
        assert.strictEqual(yield* status(api, token), 401)
        assert.strictEqual(yield* status(api, yield* tokenFor(api)), 200)
      })
    )
  )

  it.effect("is not one for another audience, nor one that only says so", () =>
    withApi(
      options,
      Effect.fnUntraced(function* (api) {
        const real = claimsOf(yield* tokenFor(api))
        const mint = { sub: username, aud: [api.url], claims: { "kubernetes.io": real["kubernetes.io"] } }
        assert.strictEqual(yield* status(api, yield* tokenFor(api, { audiences: ["databricks"] })), 401)
        assert.strictEqual(yield* status(api, yield* api.mintToken(mint)), 200)
        assert.strictEqual(yield* status(api, yield* api.mintToken({ ...mint, forged: true })), 401)
        assert.strictEqual(yield* status(api, yield* api.mintToken({ ...mint, iss: "https://other" })), 401)
        assert.strictEqual(yield* status(api, yield* api.mintToken({ ...mint, claims: {} })), 401)
      })
    )
  )
})

describe("the issuer", () => {
  it.effect("is found without logging in, whatever the rules are", () =>
    withApi(
      { anonymousAuth: false, rules: [] },
      Effect.fnUntraced(function* (api) {
        const { headers, json, status } = yield* get(`${api.issuer}/.well-known/openid-configuration`)
        assert.deepStrictEqual([status, headers["content-type"]], [200, "application/json"])
        assert.deepStrictEqual(json, {
          issuer: api.url,
          jwks_uri: `${api.url}/openid/v1/jwks`,
          response_types_supported: ["id_token"],
          subject_types_supported: ["public"],
          id_token_signing_alg_values_supported: ["RS256"]
        })
        const jwks = yield* get(json.jwks_uri)
        assert.strictEqual(jwks.headers["content-type"], "application/jwk-set+json")
        assert.deepStrictEqual(jwks.json, yield* api.jwks)
        const [key] = jwks.json.keys
        assert.deepStrictEqual(Object.keys(key).toSorted(), ["alg", "e", "kid", "kty", "n", "use"])
      })
    )
  )

  it.effect("can have another name", () =>
    withApi(
      { serviceAccounts, issuer: "https://oidc.example.com/id/1" },
      Effect.fnUntraced(function* (api) {
        assert.strictEqual(api.issuer, "https://oidc.example.com/id/1")
        const { json } = yield* get(`${api.url}/.well-known/openid-configuration`)
        assert.deepStrictEqual([json.issuer, json.jwks_uri], [api.issuer, `${api.url}/openid/v1/jwks`])
        const { aud, iss } = claimsOf(yield* tokenFor(api))
        assert.deepStrictEqual([iss, aud], [api.issuer, [api.issuer]])
      })
    )
  )

  it.effect("rotates its key: the old one stays published unless it is withdrawn", () =>
    withApi(
      { serviceAccounts },
      Effect.fnUntraced(function* (api) {
        const headerOf = (token: string) => Jose.decodeProtectedHeader(token)
        const first = yield* tokenFor(api)
        assert.strictEqual(headerOf(first).alg, "RS256")
        const kid = yield* api.rotateSigningKey({ algorithm: "ES256" })
        const second = yield* tokenFor(api)
        assert.deepStrictEqual(headerOf(second), { alg: "ES256", kid })
        assert.notStrictEqual(headerOf(first).kid, kid)
        assert.deepStrictEqual([yield* isSigned(api, first), yield* isSigned(api, second)], [true, true])

        // As the key before it, unless it is told.
        yield* api.rotateSigningKey({ withdraw: true })
        const third = yield* tokenFor(api)
        assert.strictEqual(headerOf(third).alg, "ES256")
        assert.deepStrictEqual(
          [yield* isSigned(api, first), yield* isSigned(api, second), yield* isSigned(api, third)],
          [false, false, true]
        )
        assert.strictEqual((yield* api.jwks).keys.length, 1)
      })
    )
  )

  it.effect("mints any token, right or wrong", () =>
    withApi(
      { signingAlgorithm: "ES256" },
      Effect.fnUntraced(function* (api) {
        yield* TestClock.adjust("1 day")
        const sub = "system:serviceaccount:flyte:flyteconnector"
        const token = yield* api.mintToken({ sub, aud: ["databricks"], lifetime: "10 minutes" })
        const { jti, ...claims } = claimsOf(plain(token))
        assert.isString(jti)
        assert.deepStrictEqual(claims, {
          iss: api.url,
          sub,
          aud: ["databricks"],
          iat: 86_400,
          nbf: 86_400,
          exp: 87_000
        })
        assert.isTrue(yield* isSigned(api, token))
        assert.notInclude(String(token), plain(token))

        const odd = yield* api.mintToken({
          sub: "x",
          aud: "one",
          iss: "https://other",
          claims: { exp: 1, nbf: undefined, email: "ann@example.com" }
        })
        const { aud, email, exp, iss, nbf } = claimsOf(plain(odd))
        assert.deepStrictEqual([aud, email, exp, iss, nbf], ["one", "ann@example.com", 1, "https://other", undefined])

        const forged = yield* api.mintToken({ sub, aud: "databricks", forged: true })
        assert.deepStrictEqual(Jose.decodeProtectedHeader(plain(forged)), Jose.decodeProtectedHeader(plain(token)))
        assert.isFalse(yield* isSigned(api, forged))
      })
    )
  )

  it.effect("meets the faults that everything meets", () =>
    withApi(
      { faults: [{ path: "/openid/*", times: 1, action: Fault.status(503) }] },
      Effect.fnUntraced(function* (api) {
        assert.strictEqual((yield* get(`${api.url}/openid/v1/jwks`)).status, 503)
        assert.strictEqual((yield* get(`${api.url}/openid/v1/jwks`)).status, 200)
        assert.strictEqual((yield* get(accountsUrl(api, "x"))).status, 403)
      })
    )
  )
})
