import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { AuthMemory, PinnedRandom } from "@flyte-databricks/databricks-auth/testing"
import { Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import assert from "node:assert/strict"
import { test } from "node:test"

const boundary = AuthMemory.layer({
  settings: { instance: "dbc-a1b2.cloud.databricks.com" },
  secrets: { "team-a/databricks-oauth": { client_id: "app-a", client_secret: "of team a" } }
})

/** Runs on a clock that stands still until the test moves it, with chance that always shows its middle. */
const onClock = <A, E>(body: Effect.Effect<A, E, Layer.Success<typeof boundary>>) =>
  Effect.runPromise(
    Effect.provide(body, boundary.pipe(Layer.provideMerge(PinnedRandom.layer), Layer.provideMerge(TestClock.layer())))
  )

const header = Effect.gen(function* () {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const { authorization } = yield* auth.getHeader(yield* auth.resolve({ namespace: "team-a" }))
  return Redacted.value(authorization)
})

test("a token is used until it is nearly over, also while there is an outage", () =>
  onClock(
    Effect.gen(function* () {
      const { asked, outage, restore } = yield* AuthMemory.AuthMemory
      assert.equal(yield* header, "Bearer t1")
      yield* outage()
      yield* TestClock.adjust("59 minutes")
      assert.equal(yield* header, "Bearer t1")
      yield* TestClock.adjust("1 minute")
      assert.ok((yield* Effect.flip(header)).retryable)
      yield* restore
      yield* TestClock.adjust("1 minute")
      assert.equal(yield* header, `Bearer t${(yield* asked).length}`)
    })
  ))
