import { assert, describe, it } from "@effect/vitest"
import { Effect, Equal, Schema } from "effect"
import { type Attempt, taskKey, textOf } from "../src/IdempotencyToken.ts"
import * as MetadataKey from "../src/runs/MetadataKey.ts"

// Few letters, those that could pass for a separator, and lengths that collide when parts are joined.
const part = Schema.String.check(Schema.isPattern(/^[ab:/",\\[\]\u0000 -]{0,4}$/))

const Attempts = Schema.Struct({
  org: part,
  project: part,
  domain: part,
  execution: part,
  node: part,
  task: part,
  retryAttempt: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 }))
})

const attempt: Attempt = {
  org: "",
  project: "billing",
  domain: "production",
  execution: "f0c1d2e3",
  node: "n0",
  task: "workflows.nightly",
  retryAttempt: 0
}

const idempotencyToken = (attempt: Attempt, cancelled?: number) =>
  MetadataKey.MetadataKey.use(({ digest }) => digest(textOf(attempt, cancelled))).pipe(
    Effect.provide(MetadataKey.layerNone),
    Effect.runSync
  )

describe("an idempotency token", () => {
  it.prop(
    "is as long as Databricks takes, of characters that need no escaping",
    { attempt: Attempts },
    ({ attempt }) => {
      assert.match(idempotencyToken(attempt), /^[0-9a-f]{64}$/)
    }
  )

  it.prop(
    "is the same for two attempts exactly when they are the same attempt",
    { one: Attempts, other: Attempts },
    ({ one, other }) => {
      assert.strictEqual(idempotencyToken(one), idempotencyToken({ ...one }))
      assert.strictEqual(idempotencyToken(one) === idempotencyToken(other), Equal.equals(one, other))
    },
    { arbitrary: { runs: 500 } }
  )

  const fields = ["org", "project", "domain", "execution", "node", "task"] as const

  it.prop(
    "tells attempts apart when a piece of one part moves into the next",
    { attempt: Attempts, moved: part, cut: Schema.Literals([0, 1, 2, 3, 4]) },
    ({ attempt, moved, cut }) => {
      const [before, after] = [fields[cut], fields[cut + 1]] as const
      if (before === undefined || after === undefined || moved === "") return
      const left = { ...attempt, [before]: `${attempt[before]}${moved}` }
      const right = { ...attempt, [after]: `${moved}${attempt[after]}` }
      assert.notStrictEqual(idempotencyToken(left), idempotencyToken(right))
    },
    { arbitrary: { runs: 500 } }
  )

  it("is another for each run of the attempt that was cancelled", () => {
    const tokens = [0, 1, 2].map((cancelled) => idempotencyToken(attempt, cancelled))
    assert.strictEqual(new Set(tokens).size, 3)
    assert.strictEqual(tokens[0], idempotencyToken(attempt))
  })

  it.prop("belongs to the same task whichever attempt it is", { attempt: Attempts }, ({ attempt }) => {
    assert.strictEqual(taskKey(attempt), taskKey({ ...attempt, retryAttempt: attempt.retryAttempt + 1 }))
    assert.notStrictEqual(taskKey(attempt), taskKey({ ...attempt, node: `${attempt.node}1` }))
  })

  it("does not change between versions: a create that is repeated after an upgrade is the same run", () => {
    assert.strictEqual(idempotencyToken(attempt), "fa33a7ee2586418e1b7c11411b3e0602f42f7f9bc23821ce37b0c176361cf944")
  })
})
