/** A grant of one's own gets what Databricks' token endpoint gets: retries, deadline, circuit, and no secret in a text. */
import { type AuthError, Circuit, OAuthEndpoint, type Token } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Duration, Effect, Fiber, Layer, Redacted, Ref, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { type Answer, answer, makeHttp, networkFault, silence } from "../support/http.ts"
import { assertNoSecret, secrets, shownAs } from "../support/secrecy.ts"
import { exact, granted, never } from "./Ask.ts"

const secret = Redacted.make("S3cr3tM4rk3r-of-contoso")
const grant: OAuthEndpoint.GrantRequest = {
  endpoint: "https://login.example/contoso/oauth2/v2.0/token",
  form: { grant_type: "client_credentials", client_id: "app-1", client_secret: secret, scope: "s/.default" },
  clientId: "app-1",
  secret,
  source: "Secret entra-id in namespace team-a",
  remedy: "renew the secret of the app registration"
}

const ask = (asked: OAuthEndpoint.GrantRequest = grant, tries?: Token.Tries) =>
  OAuthEndpoint.OAuthEndpoint.use(({ token }) => token(asked, tries))

/** What is sent, and how it ends, where these are the answers. */
const asked = (answers: ReadonlyArray<Answer>, request = grant, policy = never) =>
  Effect.gen(function* () {
    const { layer, sent } = yield* makeHttp(...answers)
    const fiber = yield* ask(request).pipe(
      Effect.provide(OAuthEndpoint.layer),
      Effect.provide([layer, policy]),
      Effect.result,
      Effect.forkChild
    )
    yield* TestClock.adjust("1 minute")
    return { result: yield* Fiber.join(fiber), sent: yield* sent }
  })

const failure = (answers: ReadonlyArray<Answer>, request = grant) =>
  Effect.map(asked(answers, request), ({ result }): AuthError.AuthError => {
    assert(result._tag === "Failure", "it was to fail")
    return result.failure
  })

describe("a grant", () => {
  it.effect("is sent as a form, and what comes back is a token that knows what it was built from", () =>
    Effect.gen(function* () {
      const { result, sent } = yield* asked([granted])
      assert(result._tag === "Success")
      assertEquals(result.success, { value: Redacted.make("t1"), lifetime: Duration.hours(1), builtFrom: secret })
      assert.deepStrictEqual(
        sent.map(({ body, method, url }) => [method, url, body]),
        [
          [
            "POST",
            grant.endpoint,
            "grant_type=client_credentials&client_id=app-1&client_secret=S3cr3tM4rk3r-of-contoso&scope=s%2F.default"
          ]
        ]
      )
      assert.isUndefined(sent[0]!.headers["authorization"])
      assert.match(sent[0]!.headers["user-agent"] ?? "", /^flyte-databricks\//)
    })
  )

  it.effect("may have its client authenticated by HTTP Basic", () =>
    Effect.gen(function* () {
      const { sent } = yield* asked([granted], { ...grant, basic: { clientId: "a:b", clientSecret: secret } })
      assert.strictEqual(
        sent[0]!.headers["authorization"],
        `Basic ${Buffer.from("a%3Ab:S3cr3tM4rk3r-of-contoso").toString("base64")}`
      )
    })
  )

  it.effect("is tried again, within the time there is, as the policy says", () =>
    Effect.gen(function* () {
      const { result, sent } = yield* asked([answer(503), networkFault(new Error("reset")), granted], grant, exact)
      assert.strictEqual(result._tag, "Success")
      assert.deepStrictEqual(
        sent.map(({ at }) => at),
        [0, 100, 300]
      )
    })
  )

  it.effect("obeys Retry-After, and gives up where that is too long", () =>
    Effect.gen(function* () {
      const { result, sent } = yield* asked([answer(429, "", { "retry-after": "60" }), granted], grant, exact)
      assert.lengthOf(sent, 1)
      assert(result._tag === "Failure")
      assert.include(result.failure.message, "It asks for 60 s before the next try, and there were 8.5 s left.")
    })
  )

  it.effect("is not waited for longer than one try may take", () =>
    Effect.gen(function* () {
      const { reason, retryable } = yield* failure([silence])
      assert(reason._tag === "TokenEndpointUnavailable")
      assert.include(reason.message, "nothing within 16s")
      assert.isTrue(retryable)
    })
  )

  it.effect("that is refused says who, where from, and what its own remedy is", () =>
    Effect.gen(function* () {
      const { message, retryable } = yield* failure([answer(401, { error: "invalid_client", error_description: "no" })])
      assert.strictEqual(
        message,
        `${grant.endpoint} refused client app-1 with 401 invalid_client: no. Its credentials came from ` +
          "Secret entra-id in namespace team-a: renew the secret of the app registration."
      )
      assert.isFalse(retryable)
    })
  )

  it.effect("does not follow a redirect with its secret", () =>
    Effect.gen(function* () {
      const { result, sent } = yield* asked([answer(302, null, { location: "https://elsewhere.example/login?x=1" })])
      assert.lengthOf(sent, 1)
      assert(result._tag === "Failure")
      assert.include(result.failure.message, "redirects to https://elsewhere.example/login, which is not followed")
    })
  )

  it.effect.prop("never has a secret of its form in an error, whatever the endpoint sends back", { secrets }, (given) =>
    Effect.gen(function* () {
      const other = Redacted.make(given.secrets)
      const echo = answer(400, { error: "invalid_request", error_description: `you sent ${given.secrets}` })
      const error = yield* failure([echo], { ...grant, form: { ...grant.form, assertion: other } })
      assertNoSecret("the error", ...shownAs(error))
    })
  )

  it.effect.each([
    "http://login.example/token",
    "https://user:pass@login.example/token",
    "https://login.example/token#f",
    "ftp://login.example/token",
    "login.example/token",
    ""
  ])("goes nowhere where it could be read: %j", (endpoint) =>
    Effect.gen(function* () {
      const { result, sent } = yield* asked([granted], { ...grant, endpoint })
      assert.isEmpty(sent)
      assert(result._tag === "Failure")
      assert.strictEqual(result.failure.reason._tag, "SettingInvalid")
      assert.include(result.failure.message, "The OAuth token endpoint")
      assert.include(result.failure.message, "an https URL (http for loopback hosts alone)")
    })
  )

  it.effect.each(["http://127.0.0.1:1/t", "http://localhost/t", "http://[::1]:8/t"])(
    "may go to a stand-in: %s",
    (url) =>
      Effect.gen(function* () {
        assert.lengthOf((yield* asked([granted], { ...grant, endpoint: url })).sent, 1)
      })
  )

  it.effect("says how it goes, and makes one try where nobody waits", () =>
    Effect.gen(function* () {
      const told = yield* Ref.make<ReadonlyArray<Token.Progress>>([])
      const { layer, sent } = yield* makeHttp(answer(503))
      const tries = {
        isWaitedFor: false,
        onProgress: (one: Token.Progress) => Ref.update(told, (all) => [...all, one])
      }
      yield* Effect.flip(ask(grant, tries).pipe(Effect.provide(OAuthEndpoint.layer), Effect.provide([layer, exact])))
      assert.lengthOf(yield* sent, 1)
      assert.deepStrictEqual(
        (yield* Ref.get(told)).map(({ attempts, lastAnswer }) => [attempts, lastAnswer]),
        [
          [1, undefined],
          [1, "status 503"]
        ]
      )
    })
  )

  it.effect("of one endpoint that is down leaves another alone", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(answer(503))
      const policies = Layer.merge(
        never,
        Layer.succeed(Circuit.CircuitPolicy, { clients: 2, openFor: Schedule.spaced("1 minute") })
      )
      yield* Effect.gen(function* () {
        for (const clientId of ["one", "two", "three"]) yield* Effect.flip(ask({ ...grant, clientId }))
        assert.lengthOf(yield* sent, 2)
        const { message } = yield* Effect.flip(ask(grant))
        assert.include(message, "has given no token to anyone since")
        yield* Effect.flip(ask({ ...grant, endpoint: "https://other.example/token" }))
        assert.lengthOf(yield* sent, 3)
      }).pipe(Effect.provide(OAuthEndpoint.layer.pipe(Layer.provide([layer, policies]))))
    })
  )
})
