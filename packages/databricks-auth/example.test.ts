import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { AuthMemory } from "@flyte-databricks/databricks-auth/testing"
import { Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import assert from "node:assert/strict"
import { test } from "node:test"

const memory = AuthMemory.layer({
  settings: { instance: "dbc-a1b2.cloud.databricks.com" },
  secrets: { "team-a/databricks-oauth": { client_id: "id-of-team-a", client_secret: "secret-of-team-a" } }
})

const outage = Effect.gen(function* () {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const { outage } = yield* AuthMemory.AuthMemory
  const who = yield* auth.resolve({ namespace: "team-a" })
  const token = Effect.suspend(() => auth.getHeader(who)).pipe(
    Effect.map((header) => Redacted.value(header.authorization))
  )

  assert.equal(yield* token, "Bearer t1")
  yield* outage()
  yield* TestClock.adjust("50 minutes")
  assert.equal(yield* token, "Bearer t1")
  yield* TestClock.adjust("10 minutes")
  assert.equal((yield* Effect.flip(token)).retryable, true)
})

test("an outage is felt when the token ends, and not before", () =>
  Effect.runPromise(Effect.provide(outage, Layer.provideMerge(memory, TestClock.layer()))))
