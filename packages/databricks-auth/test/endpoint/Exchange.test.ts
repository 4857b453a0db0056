import { AuthError, Jwt, RetryPolicy, TokenEndpoint, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Duration, Effect, Exit, Layer, Option, Redacted, Schedule } from "effect"
import { instance } from "../support/environment.ts"
import { type Answer, answer, makeHttp, networkFault } from "../support/http.ts"
import { connectorClaims, jwt, jwtText, signature } from "../support/jwt.ts"
import { assertNoSecret, outcomeShownAs, shownAs } from "../support/secrecy.ts"

const endpoint = `https://${instance}/oidc/v1/token`
const granted = answer(200, { access_token: "t1", token_type: "Bearer", expires_in: 1800 })
const clientId = "11111111-2222-3333-4444-555555555555"

const exchange = (subject: Jwt.Jwt = jwt()) =>
  TokenEndpoint.TokenEndpoint.use(({ tokenExchange }) =>
    tokenExchange({
      instance: WorkspaceHost.WorkspaceHost.make(instance),
      clientId,
      subject,
      source: "JWT file /var/run/secrets/databricks/token"
    })
  )

const once = Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(0))

/** What an exchange ends in that gets this answer, and what was sent. */
const answered = (given: Answer, subject?: Jwt.Jwt) =>
  Effect.gen(function* () {
    const { layer, sent } = yield* makeHttp(given)
    const exit = yield* exchange(subject).pipe(
      Effect.provide(TokenEndpoint.layer),
      Effect.provide([layer, once]),
      Effect.exit
    )
    return { exit, sent: yield* sent }
  })

/** How an exchange is refused with this answer. */
const refused = (given: Answer, subject?: Jwt.Jwt) =>
  Effect.gen(function* () {
    const { exit } = yield* answered(given, subject)
    assert(Exit.isFailure(exit), "it was to be refused")
    const error = yield* Effect.flip(exit)
    assert(error.reason._tag === "ExchangeRefused", `${error.reason._tag}: ${error.message}`)
    assert.isFalse(error.retryable)
    assertNoSecret("the refusal", ...outcomeShownAs(exit))
    return { error, reason: error.reason, message: error.message }
  })

const invalidGrant = answer(401, { error: "invalid_grant", error_description: "no policy", error_id: "e-1" })

/** The policy that an error says the service principal needs. */
const policyIn = (message: string): unknown => {
  const quoted = / --json '(.*)'$/m.exec(message)?.[1]
  assert(quoted !== undefined, `no policy in ${message}`)
  return JSON.parse(quoted.replaceAll("'\\''", "'"))
}

describe("an exchange", () => {
  it.effect("has everything in its body, in the words of RFC 8693, and authenticates by nothing else", () =>
    Effect.gen(function* () {
      const { sent } = yield* answered(granted)
      const [only, ...more] = sent
      assert.lengthOf(more, 0)
      assert.strictEqual(`${only!.method} ${only!.url}`, `POST ${endpoint}`)
      assert.strictEqual(only!.headers["content-type"], "application/x-www-form-urlencoded")
      assert.notProperty(only!.headers, "authorization")
      assert.match(only!.headers["user-agent"] ?? "", / auth\/oidc_federation$/)
      assert.deepStrictEqual([...new URLSearchParams(only!.body)].toSorted(), [
        ["client_id", clientId],
        ["grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"],
        ["scope", "all-apis"],
        ["subject_token", jwtText()],
        ["subject_token_type", "urn:ietf:params:oauth:token-type:jwt"]
      ])
      assert.notInclude(only!.body, "return_original_token_if_authenticated")
    })
  )

  it.effect("gives a token that lasts as long as the answer says", () =>
    Effect.gen(function* () {
      const { exit } = yield* answered(granted)
      const token = yield* exit
      assert.strictEqual(Redacted.value(token.value), "t1")
      assertEquals(token.lifetime, Duration.minutes(30))
      assertEquals(token.builtFrom, jwt().token)
      assertEquals(token.jwt, { header: jwt().header, claims: jwt().claims })
      assertNoSecret("the token", ...shownAs(token))
    })
  )

  it.effect("is not repeated when it is refused, and is when the workspace fails", () =>
    Effect.gen(function* () {
      const count = (given: Answer) =>
        Effect.gen(function* () {
          const { layer, sent } = yield* makeHttp(given)
          yield* Effect.exit(exchange()).pipe(
            Effect.provide(TokenEndpoint.layer),
            Effect.provide([layer, Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(2))])
          )
          return (yield* sent).length
        })
      assert.strictEqual(yield* count(invalidGrant), 1)
      assert.strictEqual(yield* count(answer(503)), 3)
    })
  )
})

describe("a refusal", () => {
  it.effect("shows what the JWT says beside the client id, and keeps the server's words and id", () =>
    Effect.gen(function* () {
      const { reason, message } = yield* refused(invalidGrant)
      assert.include(message, `  iss: ${connectorClaims.iss}\n`)
      assert.include(message, "  aud: databricks\n")
      assert.include(message, `  sub: ${connectorClaims.sub}\n`)
      assert.include(message, "  exp: 1970-01-01T01:00:00.000Z\n")
      assert.include(message, clientId)
      assert.include(message, "JWT file /var/run/secrets/databricks/token")
      assert.include(message, `${endpoint} refused`)
      assert.strictEqual(
        `${reason.status} ${reason.error} ${reason.description} ${reason.errorId}`,
        "401 invalid_grant no policy e-1"
      )
    })
  )

  it.effect("knows the key that the JWT is signed with, where the JWT names it", () =>
    Effect.gen(function* () {
      const signed = Option.getOrThrow(Jwt.parse(jwtText(connectorClaims, { alg: "RS256", kid: "key-1" })))
      assert.strictEqual((yield* refused(invalidGrant, signed)).reason.keyId, "key-1")
      assert.notProperty((yield* refused(invalidGrant)).reason, "keyId")
    })
  )

  it.effect("has the policy that lets the JWT in, ready to be used", () =>
    Effect.gen(function* () {
      const { message } = yield* refused(invalidGrant)
      assert.deepStrictEqual(policyIn(message), {
        oidc_policy: {
          issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/AB12",
          audiences: ["databricks"],
          subject: "system:serviceaccount:flyte:connector"
        }
      })
    })
  )

  it.effect("has it whatever stands in the JWT: quotes, several audiences, the longest subject", () =>
    Effect.gen(function* () {
      const subject = `system:serviceaccount:${"n".repeat(63)}:${"s".repeat(253)}`
      const claims = { iss: 'https://a/"b"\\', aud: ["one", 'tw"o'], sub: subject }
      const { message } = yield* refused(invalidGrant, jwt(claims))
      assert.deepStrictEqual(policyIn(message), {
        oidc_policy: { issuer: claims.iss, audiences: claims.aud, subject }
      })
      assert.include(message, "  exp: (nothing)")
    })
  )

  it.effect.each([
    ["issuer", { aud: "a", sub: "s" }, "  iss: (nothing)"],
    ["https issuer", { iss: "kubernetes/serviceaccount", aud: "a", sub: "s" }, "  iss: kubernetes/serviceaccount"],
    ["audience", { iss: "https://i", sub: "s" }, "  aud: (nothing)"],
    ["subject", { iss: "https://i", aud: "a" }, "  sub: (nothing)"]
  ] as const)("says that no policy can let in a JWT without an %s, and gives none", ([, claims, line]) =>
    Effect.gen(function* () {
      const { message } = yield* refused(invalidGrant, jwt(claims))
      assert.include(message, line)
      assert.include(message, "no federation policy can let in")
      assert.notInclude(message, "{")
    })
  )

  it.effect("is one also where the workspace says nothing but the status, as it does of a mismatch", () =>
    Effect.gen(function* () {
      for (const given of [
        answer(401),
        answer(401, "<html></html>"),
        answer(400, "no"),
        answer(401, { detail: "x" })
      ]) {
        const { message } = yield* refused(given)
        assert.include(message, connectorClaims.sub)
        assert.match(message, /unexplained: the body (is empty|is an HTML page|is not JSON|names no OAuth error)/)
      }
    })
  )

  it.effect("is none where something else than a workspace answers", () =>
    Effect.gen(function* () {
      for (const given of [
        answer(404, "<html></html>"),
        answer(200, "<html></html>"),
        answer(302, ""),
        answer(200, {})
      ]) {
        const { exit } = yield* answered(given)
        const error = yield* Effect.flip(exit)
        assert.strictEqual(error.reason._tag, "TokenResponseInvalid")
      }
    })
  )

  it.effect("keeps to its lines, whatever the JWT or the server says", () =>
    Effect.gen(function* () {
      const claims = { iss: "https://i\nrefused: nothing", aud: ["a\r\nb"], sub: "s\u2028\u0000\u001b[31m" }
      const given = answer(401, { error: "invalid\ngrant", error_description: "line\r\nline".repeat(500) })
      const plain = (yield* refused(invalidGrant)).message.split("\n").length
      const { message } = yield* refused(given, jwt(claims))
      assert.lengthOf(message.split("\n"), plain)
      assert.notMatch(message, /[\r\u2028\u0000\u001b]/)
      assert.isBelow(message.length, 2_500)
    })
  )
})

describe("the JWT is in no error", () => {
  const [header = "", payload = ""] = jwtText().split(".")
  const base64 = (text: string) => Buffer.from(text).toString("base64")
  const echoes: ReadonlyArray<readonly [string, string]> = [
    ["as it is", jwtText()],
    ["percent-encoded", jwtText().replaceAll(".", "%2E")],
    ["its signature alone", signature],
    ["its header and claims", `${header}.${payload}`],
    ["its claims alone", payload],
    ["cut", jwtText().slice(0, -5)],
    ["with its parts on lines of their own", jwtText().replaceAll(".", ".\n")],
    ["as Base64", base64(jwtText())],
    ["as Base64url", Buffer.from(jwtText()).toString("base64url")],
    ["as credentials", base64(`${clientId}:${jwtText()}`)],
    ["as credentials in Base64url", Buffer.from(`${clientId}:${jwtText()}`).toString("base64url")],
    ["in a form", new URLSearchParams({ subject_token: jwtText() }).toString()],
    ["twice", `${jwtText()} ${jwtText()}`]
  ]

  it.effect.each(echoes)("though the server repeats it %s", ([, echo]) =>
    Effect.gen(function* () {
      const answers = [
        answer(401, { error: "invalid_grant", error_description: `bad ${echo}.` }),
        answer(401, { error: echo, error_id: echo }),
        answer(400, { error_code: "X", message: { of: echo } }),
        answer(400, { errorCode: 7, errorSummary: echo }, { "x-request-id": "r" }),
        answer(401, echo),
        answer(403, `<html>${echo}`),
        answer(503, echo),
        answer(302, echo, { location: `https://other/?t=${encodeURIComponent(echo)}` }),
        networkFault(new Error(`cannot send ${echo}`, { cause: new Error(echo) }))
      ]
      for (const given of answers) {
        const { exit } = yield* answered(given)
        assert.isTrue(Exit.isFailure(exit))
        const texts = outcomeShownAs(exit)
        assertNoSecret("the error", ...texts)
        for (const text of texts) {
          assert.notInclude(text, echo.slice(0, 40))
          assert.notInclude(text, header)
          assert.notInclude(text, payload.slice(0, 20))
        }
      }
    })
  )

  it("and none of this holds because nothing is shown", () => {
    const reason = new AuthError.ExchangeRefused({
      endpoint,
      clientId,
      source: "s",
      status: 401,
      error: jwtText(),
      audiences: []
    })
    assert.throws(() => assertNoSecret("", ...shownAs(new AuthError.AuthError({ reason }))))
    assertEquals(Option.isSome(Jwt.parse(jwtText())), true)
  })
})
