/** Which failures may pass, so that polls do not end a task for them; and when what may pass is tried again. */
import { assert, describe, it } from "@effect/vitest"
import { AuthError } from "@flyte-databricks/databricks-auth"
import { JobsError } from "@flyte-databricks/databricks-jobs"
import { Clock, Effect, Fiber, Random } from "effect"
import { TestClock } from "effect/testing"
import { holdOut, isTransient, rideOut } from "../../src/call/Faults.ts"

const failure = (reason: AuthError.Reason) => new AuthError.AuthError({ reason })

describe("a failure may pass", () => {
  it("where the connector is about to end: the next call reaches another one", () => {
    assert.isTrue(isTransient(failure(new AuthError.AuthClosed())))
  })

  it("where a page came in place of a token", () => {
    const endpoint = "https://dbc-a1b2.cloud.databricks.com/oidc/v1/token"
    const reason = new AuthError.TokenResponseInvalid({ endpoint, status: 200, problem: "the body is an HTML page" })
    assert.isTrue(isTransient(failure(reason)))
  })

  it("and not where the identity is another one", () => {
    const reason = new AuthError.IdentityChanged({
      source: "Secret team-a/databricks-oauth",
      expected: "a",
      found: "b"
    })
    assert.isFalse(isTransient(failure(reason)))
  })
})

const down = (retryAfterMillis: number | undefined) =>
  new JobsError.JobsError({
    reason: new JobsError.JobsUnavailable({
      operation: "submit a run",
      instance: "dbc-a1b2.cloud.databricks.com",
      status: 503,
      detail: "down",
      ...(retryAfterMillis === undefined ? {} : { retryAfterMillis })
    })
  })

/** When tries are made of a call that fails so each time, in milliseconds from its beginning. */
const triesOf = (retrying: typeof rideOut, failure: JobsError.JobsError, has = 9500) =>
  Effect.gen(function* () {
    const tries: Array<number> = []
    const start = yield* Clock.currentTimeMillis
    const call = Effect.gen(function* () {
      tries.push((yield* Clock.currentTimeMillis) - start)
      return yield* failure
    })
    const fiber = yield* Effect.forkChild(Effect.flip(retrying(start + has)(call)), { startImmediately: true })
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(fiber)
    return tries
  }).pipe(Effect.provideService(Random.Random, { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 }))

describe("what may pass is tried again", () => {
  it.effect("after longer and longer, as long as a try can begin in time", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* triesOf(rideOut, down(undefined)), [0, 250, 750, 1750, 3750, 5750, 7750])
    })
  )

  it.effect("not at all where it is asked to wait for longer than there is time", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* triesOf(rideOut, down(120_000)), [0])
    })
  )

  it.effect("shortly before the end all the same, where failing at once would only bring the next call at once", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* triesOf(holdOut, down(120_000)), [0, 8550])
      assert.deepStrictEqual(yield* triesOf(holdOut, down(5000)), [0, 5000, 8550])
      assert.deepStrictEqual(yield* triesOf(holdOut, down(120_000), 2700), [0, 2430])
      assert.deepStrictEqual(yield* triesOf(holdOut, down(120_000), 59_500), [0, 58_500])
    })
  )
})
