/** Who may call, by the address that the call comes from. */
import { assert, describe, it } from "@effect/vitest"
import { Forbidden, KubernetesError, Unavailable } from "@flyte-databricks/databricks-auth/Kubernetes"
import { growth } from "@flyte-databricks/emulators/testing/Growth"
import { PodAddresses } from "@flyte-databricks/kubernetes"
import { Duration, Effect, Exit, Layer, Ref, type Scope } from "effect"
import * as Callers from "../../src/grpc/Callers.ts"
import type { CallFailed } from "../support/FlyteClient.ts"
import * as Door from "../support/Door.ts"
import * as tasks from "../support/tasks.ts"

type Pods = Effect.Effect<ReadonlyArray<string>, KubernetesError>

const env = { FLYTE_DATABRICKS_CALLERS: "flyte/flytepropeller, flyte-2/executor" }
const hasty = {
  current: Duration.zero,
  pause: Duration.zero,
  outage: Duration.minutes(10)
}

const unavailable = new KubernetesError({ reason: new Unavailable({ detail: "gave no answer in time" }) })
const forbidden = new KubernetesError({ reason: new Forbidden({ detail: "pods is forbidden" }) })

/** A connector whose callers' pods have the addresses that are set; and who was asked for. */
const world = Effect.fnUntraced(function* (initial: Pods, times = hasty) {
  const pods = yield* Ref.make(initial)
  const asked = yield* Ref.make<ReadonlyArray<string>>([])
  const { log, port } = yield* Door.open(env, {
    pods: PodAddresses.layerMemory((namespace, name) =>
      Effect.andThen(
        Ref.update(asked, (all) => [...all, `${namespace}/${name}`]),
        Effect.flatten(Ref.get(pods))
      )
    ),
    references: Layer.succeed(Callers.AddressTimes, times)
  })
  return {
    log,
    asked: Ref.get(asked),
    set: (next: Pods) => Ref.set(pods, next),
    /** A caller on a connection of its own. */
    caller: Door.client(`127.0.0.1:${port}`)
  }
})

const mine = Effect.succeed(["10.1.2.3", "127.0.0.1"])
const others = Effect.succeed(["10.1.2.3", "fd00::7"])
const nobody: Pods = Effect.succeed([])

const create = (client: Effect.Success<ReturnType<typeof Door.client>>) => client.createTask(tasks.createTask())

const live = (name: string, run: Effect.Effect<void, unknown, Scope.Scope>) => it.live(name, () => Effect.scoped(run))

describe("a connection from a pod that runs as a caller", () => {
  live(
    "is let in, and asked once",
    Effect.gen(function* () {
      const { asked, caller } = yield* world(mine)
      const flyte = yield* caller
      assert.isNotEmpty(yield* create(flyte))
      assert.isNotEmpty(yield* create(flyte))
      assert.deepStrictEqual((yield* asked).toSorted(), ["flyte-2/executor", "flyte/flytepropeller"])
    })
  )

  live(
    "is let in as soon as it runs",
    Effect.gen(function* () {
      const { caller, set } = yield* world(nobody)
      const flyte = yield* caller
      assert.strictEqual((yield* Effect.flip(create(flyte))).code, "PERMISSION_DENIED")
      yield* set(mine)
      assert.isNotEmpty(yield* create(flyte))
    })
  )

  live(
    "goes on when the pod is gone, and a new one from its address is not let in",
    Effect.gen(function* () {
      const { caller, set } = yield* world(mine)
      const flyte = yield* caller
      yield* create(flyte)
      yield* set(others)
      assert.isNotEmpty(yield* create(flyte))
      assert.strictEqual((yield* Effect.flip(create(yield* caller))).code, "PERMISSION_DENIED")
    })
  )

  live(
    "is let in without Kubernetes being asked for each",
    Effect.gen(function* () {
      const minute = Duration.minutes(1)
      const { asked, caller } = yield* world(mine, { current: minute, pause: minute, outage: minute })
      for (let n = 0; n < 5; n++) yield* create(yield* caller)
      assert.lengthOf(yield* asked, 2)
    })
  )
})

describe("a connection from elsewhere", () => {
  live(
    "is told why it is not let in, and the log says who it was",
    Effect.gen(function* () {
      const { caller, log } = yield* world(others)
      const flyte = yield* caller
      const calls: ReadonlyArray<Effect.Effect<unknown, CallFailed>> = [
        create(flyte),
        flyte.getTask(Uint8Array.of(1)),
        flyte.deleteTask(Uint8Array.of(1))
      ]
      for (const call of calls) {
        const { code, details } = yield* Effect.flip(call)
        assert.strictEqual(code, "PERMISSION_DENIED")
        assert.include(
          details,
          "127.0.0.1 is the address of no pod that runs as flyte/flytepropeller, flyte-2/executor"
        )
        assert.include(details, "FLYTE_DATABRICKS_CALLERS")
      }
      const lines = log.calls()
      assert.deepStrictEqual(
        lines.map(({ level, message }) => [level, String(message).replace(/:.*/, "")]),
        [
          ["WARN", "CreateTask"],
          ["WARN", "GetTask"],
          ["WARN", "DeleteTask"]
        ]
      )
      for (const { annotations } of lines) {
        assert.strictEqual(annotations["outcome"], "CallerRefused")
        assert.match(String(annotations["peer"]), /^127\.0\.0\.1:\d+$/)
      }
    })
  )

  live(
    "is told of health and of the registry, which Flyte must never lose, and Kubernetes is not asked",
    Effect.gen(function* () {
      const { asked, caller } = yield* world(Effect.fail(forbidden))
      const flyte = yield* caller
      assert.lengthOf((yield* flyte.listAgents).agents, 1)
      assert.strictEqual(yield* flyte.health(""), "SERVING")
      const health = yield* flyte.watchHealth("")
      assert.strictEqual(yield* health.next, "SERVING")
      assert.deepStrictEqual(yield* asked, [])
    })
  )

  live(
    "does not make the connector ask Kubernetes as often as it calls",
    Effect.gen(function* () {
      const { asked, caller } = yield* world(others, { ...hasty, pause: Duration.minutes(1) })
      const flyte = yield* caller
      const calls = Effect.flip(create(flyte))
      yield* Effect.forEach(Array.from({ length: 50 }), () => calls, { concurrency: "unbounded" })
      assert.lengthOf(yield* asked, 2)
    })
  )
})

describe("while Kubernetes does not answer", () => {
  live(
    "an address that it named before counts, and another does not",
    Effect.gen(function* () {
      const { caller, set } = yield* world(mine)
      yield* create(yield* caller)
      yield* set(Effect.fail(unavailable))
      assert.isNotEmpty(yield* create(yield* caller))
    })
  )

  live(
    "whoever was not named before is told so, in words that may pass",
    Effect.gen(function* () {
      const { caller, set } = yield* world(Effect.fail(unavailable))
      const flyte = yield* caller
      const { code, details } = yield* Effect.flip(create(flyte))
      assert.strictEqual(code, "UNAVAILABLE")
      assert.include(details, "gave no answer in time")
      yield* set(mine)
      assert.isNotEmpty(yield* create(flyte))
    })
  )

  live(
    "an address does not count for longer than is said",
    Effect.gen(function* () {
      const { caller, set } = yield* world(mine, { ...hasty, outage: Duration.zero })
      yield* create(yield* caller)
      yield* set(Effect.fail(unavailable))
      assert.strictEqual((yield* Effect.flip(create(yield* caller))).code, "UNAVAILABLE")
    })
  )

  live(
    "for want of the right, nobody is let in",
    Effect.gen(function* () {
      const { caller, set } = yield* world(mine)
      yield* create(yield* caller)
      yield* set(Effect.fail(forbidden))
      const { code, details } = yield* Effect.flip(create(yield* caller))
      assert.strictEqual(code, "UNAVAILABLE")
      assert.include(details, "pods is forbidden")
    })
  )
})

describe("FLYTE_DATABRICKS_CALLERS", () => {
  it.live.each(["flytepropeller", "flyte/", "/flytepropeller", "flyte/a/b", "Flyte/x", "flyte/*", ","])(
    "that names no ServiceAccount does not start: %s",
    (setting) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Door.open({ FLYTE_DATABRICKS_CALLERS: setting }))
        assert(Exit.isFailure(exit))
        assert.include(String(exit.cause), "FLYTE_DATABRICKS_CALLERS")
        assert.include(String(exit.cause), "as in flyte/flytepropeller")
      }).pipe(Effect.scoped)
  )
})

describe("an address", () => {
  it.each([
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["::FFFF:10.1.2.3", "10.1.2.3"],
    ["10.1.2.3", "10.1.2.3"],
    ["fd00:0:0:0:0:0:0:7", "[fd00::7]"],
    ["FD00::7", "[fd00::7]"],
    ["fe80::1%eth0", "[fe80::1]"]
  ])("is the same however it is written: %s", (one, other) => {
    assert.strictEqual(Callers.canonical(one), other)
  })
})

describe("the names in a certificate", () => {
  it.each([
    ["", []],
    ["DNS:a.example, DNS:B.example", ["a.example", "b.example"]],
    ["URI:spiffe://t/ns/flyte/sa/p, IP Address:10.0.0.1", ["spiffe://t/ns/flyte/sa/p"]],
    ['DNS:"evil, URI:spiffe://t/ns/flyte/sa/p", DNS:a', ["a"]],
    ['DNS:"evil\\", URI:spiffe://x/y", DNS:a', ["a"]],
    ["DNS:spiffe://t/x", []],
    ["nonsense", []],
    ["DNS:a, nonsense", []]
  ])("are read as Node writes them, or not at all: %s", (text, names) => {
    assert.deepStrictEqual(Callers.namesOf(text), names)
  })

  it.each(["DNS:a, ", 'DNS:"a', 'DNS:"\\', "a", " "])("take time in proportion to them: %s", (part) => {
    assert.isBelow(
      growth((size) => part.repeat(size), Callers.namesOf),
      64
    )
  })
})
