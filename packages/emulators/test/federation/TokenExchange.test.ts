import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Jose from "jose"
import {
  applicationId,
  type Api,
  aud,
  exchange,
  exchangeForm,
  sub,
  whoIs,
  withFederation,
  type Workspace
} from "../support/federation.ts"
import { basic, form, formHeaders, post } from "../support/http.ts"
import { plain, requestToken } from "../support/kubernetes.ts"

const refusedClient = [401, "invalid_client", "Client authentication failed"]
const refusedToken = [400, "invalid_grant", "The subject token is invalid"]

/** What the client was told, and what was really wrong. */
const refusal = Effect.fnUntraced(function* (
  workspace: Workspace,
  reply: { readonly status: number; readonly json: ReturnType<typeof JSON.parse> }
) {
  const reason = (yield* workspace.refusals).at(-1)?.reason
  return { told: [reply.status, reply.json.error, reply.json.error_description], reason }
})

describe("a token exchange", () => {
  it.effect("gives the service principal's token for the token of its ServiceAccount", () =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        yield* api.setServiceAccount({ namespace: "team-a", name: "spark" })
        const { json } = yield* requestToken(api, "team-a", "spark", { spec: { audiences: aud } })
        const reply = yield* exchange(workspace, json.status.token)
        const { access_token, ...rest } = reply.json
        assert.strictEqual(reply.status, 200)
        assert.strictEqual(reply.headers["cache-control"], "no-store")
        assert.deepStrictEqual(rest, { scope: "all-apis", token_type: "Bearer", expires_in: 3600 })
        assert.strictEqual(yield* whoIs(workspace, access_token), applicationId)
        assert.deepStrictEqual(yield* workspace.refusals, [])
      })
    )
  )

  it.effect.each(["RS256", "ES256"] as const)("takes %s, and one audience as text", (signingAlgorithm) =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        const token = yield* api.mintToken({ sub, aud: "databricks" })
        assert.strictEqual(Jose.decodeProtectedHeader(plain(token)).alg, signingAlgorithm)
        assert.strictEqual((yield* exchange(workspace, token)).status, 200)
      }),
      { api: { signingAlgorithm } }
    )
  )

  it.effect("gives a token that ends with the workspace's lifetime or with the JWT, whichever is first", () =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        const short = yield* api.mintToken({ sub, aud, lifetime: "10 minutes" })
        const long = yield* api.mintToken({ sub, aud, lifetime: "1 day" })
        yield* TestClock.adjust("100 seconds")
        assert.strictEqual((yield* exchange(workspace, long)).json.expires_in, 1800)
        const { access_token, expires_in } = (yield* exchange(workspace, short)).json
        assert.strictEqual(expires_in, 500)
        yield* TestClock.adjust("499 seconds")
        assert.strictEqual(yield* whoIs(workspace, access_token), applicationId)
        yield* TestClock.adjust("1 second")
        assert.isUndefined(yield* whoIs(workspace, access_token))
      }),
      { workspace: { tokenLifetime: "30 minutes" } }
    )
  )

  it.effect("allows for clocks that are a minute apart", () =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        const expiring = yield* api.mintToken({ sub, aud, lifetime: "600 seconds" })
        const early = yield* api.mintToken({ sub, aud, lifetime: "1 hour", claims: { nbf: 700 } })
        const status = (token: typeof early) => Effect.map(exchange(workspace, token), ({ status }) => status)
        yield* TestClock.adjust("639 seconds")
        assert.deepStrictEqual([yield* status(expiring), yield* status(early)], [200, 400])
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* status(early), 200)
        assert.strictEqual((yield* exchange(workspace, expiring)).json.expires_in, 1)
        yield* TestClock.adjust("19 seconds")
        assert.strictEqual(yield* status(expiring), 200)
        yield* TestClock.adjust("1 second")
        const { reason, told } = yield* refusal(workspace, yield* exchange(workspace, expiring))
        assert.deepStrictEqual(told, refusedToken)
        assert.match(`${reason}`, /policy-1: JWTExpired/)
      })
    )
  )

  it.effect("takes any one of several policies and of several audiences", () =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        yield* workspace.addFederationPolicy({ issuer: api.issuer, subject: "other", audiences: ["x"] }, applicationId)
        const status = (token: { sub: string; aud: string | ReadonlyArray<string> }) =>
          Effect.map(
            Effect.flatMap(api.mintToken(token), (jwt) => exchange(workspace, jwt)),
            ({ status }) => status
          )
        assert.strictEqual(yield* status({ sub: "other", aud: ["y", "x"] }), 200)
        assert.strictEqual(yield* status({ sub, aud: ["y", "databricks"] }), 200)
        assert.strictEqual(yield* status({ sub: "other", aud: ["databricks"] }), 401)
      })
    )
  )

  it.effect("goes on to another policy of the same words when the first one's keys do not fit", () =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        const policy = { issuer: api.issuer, subject: sub, audiences: aud }
        const token = yield* api.mintToken({ sub, aud })
        assert.strictEqual((yield* exchange(workspace, token)).status, 400)
        yield* workspace.addFederationPolicy(policy, applicationId)
        assert.strictEqual((yield* exchange(workspace, token)).status, 200)
      }),
      { policy: () => Effect.succeed({ jwksJson: '{"keys":[]}' }) }
    )
  )

  it.effect("asks for the account id as the audience where the policy names none", () =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        const ask = (aud: string) => Effect.flatMap(api.mintToken({ sub, aud }), (token) => exchange(workspace, token))
        assert.strictEqual((yield* ask("databricks")).status, 401)
        assert.strictEqual((yield* ask(workspace.accountId)).status, 200)
      }),
      { policy: () => Effect.succeed({ audiences: [] }) }
    )
  )

  it.effect("finds the subject in the claim that the policy names", () =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        const ask = (claims: Record<string, unknown>) =>
          Effect.flatMap(api.mintToken({ sub, aud, claims }), (token) => exchange(workspace, token))
        assert.strictEqual((yield* ask({ workload: sub, sub: "anything" })).status, 200)
        const { reason, told } = yield* refusal(workspace, yield* ask({}))
        assert.deepStrictEqual([told, reason], [refusedClient, "policy-1: the claim workload is not text"])
      }),
      { policy: () => Effect.succeed({ subjectClaim: "workload" }) }
    )
  )
})

describe("a token exchange that is refused", () => {
  const tokens: ReadonlyArray<{
    readonly name: string
    readonly token: (api: Api) => Effect.Effect<unknown>
    readonly told: ReadonlyArray<unknown>
    readonly reason: RegExp
  }> = [
    {
      name: "another subject",
      token: (api) => api.mintToken({ sub: "system:serviceaccount:team-b:spark", aud }),
      told: refusedClient,
      reason: /^policy-1: sub is "system:serviceaccount:team-b:spark", not "system:serviceaccount:team-a:spark"$/
    },
    {
      name: "another audience",
      token: (api) => api.mintToken({ sub, aud: ["https://kubernetes.default.svc"] }),
      told: refusedClient,
      reason: /^policy-1: aud is \["https:\/\/kubernetes\.default\.svc"\], none of \["databricks"\]$/
    },
    {
      name: "no audience",
      token: (api) => api.mintToken({ sub, aud, claims: { aud: undefined } }),
      told: refusedClient,
      reason: /aud is \[\]/
    },
    {
      name: "another issuer",
      token: (api) => api.mintToken({ sub, aud, iss: `${api.issuer}/` }),
      told: refusedClient,
      reason: /^policy-1: iss is "http.*\/", not "http/
    },
    {
      name: "a signature by another key",
      token: (api) => api.mintToken({ sub, aud, forged: true }),
      told: refusedToken,
      reason: /JWSSignatureVerificationFailed/
    },
    {
      name: "a payload that was changed",
      token: (api) =>
        Effect.map(api.mintToken({ sub: "someone-else", aud }), (token) => {
          const [header, payload = "", signature] = plain(token).split(".")
          const claims = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), sub }
          return `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`
        }),
      told: refusedToken,
      reason: /JWSSignatureVerificationFailed/
    },
    {
      name: "no signature",
      token: (api) =>
        Effect.map(api.mintToken({ sub, aud }), (token) => {
          const header = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url")
          return `${header}.${plain(token).split(".")[1]}.`
        }),
      told: refusedToken,
      reason: /JOSEAlgNotAllowed/
    },
    {
      name: "no end",
      token: (api) => api.mintToken({ sub, aud, claims: { exp: undefined } }),
      told: refusedToken,
      reason: /missing required "exp" claim/
    },
    {
      name: "a time that has not come",
      token: (api) => api.mintToken({ sub, aud, claims: { nbf: 61 } }),
      told: refusedToken,
      reason: /"nbf" claim/
    },
    {
      name: "not a JWT",
      token: () => Effect.succeed("not-a-jwt"),
      told: [400, "invalid_request", "The subject token is malformed"],
      reason: /not a JWT/
    }
  ]

  it.effect.each(tokens)("says as little as the service, and keeps the reason: $name", ({ reason, token, told }) =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        const jwt = (yield* token(api)) as string
        const reply = yield* exchange(workspace, jwt)
        const refused = yield* refusal(workspace, reply)
        assert.deepStrictEqual(refused.told, told)
        assert.match(`${refused.reason}`, reason)
        assert.deepStrictEqual(Object.keys(reply.json), ["error", "error_description", "error_id"])
        const [kept] = yield* workspace.refusals
        assert.strictEqual(kept?.clientId, applicationId)
        assert.strictEqual(kept?.grantType, "urn:ietf:params:oauth:grant-type:token-exchange")
        assert.notInclude(JSON.stringify(kept), plain(jwt))
      })
    )
  )

  const requests: ReadonlyArray<{
    readonly name: string
    readonly change: Record<string, string>
    readonly headers?: Record<string, string>
    readonly told: ReadonlyArray<unknown>
    readonly reason: RegExp
  }> = [
    {
      name: "an unknown client",
      change: { client_id: "nobody" },
      told: refusedClient,
      reason: /^the service principal "nobody" does not exist$/
    },
    {
      name: "a client without a policy",
      change: { client_id: "sp-b" },
      told: refusedClient,
      reason: /^the service principal "sp-b" has no federation policy$/
    },
    {
      name: "no client, where no policy is account-wide",
      change: { client_id: "" },
      told: [400, "invalid_request", "Parameter 'client_id' is required"],
      reason: /no account-wide policy/
    },
    {
      name: "a client secret in the form",
      change: { client_secret: "s3cret" },
      told: refusedClient,
      reason: /logged in with a secret/
    },
    {
      name: "a client secret by HTTP Basic",
      change: {},
      headers: basic(applicationId, "s3cret"),
      told: refusedClient,
      reason: /logged in with a secret/
    },
    {
      name: "no token type",
      change: { subject_token_type: "" },
      told: [400, "invalid_request", "Parameter 'subject_token_type' must be 'urn:ietf:params:oauth:token-type:jwt'"],
      reason: /subject_token_type/
    },
    {
      name: "another token type",
      change: { subject_token_type: "urn:ietf:params:oauth:token-type:access_token" },
      told: [400, "invalid_request", "Parameter 'subject_token_type' must be 'urn:ietf:params:oauth:token-type:jwt'"],
      reason: /subject_token_type/
    },
    {
      name: "no token",
      change: { subject_token: "" },
      told: [400, "invalid_request", "Parameter 'subject_token' is required"],
      reason: /subject_token/
    },
    {
      name: "a wish for the original token",
      change: { return_original_token_if_authenticated: "true" },
      told: [
        400,
        "invalid_request",
        "Parameter 'return_original_token_if_authenticated' is refused here: it makes the wrong identity out of a refusal"
      ],
      reason: /return_original_token/
    },
    {
      name: "another scope",
      change: { scope: "sql" },
      told: [400, "invalid_scope", "Parameter 'scope' must be 'all-apis'"],
      reason: /scope/
    }
  ]

  it.effect.each(requests)("because of the request: $name", ({ change, headers, reason, told }) =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        yield* workspace.addServicePrincipal({ applicationId: "sp-b" })
        const token = yield* api.mintToken({ sub, aud })
        const body = { ...exchangeForm(token), client_id: applicationId, ...change }
        const reply = yield* post(`${workspace.url}/oidc/v1/token`, form(body), { ...formHeaders, ...headers })
        const refused = yield* refusal(workspace, reply)
        assert.deepStrictEqual(refused.told, told)
        assert.match(`${refused.reason}`, reason)
      })
    )
  )

  it.effect("once the policy or the principal is gone", () =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        const ask = Effect.flatMap(api.mintToken({ sub, aud }), (token) => exchange(workspace, token))
        const { access_token } = (yield* ask).json
        assert.isTrue(yield* workspace.removeFederationPolicy("policy-1"))
        assert.isFalse(yield* workspace.removeFederationPolicy("policy-1"))
        assert.strictEqual((yield* ask).status, 401)
        // As with a secret: what was given out stays good.
        assert.strictEqual(yield* whoIs(workspace, access_token), applicationId)

        yield* workspace.addFederationPolicy({ issuer: api.issuer, subject: sub, audiences: aud }, applicationId)
        assert.strictEqual((yield* ask).status, 200)
        yield* workspace.removePrincipal(applicationId)
        assert.deepStrictEqual(yield* workspace.federationPolicies, [])
        assert.strictEqual((yield* ask).status, 401)
        assert.isUndefined(yield* whoIs(workspace, access_token))
      })
    )
  )

  it.effect("is kept beside those of other grants", () =>
    withFederation(
      Effect.fnUntraced(function* ({ workspace }) {
        yield* TestClock.adjust("5 seconds")
        const body = form({ grant_type: "client_credentials", scope: "all-apis" })
        yield* post(`${workspace.url}/oidc/v1/token`, body, { ...formHeaders, ...basic("sp", "s3cret") })
        assert.deepStrictEqual(yield* workspace.refusals, [
          {
            time: 5000,
            grantType: "client_credentials",
            clientId: "sp",
            status: 401,
            error: "invalid_client",
            description: "Client authentication failed",
            reason: "Client authentication failed"
          }
        ])
      })
    )
  )
})

describe("an account-wide policy", () => {
  const users = [{ userName: "ann@example.com" }]

  it.effect("lets the claim name the principal, and takes no client id", () =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        const issuer = api.issuer
        yield* workspace.addFederationPolicy({ issuer, audiences: ["account"], subjectClaim: "email" })
        const mint = (email: string) => api.mintToken({ sub: "x", aud: ["account"], claims: { email } })
        const ann = yield* exchange(workspace, yield* mint("ann@example.com"), {})
        assert.strictEqual(yield* whoIs(workspace, ann.json.access_token), "ann@example.com")
        const principal = yield* exchange(workspace, yield* mint(applicationId), {})
        assert.strictEqual(yield* whoIs(workspace, principal.json.access_token), applicationId)

        const nobody = yield* refusal(workspace, yield* exchange(workspace, yield* mint("bob"), {}))
        assert.deepStrictEqual([nobody.told, nobody.reason], [refusedClient, 'policy-2: no principal is called "bob"'])

        const named = yield* refusal(workspace, yield* exchange(workspace, yield* mint(applicationId)))
        assert.deepStrictEqual(named.told, refusedClient)
        assert.match(`${named.reason}`, /an account-wide policy matches, but without client_id only$/)

        // The service principal's own policy is not for those who do not say which client they are.
        const own = yield* api.mintToken({ sub, aud, claims: { email: applicationId } })
        assert.strictEqual((yield* exchange(workspace, own)).status, 200)
        assert.strictEqual((yield* exchange(workspace, own, {})).status, 401)
      }),
      { workspace: { users } }
    )
  )
})
