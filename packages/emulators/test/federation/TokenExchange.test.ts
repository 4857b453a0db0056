import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Jose from "jose"
import {
  applicationId,
  aud,
  exchange,
  refusal,
  refusedClient,
  refusedToken,
  sub,
  whoIs,
  withFederation,
  assertTold,
  refusedPolicy
} from "../support/federation.ts"
import { plain, requestToken } from "../support/kubernetes.ts"

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
        assertTold(told, refusedToken)
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
        assert.strictEqual(yield* status({ sub: "other", aud: ["databricks"] }), 400)
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
        assert.strictEqual((yield* ask("databricks")).status, 400)
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
        assertTold(told, refusedPolicy)
        assert.strictEqual(reason, "policy-1: the claim workload is not text")
      }),
      { policy: () => Effect.succeed({ subjectClaim: "workload" }) }
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
        assertTold(nobody.told, refusedClient)
        assert.strictEqual(nobody.reason, 'policy-2: no principal is called "bob"')

        const named = yield* refusal(workspace, yield* exchange(workspace, yield* mint(applicationId)))
        assertTold(named.told, refusedPolicy)
        assert.match(`${named.reason}`, /an account-wide policy matches, but without client_id only$/)

        // The service principal's own policy is not for those who do not say which client they are.
        const own = yield* api.mintToken({ sub, aud, claims: { email: applicationId } })
        assert.strictEqual((yield* exchange(workspace, own)).status, 200)
        assert.strictEqual((yield* exchange(workspace, own, {})).status, 400)
      }),
      { workspace: { users } }
    )
  )
})
