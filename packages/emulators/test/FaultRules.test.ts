import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Fault, type FaultRule } from "../src/index.ts"
import { get, post } from "./support/http.ts"
import { withWorkspace, type Workspace } from "./support/workspace.ts"

const config = "/.well-known/databricks-config"

describe("a rule", () => {
  const statuses = (workspace: Workspace, count: number, path = config) =>
    Effect.map(Effect.replicateEffect(get(`${workspace.url}${path}`), count), (replies) =>
      replies.map(({ status }) => status)
    )

  it.effect("acts on the next so many requests, after letting some pass", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const id = yield* workspace.faults.add({ path: config, skip: 1, times: 2, action: Fault.status(500) })
        assert.deepStrictEqual(yield* statuses(workspace, 5), [200, 500, 500, 200, 200])
        assert.deepStrictEqual(
          (yield* workspace.faults.active).map(({ id, used }) => [id, used]),
          [[id, 2]]
        )
      })
    )
  )

  it.effect("gives way to those before it, and comes after a delay", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        yield* workspace.faults.add({ action: Fault.delay(0) })
        yield* workspace.faults.add({ times: 1, action: Fault.status(500) })
        yield* workspace.faults.add({ action: Fault.status(503) })
        assert.deepStrictEqual(yield* statuses(workspace, 2), [500, 503])
      })
    )
  )

  it.effect("matches by method, by path pattern and, from code, by what the request holds", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const hits = Effect.fnUntraced(function* (rule: Omit<FaultRule, "action">) {
          const id = yield* workspace.faults.add({ ...rule, action: Fault.status(599) })
          const replies = [
            yield* get(`${workspace.url}${config}?q=1`),
            yield* post(`${workspace.url}/oidc/v1/token`, "grant_type=a"),
            yield* post(`${workspace.url}/oidc/v1/token`, "grant_type=b")
          ]
          yield* workspace.faults.remove(id)
          return replies.map(({ status }) => status === 599)
        })
        assert.deepStrictEqual(yield* hits({}), [true, true, true])
        assert.deepStrictEqual(yield* hits({ method: "post" }), [false, true, true])
        assert.deepStrictEqual(yield* hits({ path: config }), [true, false, false])
        assert.deepStrictEqual(yield* hits({ path: "/oidc/*" }), [false, true, true])
        assert.deepStrictEqual(yield* hits({ path: "*token" }), [false, true, true])
        // A pattern is the whole path, and a dot is a dot.
        assert.deepStrictEqual(yield* hits({ path: "/oidc" }), [false, false, false])
        assert.deepStrictEqual(yield* hits({ path: "/.well-known/databricks.config" }), [false, false, false])
        assert.deepStrictEqual(yield* hits({ when: ({ body }) => body.endsWith("=b") }), [false, false, true])
      })
    )
  )

  it.effect("is out of force once removed or cleared", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* (workspace) {
        const id = yield* workspace.faults.add({ action: Fault.status(500) })
        assert.isTrue(yield* workspace.faults.remove(id))
        assert.isFalse(yield* workspace.faults.remove(id))
        yield* workspace.faults.add({ action: Fault.status(500) })
        yield* workspace.faults.clear
        assert.deepStrictEqual(yield* statuses(workspace, 1), [200])
      })
    )
  )
})

describe("a gate", () => {
  it.effect("holds requests until it is released, and then no more", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, requests, url }) {
        const gate = yield* faults.hold({ path: config })
        const held = yield* Effect.forkChild(Effect.replicateEffect(get(`${url}${config}`), 3, { concurrency: 3 }))
        yield* gate.arrived
        yield* requests.waitFor({ path: config }, 3)
        assert.isUndefined(held.pollUnsafe())
        yield* gate.release
        assert.deepStrictEqual(
          (yield* Fiber.join(held)).map(({ status }) => status),
          [200, 200, 200]
        )
        assert.strictEqual((yield* get(`${url}${config}`)).status, 200)
      })
    )
  )

  it.effect("lets go when all faults are cleared", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ faults, url }) {
        const gate = yield* faults.hold({ path: config })
        const held = yield* Effect.forkChild(get(`${url}${config}`))
        yield* gate.arrived
        yield* faults.clear
        assert.strictEqual((yield* Fiber.join(held)).status, 200)
      })
    )
  )
})
