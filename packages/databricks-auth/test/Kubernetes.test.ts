import { Jwt, Kubernetes } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Duration, Effect, Option, Redacted } from "effect"
import { Base64Url } from "effect/encoding"
import { TestClock } from "effect/testing"

const anHour = { audience: "databricks", lifetime: Duration.hours(1) }

/** A Secret's data, readable for a comparison. */
const plain = Option.map<Kubernetes.SecretData, Record<string, string>>((data) =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Redacted.value(value)]))
)

describe("no Kubernetes", () => {
  it.effect("has nothing in it", () =>
    Effect.gen(function* () {
      const kubernetes = yield* Kubernetes.Kubernetes
      assertEquals(kubernetes.cluster, Option.none())
      assertEquals(yield* kubernetes.readSecret("team-a", "s"), Option.none())
      assert.deepStrictEqual(yield* kubernetes.listServiceAccounts("team-a", "a=b"), [])
      assertEquals(yield* kubernetes.createServiceAccountToken("team-a", "spark", anHour), Option.none())
    }).pipe(Effect.provide(Kubernetes.layerNone))
  )
})

describe("a cluster in memory", () => {
  const both = Effect.all([Kubernetes.Kubernetes, Kubernetes.KubernetesMemory])

  it.effect("has the Secrets that were put there, and tells which were read", () =>
    Effect.gen(function* () {
      const [kubernetes, memory] = yield* both
      const read = Effect.map(kubernetes.readSecret("team-a", "s"), plain)
      assertEquals(yield* read, Option.some({ token: "1" }))
      yield* memory.setSecret("team-a", "s", { token: "2", other: "x" })
      yield* memory.setSecret("team-b", "s", { token: "b" })
      assertEquals(yield* read, Option.some({ token: "2" }))
      yield* memory.deleteSecret("team-a", "s")
      assertEquals(yield* read, Option.none())
      assertEquals(plain(yield* kubernetes.readSecret("team-b", "s")), Option.some({ token: "b" }))
      assert.deepStrictEqual(yield* memory.reads, ["team-a/s", "team-a/s", "team-a/s", "team-b/s"])
      assertEquals(kubernetes.cluster, Option.some("in memory"))
    }).pipe(Effect.provide(Kubernetes.layerMemory({ "team-a/s": { token: "1" } })))
  )

  it.effect("shows its Secrets' values under their keys alone", () =>
    Effect.gen(function* () {
      const data = yield* Kubernetes.Kubernetes.use(({ readSecret }) => readSecret("team-a", "s"))
      assert.strictEqual(String(Option.getOrThrow(data)["token"]), "<redacted:token>")
    }).pipe(Effect.provide(Kubernetes.layerMemory({ "team-a/s": { token: "hunter2" } })))
  )

  it.effect("fails to give a Secret until it is set again", () =>
    Effect.gen(function* () {
      const [kubernetes, memory] = yield* both
      const reason = new Kubernetes.Unavailable({ detail: "status 503" })
      yield* memory.failSecret("team-a", "s", reason)
      const error = yield* Effect.flip(kubernetes.readSecret("team-a", "s"))
      assertEquals(error.reason, reason)
      assert.strictEqual(error.message, "status 503")
      yield* memory.setSecret("team-a", "s", { token: "1" })
      assertEquals(plain(yield* kubernetes.readSecret("team-a", "s")), Option.some({ token: "1" }))
    }).pipe(Effect.provide(Kubernetes.layerMemory()))
  )

  it.effect("has the ServiceAccounts of a namespace that the label selects", () =>
    Effect.gen(function* () {
      const [kubernetes, memory] = yield* both
      const names = Effect.map(kubernetes.listServiceAccounts("team-a", "on=true"), (found) =>
        found.map(({ name }) => name)
      )
      assert.deepStrictEqual(yield* kubernetes.listServiceAccounts("team-a", "on=true"), [
        { name: "bare", annotations: {} },
        { name: "spark", annotations: { note: "x" } }
      ])
      yield* memory.deleteServiceAccount("team-a", "bare")
      yield* memory.setServiceAccount("team-a", "new", { labels: { on: "true" } })
      assert.deepStrictEqual(yield* names, ["spark", "new"])
      yield* memory.failServiceAccounts("team-a", Option.some(new Kubernetes.Forbidden({ detail: "not yours" })))
      const error = yield* Effect.flip(names)
      assert.strictEqual(error.reason._tag, "Forbidden")
      assert.strictEqual(error.message, "not yours")
      assert.lengthOf(yield* kubernetes.listServiceAccounts("team-b", "on=true"), 1)
      yield* memory.failServiceAccounts("team-a", Option.none())
      assert.deepStrictEqual(yield* names, ["spark", "new"])
    }).pipe(
      Effect.provide(
        Kubernetes.layerMemory(
          {},
          {
            "team-a/bare": { labels: { on: "true" } },
            "team-a/spark": { labels: { on: "true" }, annotations: { note: "x" } },
            "team-a/off": { labels: { on: "false" } },
            "team-a/plain": {},
            "team-b/spark": { labels: { on: "true" } }
          }
        )
      )
    )
  )

  it.effect("has a namespace that has something in it, where Kubernetes puts a ServiceAccount", () =>
    Effect.gen(function* () {
      const [kubernetes, memory] = yield* both
      const all = (namespace: string) => kubernetes.listServiceAccounts(namespace, "")
      for (const namespace of ["team-a", "team-b"]) {
        assert.deepStrictEqual(yield* all(namespace), [{ name: "default", annotations: {} }])
      }
      for (const namespace of ["team", "team-c"]) assert.deepStrictEqual(yield* all(namespace), [])
      yield* memory.deleteSecret("team-a", "s")
      assert.deepStrictEqual(yield* all("team-a"), [])
      assert.deepStrictEqual(yield* kubernetes.apiAudiences, ["https://kubernetes.memory"])
    }).pipe(Effect.provide(Kubernetes.layerMemory({ "team-a/s": { token: "1" } }, { "team-b/spark": {} })))
  )

  it.effect("makes tokens with the claims that Kubernetes gives, from now on, for a ServiceAccount that is there", () =>
    Effect.gen(function* () {
      const [kubernetes, memory] = yield* both
      yield* TestClock.adjust("1500 millis")
      const token = Option.getOrThrow(yield* kubernetes.createServiceAccountToken("team-a", "spark", anHour))
      assert.strictEqual(String(token), "<redacted:JWT>")
      const { claims } = Option.getOrThrow(Jwt.parse(Redacted.value(token)))
      assert.deepStrictEqual(
        { ...claims },
        {
          iss: "https://kubernetes.memory",
          sub: "system:serviceaccount:team-a:spark",
          aud: ["databricks"],
          exp: 3601
        }
      )
      const [header = "", , signature] = Redacted.value(token).split(".")
      assertEquals(Base64Url.encode('{"alg":"RS256"}'), header)
      assert.strictEqual(signature, "unsigned")
      assertEquals(yield* kubernetes.createServiceAccountToken("team-a", "other", anHour), Option.none())

      yield* memory.onTokenRequest((namespace, name, { audience }) =>
        Effect.succeedSome(Redacted.make(`${namespace} ${name} ${audience}`))
      )
      const answered = yield* kubernetes.createServiceAccountToken("team-a", "spark", anHour)
      assertEquals(Option.map(answered, Redacted.value), Option.some("team-a spark databricks"))
    }).pipe(Effect.provide(Kubernetes.layerMemory({}, { "team-a/spark": {} })))
  )
})
