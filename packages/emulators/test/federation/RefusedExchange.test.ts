import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import {
  applicationId,
  type Api,
  aud,
  exchange,
  exchangeForm,
  refusal,
  refusedClient,
  refusedToken,
  sub,
  whoIs,
  withFederation,
  assertTold,
  refusedPolicy,
  type Told
} from "../support/federation.ts"
import { basic, form, formHeaders, post } from "../support/http.ts"
import { plain } from "../support/kubernetes.ts"

describe("a token exchange that is refused", () => {
  const tokens: ReadonlyArray<{
    readonly name: string
    readonly token: (api: Api) => Effect.Effect<unknown>
    readonly told: Told
    readonly reason: RegExp
  }> = [
    {
      name: "another subject",
      token: (api) => api.mintToken({ sub: "system:serviceaccount:team-b:spark", aud }),
      told: refusedPolicy,
      reason: /^policy-1: sub is "system:serviceaccount:team-b:spark", not "system:serviceaccount:team-a:spark"$/
    },
    {
      name: "another audience",
      token: (api) => api.mintToken({ sub, aud: ["https://kubernetes.default.svc"] }),
      told: [
        400,
        "invalid_grant",
        /^Failed to process token: TOKEN_AUDIENCE_INVALID \(Token audience 'https:\/\/kubernetes\.default\.svc' invalid\)\. Valid federation policy for provided token: \{issuer: 'http.*', subject: 'system:serviceaccount:team-a:spark', audience: 'databricks'\}$/
      ],
      reason: /^policy-1: aud is \["https:\/\/kubernetes\.default\.svc"\], none of \["databricks"\]$/
    },
    {
      name: "no audience",
      token: (api) => api.mintToken({ sub, aud, claims: { aud: undefined } }),
      told: [400, "invalid_grant", /TOKEN_AUDIENCE_INVALID \(Token audience '' invalid\)/],
      reason: /aud is \[\]/
    },
    {
      name: "another issuer",
      token: (api) => api.mintToken({ sub, aud, iss: `${api.issuer}/` }),
      told: refusedPolicy,
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

  it.effect.each(tokens)("is told in the service's words, and the reason is kept: $name", ({ reason, token, told }) =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        const jwt = (yield* token(api)) as string
        const reply = yield* exchange(workspace, jwt)
        const refused = yield* refusal(workspace, reply)
        assertTold(refused.told, told)
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
    readonly told: Told
    readonly reason: RegExp
  }> = [
    {
      name: "an unknown client",
      change: { client_id: "nobody" },
      told: refusedPolicy,
      reason: /^the service principal "nobody" does not exist$/
    },
    {
      name: "a client without a policy",
      change: { client_id: "sp-b" },
      told: refusedPolicy,
      reason: /^the service principal "sp-b" has no federation policy$/
    },
    {
      name: "no client, where no policy is account-wide",
      change: { client_id: "" },
      told: refusedPolicy,
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
        assertTold(refused.told, told)
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
        assert.strictEqual((yield* ask).status, 400)
        // As with a secret: what was given out stays good.
        assert.strictEqual(yield* whoIs(workspace, access_token), applicationId)

        yield* workspace.addFederationPolicy({ issuer: api.issuer, subject: sub, audiences: aud }, applicationId)
        assert.strictEqual((yield* ask).status, 200)
        yield* workspace.removePrincipal(applicationId)
        assert.deepStrictEqual(yield* workspace.federationPolicies, [])
        assert.strictEqual((yield* ask).status, 400)
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
