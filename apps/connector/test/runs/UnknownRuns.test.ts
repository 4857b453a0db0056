import { assert, describe, it } from "@effect/vitest"
import { Identity, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { RunId } from "@flyte-databricks/databricks-jobs"
import { Redacted } from "effect"
import { type Held, make } from "../../src/runs/UnknownRuns.ts"

const instance = WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com")
const held = (node: string, retryAttempt = 0, token?: string): Held => ({
  attempt: { org: "", project: "billing", domain: "production", execution: "f0", node, task: "nightly", retryAttempt },
  credential: {
    identity: new Identity.PatIdentity({ instance, origin: { _tag: "RequestSecret" } }),
    ...(token === undefined ? {} : { storedToken: Redacted.make(token) })
  }
})
const runId = RunId.RunId.make("5")
const run = `${instance} 5` as const

describe("attempts whose runs Flyte may not know", () => {
  it("are found as the same attempt of the same credential", () => {
    const runs = make<Held>(() => undefined)
    const [one, other] = [held("n0", 0, "of-ann"), held("n0", 0, "of-bob")]
    runs.add(one)
    runs.add(other)
    assert.strictEqual(runs.same(held("n0", 0, "of-bob")), other)
    assert.isUndefined(runs.same(held("n0", 0)))
    assert.isUndefined(runs.same(held("n0", 1, "of-bob")))
    assert.isUndefined(runs.same(held("n1", 0, "of-bob")))
  })

  it("are found as those before another of the same task, whoever they were made as", () => {
    const runs = make<Held>(() => undefined)
    const attempts = [held("n0", 0, "of-ann"), held("n0", 1), held("n0", 2)]
    attempts.forEach(runs.add)
    runs.add(held("n1", 0))
    assert.deepStrictEqual(runs.before(held("n0", 2).attempt), attempts.slice(0, 2))
  })

  it("are found by their run, until they are removed", () => {
    const runs = make<Held>(() => undefined)
    const one = held("n0")
    runs.add(one)
    assert.isUndefined(runs.ofRun(run))
    runs.started(one, runId)
    assert.strictEqual(runs.ofRun(run), one)
    runs.remove(one)
    assert.isUndefined(runs.ofRun(run))
    assert.deepStrictEqual(runs.all(), [])
    runs.started(one, runId)
    assert.isUndefined(runs.ofRun(run))
  })

  it("are let go where there are too many, those of the oldest task first", () => {
    const gone: Array<Held> = []
    const runs = make<Held>((one) => gone.push(one), { entries: 2, characters: 10_000 })
    const [a, b, c, d] = [held("a"), held("b"), held("c"), held("b", 1)]
    runs.add(a)
    runs.started(a, runId)
    runs.add(b)
    runs.add(d)
    runs.add(c)
    assert.deepStrictEqual(gone, [a])
    assert.isUndefined(runs.ofRun(run))
    assert.deepStrictEqual(runs.all(), [b, d, c])
  })

  it("are let go where their names are long, too: a caller makes those", () => {
    const gone: Array<Held> = []
    const runs = make<Held>((one) => gone.push(one), { entries: 100, characters: 10_000 })
    // Each name is held twice: with the attempt, and to find it by.
    const [a, b, c] = [held("a".repeat(3000)), held("b"), held("c".repeat(3000))]
    for (const one of [a, b, c]) runs.add(one)
    assert.deepStrictEqual(gone, [a])
    runs.remove(c)
    runs.add(a)
    assert.deepStrictEqual(gone, [a])
    assert.deepStrictEqual(runs.all(), [b, a])
  })
})
