import { TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { answer, makeHttp, networkFault, silence } from "../support/http.ts"
import { ask, exact, granted, never, timed, unavailable } from "./Ask.ts"

describe("a try that may go better the next time", () => {
  it.effect.each([408, 429, 500, 502, 503, 504, 599])(
    "%i is tried again at the policy's instants, and the token is given",
    (status) =>
      Effect.gen(function* () {
        const { exit, instants } = yield* timed(exact, answer(status, "x"), answer(status), granted)
        assert.isTrue(Exit.isSuccess(exit))
        assert.deepStrictEqual(instants, [0, 100, 300])
      })
  )

  it.effect.each([400, 401, 403, 404, 405, 409, 410, 422, 425])("%i is final", (status) =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(exact, answer(status, { error: "no" }), granted)
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(instants, [0])
    })
  )

  it.effect("gives up when the policy does, and says how often it tried and what the last answer was", () =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(exact, answer(502), answer(502), answer(502), answer(503))
      assert.deepStrictEqual(instants, [0, 100, 300, 700])
      const { attempts, detail, message } = unavailable(exit)
      assert.strictEqual(attempts, 4)
      assert.strictEqual(detail, "status 503")
      assert.include(message, "4 times")
    })
  )

  it.effect("that was the only one says so", () =>
    Effect.gen(function* () {
      const { exit } = yield* timed(never, answer(503))
      assert.include(unavailable(exit).message, "once")
    })
  )

  it.effect("ends with the first answer that is final", () =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(exact, answer(503), answer(401, { error: "invalid_client" }))
      assert.include(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), "invalid_client")
      assert.deepStrictEqual(instants, [0, 100])
    })
  )

  const coded = (code: string, message = "") => Object.assign(new Error(message), { code })
  it.effect.each([
    ["a refused connection", coded("ECONNREFUSED", "connect ECONNREFUSED 10.0.0.1:443"), "ECONNREFUSED"],
    [
      "connections refused on all addresses",
      Object.assign(new AggregateError([]), { code: "ECONNREFUSED" }),
      "ECONNREFUSED"
    ],
    [
      "a name that does not resolve, as fetch reports it",
      new TypeError("fetch failed", { cause: coded("ENOTFOUND", "getaddrinfo ENOTFOUND x") }),
      "ENOTFOUND"
    ],
    [
      "a certificate's fault",
      coded("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"),
      "self-signed certificate"
    ],
    ["something without a name", undefined, "TransportError"]
  ] as const)("%s is tried again, and the error names it", ([, cause, named]) =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(exact, networkFault(cause))
      assert.deepStrictEqual(instants, [0, 100, 300, 700])
      assert.include(unavailable(exit).detail, named)
    })
  )

  it.effect("a connection that breaks inside of the body is tried again", () =>
    Effect.gen(function* () {
      const broken = () =>
        new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode('{"access_token":"t'))
          },
          pull(controller) {
            controller.error(coded("ECONNRESET", "socket hang up"))
          }
        })
      const { exit, instants } = yield* timed(exact, (request) => answer(200, broken())(request), granted)
      assert.deepStrictEqual(instants, [0, 100])
      assert.isTrue(Exit.isSuccess(exit))
    })
  )

  it.effect(
    "after four seconds of silence another request is made beside the first, which is let go once that is answered",
    () =>
      Effect.gen(function* () {
        const { layer, sent } = yield* makeHttp(silence, granted)
        const fiber = yield* ask().pipe(
          Effect.provide(TokenEndpoint.layer),
          Effect.provide([layer, exact]),
          Effect.forkChild({ startImmediately: true })
        )
        yield* TestClock.adjust("3999 millis")
        assert.deepStrictEqual(
          (yield* sent).map(({ signal }) => signal.aborted),
          [false]
        )
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(
          (yield* sent).map(({ at }) => at),
          [0, 4000]
        )
        assert.isTrue((yield* sent)[0]!.signal.aborted)
        yield* Fiber.join(fiber)
      })
  )

  it.effect("a body that stops half way is silence too", () =>
    Effect.gen(function* () {
      const stuck = () => new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) })
      const { exit, instants } = yield* timed(exact, (request) => answer(200, stuck())(request), granted)
      assert.deepStrictEqual(instants, [0, 4000])
      assert.isTrue(Exit.isSuccess(exit))
    })
  )

  it.effect("obeys Retry-After whatever the policy, and says how long it asked for when there are no tries left", () =>
    Effect.gen(function* () {
      const { exit, instants } = yield* timed(
        exact,
        answer(429, "", { "retry-after": "2" }),
        answer(429),
        answer(503),
        answer(503, "", { "retry-after": "1" })
      )
      assert.deepStrictEqual(instants, [0, 2000, 2200, 2600])
      const { message } = unavailable(exit)
      assert.include(message, "was tried 4 times and gave no token; the last answer: status 503.")
      assert.include(message, "It asks for 1 s before the next try. Try again.")
    })
  )

  describe("has a body that nobody reads:", () => {
    const failing = (start: (controller: ReadableStreamDefaultController) => void) =>
      Effect.gen(function* () {
        let ended = "no"
        const body = new ReadableStream({ start, cancel: () => void (ended = "cut off") })
        const { exit, instants, at } = yield* timed(never, (request) => answer(503, body)(request))
        assert.strictEqual(unavailable(exit).detail, "status 503")
        assert.deepStrictEqual(instants, [0])
        const { done } = yield* Effect.promise(() => body.getReader().read())
        return { ended, done, at }
      })

    it.effect("a short one is read to its end, so that its connection is free again", () =>
      Effect.gen(function* () {
        const { ended, done, at } = yield* failing((controller) => {
          controller.enqueue(new Uint8Array(10_000))
          controller.close()
        })
        assert.deepStrictEqual({ ended, done, at }, { ended: "no", done: true, at: 0 })
      })
    )

    it.effect("a long one is cut off", () =>
      Effect.gen(function* () {
        const { ended, at } = yield* failing((controller) => {
          for (let i = 0; i < 100; i++) controller.enqueue(new Uint8Array(10_000))
        })
        assert.deepStrictEqual({ ended, at }, { ended: "cut off", at: 0 })
      })
    )

    it.effect("one that does not come is cut off, and waited for no longer than a moment", () =>
      Effect.gen(function* () {
        const { ended, at } = yield* failing(() => undefined)
        assert.deepStrictEqual({ ended, at }, { ended: "cut off", at: 250 })
      })
    )
  })
})
