/** Where the tokens of a workspace are given, on a host that serves several, and on one that does not. */
import { type AuthError, Circuit, Jwt, TokenEndpoint, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Fiber, Layer, Option, Redacted, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import { type Answer, answer, makeHttp, makeHttpUnder, networkFault, silence } from "../support/http.ts"
import { ask, exact, granted, never, request } from "./Ask.ts"

const workspace = (text: string) => WorkspaceHost.WorkspaceHost.make(text)
const host = "https://acme.databricks.com"
const one = { ...request, instance: workspace("acme.databricks.com?o=1") }
const two = { ...request, instance: workspace("acme.databricks.com?o=2") }

const config = (fields: object = {}) =>
  answer(200, { oidc_endpoint: `${host}/oidc/accounts/{account_id}`, account_id: "0a1b-2c3d", ...fields })
const server = (fields: object = {}) =>
  answer(200, { token_endpoint: `${host}/oidc/accounts/0a1b-2c3d/v1/token`, ...fields })
const none = answer(404, "Not Found")

/** The outcome of requests for a token one after the other, and what was sent. */
const asked = Effect.fnUntraced(function* (
  answers: ReadonlyArray<Answer>,
  requests: ReadonlyArray<TokenEndpoint.ClientCredentialsRequest> = [one],
  allowed: ReadonlyArray<string> = WorkspaceHost.databricksDomains
) {
  const { layer, sent } = yield* makeHttpUnder(allowed, ...answers)
  const outcomes = yield* Effect.forEach(requests, (each) => Effect.result(ask(each))).pipe(
    Effect.provide(TokenEndpoint.layer),
    Effect.provide([layer, never])
  )
  return { outcomes, sent: yield* sent }
})

const failureOf = (outcome: unknown): AuthError.AuthError => {
  const failure = (outcome as { readonly failure?: AuthError.AuthError }).failure
  assert(failure !== undefined, "a token was given")
  return failure
}
const reasonOf = (outcome: unknown) => failureOf(outcome).reason

describe("a host of one workspace", () => {
  it.effect.each(["dbc-a1b2.cloud.databricks.com", "adb-1.2.azuredatabricks.net", "1.2.gcp.databricks.com"])(
    "gives its tokens itself, and is not asked where: %s",
    (instance) =>
      Effect.gen(function* () {
        const { sent } = yield* asked([granted], [{ ...request, instance: workspace(instance) }])
        assert.deepStrictEqual(
          sent.map(({ url }) => url),
          [`https://${instance}/oidc/v1/token`]
        )
      })
  )
})

describe("a host that serves several workspaces", () => {
  it.effect("says in two documents where their tokens are given, once for all of them", () =>
    Effect.gen(function* () {
      const { outcomes, sent } = yield* asked([config(), server(), granted], [one, two, one])
      assert.isTrue(outcomes.every(({ _tag }) => _tag === "Success"))
      const token = `POST ${host}/oidc/accounts/0a1b-2c3d/v1/token`
      assert.deepStrictEqual(
        sent.map(({ method, url }) => `${method} ${url}`),
        [
          `GET ${host}/.well-known/databricks-config`,
          `GET ${host}/oidc/accounts/0a1b-2c3d/.well-known/oauth-authorization-server`,
          token,
          token,
          token
        ]
      )
    })
  )

  it.effect("learns no credential from a look-up, and no OAuth endpoint learns the workspace", () =>
    Effect.gen(function* () {
      const { sent } = yield* asked([config(), server(), granted])
      const [first, second, third] = sent
      for (const { headers } of [first!, second!]) {
        assert.isUndefined(headers["authorization"])
        assert.match(headers["user-agent"] ?? "", /^flyte-databricks\/\d+\.\d+\.\d+ lang\/js node\/\S+ os\/\w+$/)
      }
      for (const { headers } of sent) assert.isUndefined(headers["x-databricks-workspace-id"])
      assert.match(third?.headers["user-agent"] ?? "", /^flyte-databricks\/\S+ lang\/js .* auth\/oauth_m2m$/)
    })
  )

  it.effect("is asked once, however many ask at the same time", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(config(), server(), granted)
      yield* Effect.forEach(
        Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? one : two)),
        (each) => ask(each),
        {
          concurrency: "unbounded"
        }
      ).pipe(Effect.provide(TokenEndpoint.layer), Effect.provide(layer))
      assert.strictEqual((yield* sent).filter(({ method }) => method === "GET").length, 2)
    })
  )

  it.effect("is asked again after an hour", () =>
    Effect.gen(function* () {
      const elsewhere = server({ token_endpoint: `${host}/oidc/accounts/other/v1/token` })
      const { layer, sent } = yield* makeHttp(config(), server(), granted, granted, config(), elsewhere, granted)
      yield* Effect.gen(function* () {
        yield* ask(one)
        yield* TestClock.adjust("59 minutes")
        yield* ask(one)
        yield* TestClock.adjust("2 minutes")
        yield* ask(one)
      }).pipe(Effect.provide(TokenEndpoint.layer), Effect.provide(layer))
      const urls = (yield* sent).map(({ url }) => url)
      assert.lengthOf(urls, 7)
      assert.strictEqual(urls.at(-1), `${host}/oidc/accounts/other/v1/token`)
    })
  )

  it.effect("is asked again by the next caller where it failed, and by the same one where that may pass", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(
        answer(503),
        networkFault(new Error("ECONNRESET")),
        config(),
        server(),
        granted
      )
      const fiber = yield* ask(one).pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(fiber)
      assert.lengthOf(yield* sent, 5)
      const failed = yield* asked([answer(503), config(), server(), granted], [one, one])
      assert.strictEqual(failed.outcomes.map(({ _tag }) => _tag).join(), "Failure,Success")
    })
  )

  it.effect("that fails for long is an error which says how often it was tried", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(answer(503))
      const fiber = yield* Effect.flip(ask(one)).pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide([layer, exact]),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("5 seconds")
      const { message } = yield* Fiber.join(fiber)
      assert.include(message, `${host}/.well-known/databricks-config was tried 4 times and gave no token`)
      assert.lengthOf(yield* sent, 4)
    })
  )

  it.effect("that takes nine seconds for each document is waited for", () =>
    Effect.gen(function* () {
      const slow =
        (given: Answer): Answer =>
        (request) =>
          Effect.delay(given(request), "9 seconds")
      const { layer } = yield* makeHttp(slow(config()), silence, slow(server()), silence, granted)
      const fiber = yield* ask(one).pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("18 seconds")
      yield* Fiber.join(fiber)
    })
  )

  it.effect("that says nothing is given up in time, with the address that was asked", () =>
    Effect.gen(function* () {
      const { layer } = yield* makeHttp(silence)
      const clock = yield* TestClock.testClockWith(Effect.succeed)
      const fiber = yield* Effect.flip(ask(one)).pipe(
        Effect.map((error) => ({ error, at: clock.currentTimeMillisUnsafe() })),
        Effect.provide(TokenEndpoint.layer),
        Effect.provide(layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("1 minute")
      const { error, at } = yield* Fiber.join(fiber)
      assert.isTrue(error.retryable)
      assert.strictEqual(at, 16_000)
      assert.include(error.message, `${host}/.well-known/databricks-config was tried`)
    })
  )

  it.effect.each([
    ["status 429 and Retry-After", answer(429, "", { "retry-after": "7" }), "TokenEndpointUnavailable"],
    ["a document without end", answer(200, `{"oidc_endpoint":"${"x".repeat(70_000)}"}`), "TokenResponseInvalid"],
    ["a login page", answer(200, "<html>log in</html>"), "TokenResponseInvalid"],
    ["a redirect", answer(302, "", { location: "https://evil.com/" }), "TokenResponseInvalid"],
    ["no such document", none, "TokenResponseInvalid"],
    ["a document without an endpoint", answer(200, { account_id: "x" }), "TokenResponseInvalid"],
    ["an endpoint that is none", config({ oidc_endpoint: "oidc" }), "TokenResponseInvalid"],
    ["an endpoint with a query", config({ oidc_endpoint: `${host}/oidc?x=1` }), "TokenResponseInvalid"],
    [
      "an endpoint with a password",
      config({ oidc_endpoint: "https://a:b@acme.databricks.com/oidc" }),
      "TokenResponseInvalid"
    ],
    ["an endpoint over http", config({ oidc_endpoint: "http://acme.databricks.com/oidc" }), "TokenResponseInvalid"]
  ] as const)("and answers with %s gets no credential", ([, first, tag]) =>
    Effect.gen(function* () {
      const { outcomes, sent } = yield* asked([first, granted])
      const { reason, retryable, message } = failureOf(outcomes[0])
      assert.strictEqual(reason._tag, tag)
      assert.isTrue(retryable)
      assert.include(message, `${host}/.well-known/databricks-config`)
      assert.deepStrictEqual(
        sent.map(({ method }) => method),
        ["GET"]
      )
    })
  )

  it.effect("and whose authorization server has no document gets no credential", () =>
    Effect.gen(function* () {
      for (const second of [none, answer(200, {}), server({ token_endpoint: "/v1/token" })]) {
        const { outcomes, sent } = yield* asked([config(), second, granted])
        assert.strictEqual(reasonOf(outcomes[0])._tag, "TokenResponseInvalid")
        assert.deepStrictEqual(
          sent.map(({ method }) => method),
          ["GET", "GET"]
        )
      }
    })
  )

  it.effect("that is not known by its name gives its tokens itself where it says nothing else", () =>
    Effect.gen(function* () {
      for (const instance of ["acme.azuredatabricks.net?o=1", "http://localhost:8080?o=1"]) {
        for (const first of [none, answer(200, "<html>"), answer(200, {})]) {
          const each = { ...request, instance: workspace(instance) }
          const { outcomes, sent } = yield* asked([first, granted], [each, each])
          assert.strictEqual(outcomes.map(({ _tag }) => _tag).join(), "Success,Success")
          assert.match(sent[1]?.url ?? "", /^[^?]*\/oidc\/v1\/token$/)
          assert.lengthOf(sent, 3)
        }
      }
    })
  )

  it.effect("fails for each workspace by itself: the circuit of one leaves the others alone", () =>
    Effect.gen(function* () {
      const down = answer(503)
      const { layer, sent } = yield* makeHttp(config(), server(), down)
      const policies = Layer.merge(
        never,
        Layer.succeed(Circuit.CircuitPolicy, { clients: 1, openFor: Schedule.spaced("1 minute") })
      )
      const messages = yield* Effect.forEach([one, one, two], (each) => Effect.flip(ask(each))).pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide([layer, policies]),
        Effect.map((errors) => errors.map(({ message }) => message))
      )
      assert.include(messages[1], "It was not asked for this call")
      assert.include(messages[2], "was tried once and gave no token; the last answer: status 503")
      assert.lengthOf(yield* sent, 4)
    })
  )

  it.effect("that turns out to be one workspace is no other one", () =>
    Effect.gen(function* () {
      for (const workspace_id of ["1", 1]) {
        const { outcomes, sent } = yield* asked([config({ workspace_id }), server(), granted], [one, two])
        assert.strictEqual(outcomes[0]?._tag, "Success")
        const reason = reasonOf(outcomes[1])
        assert.include(
          reason.message,
          'instance "acme.databricks.com?o=2" is refused: its host says that it is workspace 1'
        )
        assert.lengthOf(sent, 3)
      }
    })
  )
})

describe("the fence", () => {
  const jwt = Redacted.make("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2kifQ.c2ln", { label: "JWT" })

  const exchange = Effect.fnUntraced(function* (answers: ReadonlyArray<Answer>, allowed: ReadonlyArray<string>) {
    const { layer, sent } = yield* makeHttpUnder(allowed, ...answers)
    const subject = Option.getOrThrow(Jwt.parse(Redacted.value(jwt)))
    const outcome = yield* TokenEndpoint.TokenEndpoint.use(({ tokenExchange }) =>
      Effect.result(tokenExchange({ instance: one.instance, clientId: "app-1", source: "s", subject }))
    ).pipe(Effect.provide(TokenEndpoint.layer), Effect.provide([layer, never]))
    return { outcome, sent: yield* sent }
  })

  const places = [
    ["oidc_endpoint", (url: string) => [config({ oidc_endpoint: `${url}/oidc` }), server()]],
    ["token_endpoint", (url: string) => [config(), server({ token_endpoint: `${url}/oidc/v1/token` })]]
  ] as const

  it.effect.each(places)("stands before another host that a document names as its %s", ([name, answers]) =>
    Effect.gen(function* () {
      for (const evil of [
        "https://evil.com",
        "https://acme.databricks.com.evil.com",
        "https://10.0.0.1",
        "http://127.0.0.1:9"
      ]) {
        for (const result of [
          yield* asked([...answers(evil), granted]).pipe(
            Effect.map(({ outcomes, sent }) => ({ outcome: outcomes[0], sent }))
          ),
          yield* exchange([...answers(evil), granted], WorkspaceHost.databricksDomains)
        ]) {
          const { reason, retryable, message } = failureOf(result.outcome)
          assert.strictEqual(reason._tag, "InstanceRefused")
          assert.isFalse(retryable)
          assert.include(message, `names it as ${name}, and it is not on the allow-list`)
          assert.include(message, "FLYTE_DATABRICKS_ALLOWED_INSTANCES")
          for (const { url, body, headers, method } of result.sent) {
            assert.strictEqual(new URL(url).host, "acme.databricks.com")
            assert.deepStrictEqual([method, body, headers["authorization"]], ["GET", "Empty", undefined])
          }
        }
      }
    })
  )

  it.effect.each(places)("lets through to one that the operator lists: %s", ([, answers]) =>
    Effect.gen(function* () {
      const accounts = "https://accounts.cloud.databricks.com"
      const documents = [answers(accounts)[0]!, server({ token_endpoint: `${accounts}/oidc/v1/token` }), granted]
      const { sent } = yield* asked(documents, [one], ["acme.databricks.com?o=1", "accounts.cloud.databricks.com"])
      assert.strictEqual(sent.at(-1)?.url, `${accounts}/oidc/v1/token`)
      const { outcomes } = yield* asked(documents, [one], ["acme.databricks.com?o=1"])
      assert.strictEqual(reasonOf(outcomes[0])._tag, "InstanceRefused")
    })
  )

  const pieces = Schema.Literals([
    "https://",
    "http://",
    "acme.databricks.com",
    "evil.com",
    "x.cloud.databricks.com",
    "@",
    ":",
    ":8443",
    "/",
    "//",
    "\\",
    "?",
    "#",
    ".",
    "%2e",
    "..",
    "oidc",
    "{account_id}",
    " ",
    "\t",
    "\n",
    "[::1]",
    "127.0.0.1"
  ])
  const near = Arbitrary.array(Arbitrary.schema(pieces), { maxLength: 7 }).pipe(Arbitrary.map((all) => all.join("")))

  it.effect.prop(
    "holds for any text that a document may name: a credential goes to a listed host, or nowhere",
    { oidc: near, token: near },
    ({ oidc, token }) =>
      Effect.gen(function* () {
        const { sent } = yield* asked([
          config({ oidc_endpoint: `https://${oidc}` }),
          server({ token_endpoint: `https://${token}` }),
          granted
        ])
        for (const { url } of sent) assert.match(url, /^https:\/\/([a-z0-9.-]+\.)databricks\.com\//)
        const [, , third] = sent
        if (third !== undefined) assert.strictEqual(third.url, `https://${token}`)
      }),
    { arbitrary: { runs: 2000 } }
  )
})

describe("an account", () => {
  it.effect("has an id that changes nothing of an address but its own place", () =>
    Effect.gen(function* () {
      const { sent } = yield* asked([config({ account_id: "../../x?y#z" }), server(), granted])
      assert.strictEqual(
        sent[1]?.url,
        `${host}/oidc/accounts/..%2F..%2Fx%3Fy%23z/.well-known/oauth-authorization-server`
      )
    })
  )
})
