/** The client on answers that are made up here: what it sends and reads, and every way in which no answer comes of it. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { BodyLimit } from "@flyte-databricks/databricks-jobs/JobsClient"
import { Run } from "@flyte-databricks/databricks-jobs/Run"
import { JobsUnavailable, ResponseInvalid } from "@flyte-databricks/databricks-jobs/JobsError"
import { RunId } from "@flyte-databricks/databricks-jobs/RunId"
import type { Credential } from "@flyte-databricks/databricks-auth/Credential"
import { userAgent } from "@flyte-databricks/databricks-auth/http/UserAgent"
import { Effect, Fiber, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { answer, brokenOff, clientAnswered, endless, nextSecret, secret } from "./support/answers.ts"
import { as, cancel, errorOf, instance, reasonOf, runId, submit } from "./support/calls.ts"
import { credentialAt } from "./support/headers.ts"

const html = "<!DOCTYPE html><html><body>Sign in to Databricks</body></html>"

describe("what is sent", () => {
  it.effect("the header that the caller has, where it has one, and a new one where that is refused", () =>
    Effect.gen(function* () {
      const { jobs, sent } = yield* clientAnswered((count) =>
        count === 1 ? answer(401, { error_code: "401", message: "expired" }) : answer(200, { run_id: 1 })
      )
      const header = { authorization: Redacted.make("Bearer of-the-caller") }
      yield* jobs.submit(as, {}, "token", { header })
      assert.deepStrictEqual(
        (yield* sent).map(({ authorization }) => authorization),
        ["Bearer of-the-caller", `Bearer ${nextSecret}`]
      )
    })
  )

  it.effect("a submit is the body with the idempotency token, which wins over the task's own", () =>
    Effect.gen(function* () {
      const { jobs, sent } = yield* clientAnswered(() => answer(200, { run_id: 1 }))
      yield* jobs.submit(as, { run_name: "ü", idempotency_token: "of the task" }, "token")
      const [request, ...others] = yield* sent
      assert.strictEqual(others.length, 0)
      assert.deepStrictEqual(request, {
        method: "POST",
        url: `https://${instance}/api/2.1/jobs/runs/submit`,
        authorization: `Bearer ${secret}`,
        contentType: "application/json",
        workspaceId: undefined,
        userAgent: userAgent("pat"),
        body: '{"run_name":"ü","idempotency_token":"token"}'
      })
    })
  )

  it.effect("a get has the run id in its query, digit by digit", () =>
    Effect.gen(function* () {
      const { jobs, sent } = yield* clientAnswered(() => answer(200, { status: { state: "RUNNING" } }))
      yield* jobs.get(as, runId)
      const [request] = yield* sent
      assert.strictEqual(request?.method, "GET")
      assert.strictEqual(request?.url, `https://${instance}/api/2.1/jobs/runs/get?run_id=9007199254740993`)
    })
  )

  it.effect("a cancel has the run id as the number it is", () =>
    Effect.gen(function* () {
      const { jobs, sent } = yield* clientAnswered(() => answer(200, {}))
      yield* jobs.cancel(as, runId)
      const [request] = yield* sent
      assert.strictEqual(request?.url, `https://${instance}/api/2.1/jobs/runs/cancel`)
      assert.strictEqual(request?.body, '{"run_id":9007199254740993}')
    })
  )

  it.effect("each call says which workspace of its host is meant, where the host serves several, and who calls", () =>
    Effect.gen(function* () {
      const { jobs, sent } = yield* clientAnswered((count) =>
        count === 1 ? answer(401, "") : answer(200, { run_id: 1, status: { state: "RUNNING" } })
      )
      const calls = (credential: Credential) =>
        Effect.all([
          jobs.submit(credential, {}, "token"),
          jobs.get(credential, runId),
          jobs.cancel(credential, runId),
          jobs.output(credential, runId)
        ])
      yield* calls(credentialAt("acme.databricks.com?o=1"))
      yield* calls(credentialAt("acme.databricks.com?w=two"))
      const requests = yield* sent
      // The first call was refused its token, and made again.
      assert.deepStrictEqual(
        requests.map(({ workspaceId }) => workspaceId),
        [..."11111", ..."2222"].map((id) => (id === "1" ? "1" : "two"))
      )
      for (const { url, userAgent } of requests) {
        assert.match(url, /^https:\/\/acme\.databricks\.com\/api\/2\.1\/jobs\/runs\/[a-z-]+(\?run_id=\d+)?$/)
        assert.match(userAgent ?? "", /^flyte-databricks\/\d+\.\d+\.\d+ lang\/js node\/[\d.]+ os\/\w+ auth\/pat$/)
      }
    })
  )

  it.effect("goes to a loopback stand-in over http", () =>
    Effect.gen(function* () {
      const { jobs, sent } = yield* clientAnswered(() => answer(200, {}))
      yield* jobs.cancel(credentialAt("http://127.0.0.1:8080"), runId)
      assert.strictEqual((yield* sent)[0]?.url, "http://127.0.0.1:8080/api/2.1/jobs/runs/cancel")
    })
  )
})

describe("what is read", () => {
  it.effect.each(["1", "9007199254740993", "9223372036854775807", '"123"'])(
    "the run id %s of a submit, every digit",
    (id) =>
      Effect.gen(function* () {
        const { jobs } = yield* clientAnswered(() => answer(200, `{"run_id":${id}}`))
        assert.strictEqual(yield* jobs.submit(as, {}, "token"), id.replaceAll('"', ""))
      })
  )

  it.effect("a run, with what this client has no use for left out", () =>
    Effect.gen(function* () {
      const { jobs } = yield* clientAnswered(() =>
        answer(
          200,
          `{"job_id": 9007199254740995, "run_id": 9007199254740993, "run_page_url": "https://x/#job/1/run/2", "run_type": "SUBMIT_RUN",
            "tasks": [{"run_id": 9007199254740997, "task_key": "main", "cluster_instance": {"cluster_id": "0801-abc"}}],
            "run_as_user_name": "sp-a", "start_time": 1785578400000, "end_time": 0, "setup_duration": 5,
            "state": {"life_cycle_state": "RUNNING", "state_message": "In run", "user_cancelled_or_timedout": false},
            "status": {"state": "RUNNING"}}`
        )
      )
      const run = yield* jobs.get(as, runId)
      assert.deepStrictEqual(run, {
        job_id: RunId.make("9007199254740995"),
        run_page_url: "https://x/#job/1/run/2",
        run_as_user_name: "sp-a",
        start_time: 1_785_578_400_000,
        end_time: 0,
        tasks: [
          {
            run_id: RunId.make("9007199254740997"),
            task_key: "main",
            cluster_instance: { cluster_id: "0801-abc" }
          }
        ],
        state: { life_cycle_state: "RUNNING", state_message: "In run" },
        status: { state: "RUNNING" }
      })
      assert.isTrue(Schema.is(Run)(run))
    })
  )
})

describe("a workspace that is not available", () => {
  it.effect.each([408, 429, 500, 502, 503, 504])("says %d, which may pass", (status) =>
    Effect.gen(function* () {
      const body = { error_code: "TEMPORARILY_UNAVAILABLE", message: "Soon" }
      const { reason, retryable } = yield* errorOf(() =>
        answer(status, body, { "retry-after": "7", "x-request-id": "q" })
      )
      const detail = "TEMPORARILY_UNAVAILABLE: Soon"
      const operation = `get run ${runId}`
      assertEquals(
        reason,
        new JobsUnavailable({ operation, instance, status, detail, requestId: "q", retryAfterMillis: 7000 })
      )
      assert.isTrue(retryable)
    })
  )

  it.effect("may say when to come back as a date", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2026-08-01T10:00:00Z"))
      const headers = { "retry-after": "Sat, 01 Aug 2026 10:00:20 GMT" }
      const error = yield* errorOf(() => answer(503, "", headers))
      assert(error.reason._tag === "JobsUnavailable")
      assert.strictEqual(error.retryAfterMillis, 20_000)
      assert.strictEqual(error.reason.detail, "no reason given")
    })
  )

  it.effect.each(["soon", "-5"])("may say nonsense for it: %s", (value) =>
    Effect.gen(function* () {
      const error = yield* errorOf(() => answer(503, html, { "retry-after": value }))
      assert(error.reason._tag === "JobsUnavailable")
      assert.isUndefined(error.reason.retryAfterMillis)
      assert.strictEqual(error.retryAfterMillis, 0)
      assert.strictEqual(error.reason.detail, "an HTML page")
    })
  )

  it.effect("may not be reached at all, and the error has the system's words", () =>
    Effect.gen(function* () {
      const refused = new Error("connect ECONNREFUSED 127.0.0.1:443")
      for (const broken of [refused, new TypeError("fetch failed", { cause: refused })]) {
        const reason = yield* reasonOf(() => ({ broken }))
        assert(reason._tag === "JobsUnavailable")
        assert.strictEqual(reason.detail, "connect ECONNREFUSED 127.0.0.1:443")
        assert.isUndefined(reason.status)
        assert.isUndefined(reason.answerLost)
      }
    })
  )

  it.effect("may be cut off on the way back, which leaves open whether it did what it was asked", () =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(() => ({ broken: new Error("read ECONNRESET") }))
      assert(reason._tag === "JobsUnavailable")
      assert.isTrue(reason.answerLost)
    })
  )

  it.effect("may be reached with a header that is none, which the error does not repeat", () =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(() => ({
        broken: new TypeError(`"Bearer ${secret}" is an invalid header value.`)
      }))
      assert.include(reason.message, '"Bearer <redacted>" is an invalid header value.')
    })
  )

  it.effect("may break off in the middle of an answer", () =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(() => brokenOff('{"state":'))
      assert.strictEqual(reason._tag, "JobsUnavailable")
    })
  )

  it.effect("may never answer: a minute, then an error", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(reasonOf(() => "never"))
      yield* TestClock.adjust("59999 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const reason = yield* Fiber.join(waiting)
      assertEquals(
        reason,
        new JobsUnavailable({ operation: `get run ${runId}`, instance, detail: "nothing within 1m", answerLost: true })
      )
    })
  )
})

describe("a caller that gives up by himself", () => {
  const asking = (givesUpAfter: number) =>
    Effect.flatMap(
      clientAnswered(() => "never"),
      ({ jobs }) =>
        Effect.forkChild(Effect.exit(jobs.get(as, runId, { givesUpAfter })), {
          startImmediately: true
        })
    )

  it.effect("has no other limit where his own comes first", () =>
    Effect.gen(function* () {
      const fiber = yield* asking(60_000)
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(fiber.pollUnsafe())
    })
  )

  it.effect("has that of all requests where his own comes later", () =>
    Effect.gen(function* () {
      const fiber = yield* asking(60_001)
      yield* TestClock.adjust("1 minute")
      assert.isDefined(fiber.pollUnsafe())
    })
  )
})

describe("an answer that is none of the Jobs API", () => {
  const invalid = (status: number, problem: string, operation = `get run ${runId}`) =>
    new ResponseInvalid({ operation, instance, status, problem })

  it.effect.each<[what: string, response: () => Response, expected: ResponseInvalid]>([
    ["a login page", () => answer(200, html), invalid(200, "the body is an HTML page, not JSON")],
    ["a page for 404", () => answer(404, html), invalid(404, "the body is an HTML page, not JSON")],
    ["nothing", () => answer(200, " "), invalid(200, "the body is empty")],
    ["text", () => answer(200, "ok"), invalid(200, "the body is not JSON, or only the beginning of it")],
    ["a beginning", () => answer(200, '{"state":{'), invalid(200, "the body is not JSON, or only the beginning of it")],
    ["a list", () => answer(200, []), invalid(200, "the body is not what the Jobs API answers: Expected object")],
    [
      "a state that is text",
      () => answer(200, { state: secret }),
      invalid(200, 'the body is not what the Jobs API answers: Expected object | null at ["state"]')
    ],
    [
      "a run without a state",
      () => answer(200, { run_id: 1, state: null }),
      invalid(200, "the body is not what the Jobs API answers: expected a state or a status")
    ],
    [
      "an error under a status that says yes",
      () => answer(200, { error_code: "TEMPORARILY_UNAVAILABLE", message: `Soon, ${secret}` }),
      invalid(200, "the body is an error: TEMPORARILY_UNAVAILABLE: Soon, <redacted>")
    ],
    ["another success", () => answer(202, {}), invalid(202, "that is no answer of the Jobs API")],
    [
      "a redirect",
      () => answer(302, "", { location: `https://login.example/${secret}?next=${secret}` }),
      invalid(302, "it redirects to https://login.example/<redacted>, which is not followed with credentials")
    ],
    [
      "a redirect to nowhere",
      () => answer(307, ""),
      invalid(307, "it is a redirect, which is not followed with credentials")
    ]
  ])("is %s, which may pass", ([, response, expected]) =>
    Effect.gen(function* () {
      const error = yield* errorOf(response)
      assertEquals(error.reason, expected)
      assertEquals([error.retryable, error.retryAfterMillis], [true, 0])
    })
  )

  it.effect.each([
    {},
    { run_id: null },
    { run_id: 0 },
    { run_id: -1 },
    { run_id: 1.5 },
    { run_id: "x" },
    { run_id: 1e30 }
  ])("is a submit without a run id: %j", (body) =>
    Effect.gen(function* () {
      const { reason, retryable } = yield* errorOf(() => answer(200, body), submit)
      assert(reason._tag === "ResponseInvalid")
      assert.include(reason.problem, '["run_id"]')
      assert.isTrue(retryable)
    })
  )

  it.effect.each(["[]", '"ok"', "null", '{"error_code":"INTERNAL_ERROR","message":"boom"}'])(
    "is a cancel that is no success: %s",
    (body) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* reasonOf(() => answer(200, body), cancel))._tag, "ResponseInvalid")
      })
  )

  it.effect("is one without an end, of which no more than the limit is read", () =>
    Effect.gen(function* () {
      let left = false
      const reason = yield* reasonOf(() => endless(() => (left = true)))
      assertEquals(reason, invalid(200, "the body is larger than 4194304 bytes"))
      assert.isTrue(left)
    })
  )

  it.effect("is one that passes the limit that is set", () =>
    Effect.gen(function* () {
      const large = { state: { state_message: "x".repeat(200) } }
      const reason = yield* reasonOf(() => answer(200, large)).pipe(Effect.provideService(BodyLimit, 100))
      assertEquals(reason, invalid(200, "the body is larger than 100 bytes"))
    })
  )

  it.effect("may be a refusal too large to read, whose status still says what it is", () =>
    Effect.gen(function* () {
      const limited = Effect.provideService(BodyLimit, 10)
      const rejected = yield* limited(reasonOf(() => answer(400, "x".repeat(50))))
      assert.strictEqual(rejected._tag, "RequestRejected")
      assert.strictEqual((yield* limited(reasonOf(() => answer(503, "x".repeat(50)))))._tag, "JobsUnavailable")
      assert.strictEqual((yield* limited(reasonOf(() => answer(401, "x".repeat(50)))))._tag, "TokenRefused")
    })
  )
})
