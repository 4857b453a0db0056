import { Kubernetes, NamespaceSecrets } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Deferred, Effect, Fiber, Layer, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"

const secrets = NamespaceSecrets.layer.pipe(
  Layer.provideMerge(Kubernetes.layerMemory({ "team-a/databricks-token": { token: "dapi-1" } }))
)

const read = NamespaceSecrets.NamespaceSecrets.use(({ read }) => read("team-a", "databricks-token")).pipe(
  Effect.map(Option.map(({ token }) => Redacted.value(token!)))
)
const cluster = Kubernetes.KubernetesMemory

describe("a Secret that was read", () => {
  it.effect("is kept for 30 seconds, then read again", () =>
    Effect.gen(function* () {
      const { setSecret, reads } = yield* cluster
      assertEquals(yield* read, Option.some("dapi-1"))
      yield* setSecret("team-a", "databricks-token", { token: "dapi-2" })
      yield* TestClock.adjust("29 seconds")
      assertEquals(yield* read, Option.some("dapi-1"))
      yield* TestClock.adjust("1 second")
      assertEquals(yield* read, Option.some("dapi-2"))
      assert.deepStrictEqual(yield* reads, ["team-a/databricks-token", "team-a/databricks-token"])
    }).pipe(Effect.provide(secrets))
  )

  it.effect("is read anew once it was forgotten", () =>
    Effect.gen(function* () {
      const { setSecret } = yield* cluster
      yield* read
      yield* setSecret("team-a", "databricks-token", { token: "dapi-2" })
      yield* NamespaceSecrets.NamespaceSecrets.use(({ forget }) => forget("team-a", "databricks-token"))
      assertEquals(yield* read, Option.some("dapi-2"))
    }).pipe(Effect.provide(secrets))
  )

  it.effect("is not mistaken for that of another namespace or name", () =>
    Effect.gen(function* () {
      const { setSecret, reads } = yield* cluster
      yield* setSecret("a", "b-c", { token: "1" })
      yield* setSecret("a-b", "c", { token: "2" })
      const all = yield* NamespaceSecrets.NamespaceSecrets
      for (const [namespace, name, token] of [
        ["a", "b-c", "1"],
        ["a-b", "c", "2"],
        ["a", "b-c", "1"]
      ] as const) {
        assertEquals(Option.getOrThrow(yield* all.read(namespace, name)), { token: Redacted.make(token) })
      }
      assert.lengthOf(yield* reads, 2)
    }).pipe(Effect.provide(secrets))
  )
})

describe("a Secret that is not there", () => {
  it.effect("is absent, or there is no cluster for it to be in", () =>
    Effect.gen(function* () {
      const absence = NamespaceSecrets.NamespaceSecrets.use(({ absence }) => Effect.succeed(absence))
      assert.strictEqual(yield* Effect.provide(absence, secrets), "not found")
      const alone = Layer.provide(NamespaceSecrets.layer, Kubernetes.layerNone)
      assert.strictEqual(yield* Effect.provide(absence, alone), "no Kubernetes is configured")
    })
  )

  it.effect("is looked for again after 5 seconds: somebody may be creating it", () =>
    Effect.gen(function* () {
      const { deleteSecret, setSecret } = yield* cluster
      yield* deleteSecret("team-a", "databricks-token")
      assertEquals(yield* read, Option.none())
      yield* setSecret("team-a", "databricks-token", { token: "dapi-1" })
      yield* TestClock.adjust("4 seconds")
      assertEquals(yield* read, Option.none())
      yield* TestClock.adjust("1 second")
      assertEquals(yield* read, Option.some("dapi-1"))
    }).pipe(Effect.provide(secrets))
  )
})

describe("a Secret that could not be read", () => {
  it.effect.each([
    ["is forbidden", new Kubernetes.Forbidden({ detail: "no" }), "AccessForbidden"],
    ["is unavailable", new Kubernetes.Unavailable({ detail: "timeout" }), "KubernetesUnavailable"]
  ] as const)("%s, which is not kept: the very next read asks again", ([, reason, tag]) =>
    Effect.gen(function* () {
      const { failSecret, setSecret, reads } = yield* cluster
      yield* failSecret("team-a", "databricks-token", reason)
      assert.strictEqual((yield* Effect.flip(read)).reason._tag, tag)
      assert.strictEqual((yield* Effect.flip(read)).reason._tag, tag)
      yield* setSecret("team-a", "databricks-token", { token: "dapi-1" })
      assertEquals(yield* read, Option.some("dapi-1"))
      assert.lengthOf(yield* reads, 3)
    }).pipe(Effect.provide(secrets))
  )

  it.effect("for lack of a right says the rule that is missing", () =>
    Effect.gen(function* () {
      yield* cluster.use(({ failSecret }) =>
        failSecret("team-a", "databricks-token", new Kubernetes.Forbidden({ detail: "no" }))
      )
      const { message } = yield* Effect.flip(read)
      for (const part of [
        'resources: ["secrets"]',
        'verbs: ["get"]',
        "namespace team-a",
        "databricks-token",
        "FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore"
      ]) {
        assert.include(message, part)
      }
    }).pipe(Effect.provide(secrets))
  )
})

describe("what else is in a Secret", () => {
  it.effect("is not kept, also where the cluster's adapter gave it", () => {
    const keys = ["token", "client_id", "client_secret", "keystore", "Token", "client_secrets"]
    const data = Object.fromEntries(keys.map((key) => [key, Redacted.make(key)]))
    const cluster = Layer.mock(Kubernetes.Kubernetes, {
      cluster: Option.some("open-handed"),
      readSecret: () => Effect.succeedSome(data)
    })
    return Effect.gen(function* () {
      const found = yield* NamespaceSecrets.NamespaceSecrets.use(({ read }) => read("team-a", "s"))
      assert.deepStrictEqual(Object.keys(Option.getOrThrow(found)), ["token", "client_id", "client_secret"])
    }).pipe(Effect.provide(Layer.provide(NamespaceSecrets.layer, cluster)))
  })
})

describe("many who read one Secret at once", () => {
  it.effect("ask Kubernetes once, and one who goes away takes nothing from the others", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<Option.Option<Kubernetes.SecretData>>()
      let asked = 0
      const slow = NamespaceSecrets.layer.pipe(
        Layer.provide(
          Layer.mock(Kubernetes.Kubernetes, {
            cluster: Option.some("slow"),
            readSecret: () => Effect.suspend(() => ((asked += 1), Deferred.await(answer)))
          })
        )
      )
      yield* Effect.gen(function* () {
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(read, { startImmediately: true }))
        yield* Fiber.interrupt(fibers[0]!)
        yield* Deferred.succeed(answer, Option.some({ token: Redacted.make("dapi-1") }))
        assertEquals(yield* Fiber.join(fibers[1]!), Option.some("dapi-1"))
        assertEquals(yield* Fiber.join(fibers[2]!), Option.some("dapi-1"))
        assert.strictEqual(asked, 1)
      }).pipe(Effect.provide(slow))
    })
  )
})
