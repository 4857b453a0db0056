/**
 * What every implementation of the core's `Kubernetes` service does. A layer provides the service and the cluster
 * behind it: in memory, the emulator over HTTP, or a real API server.
 */
import { Kubernetes } from "@flyte-databricks/databricks-auth/Kubernetes"
import { describe, it } from "@effect/vitest"
import { assertEquals, assertNone, assertSome, assertTrue } from "@effect/vitest/utils"
import { Duration, Effect, type Layer, Option, Redacted, Schema } from "effect"
import { Base64Url } from "effect/encoding"
import { TestCluster } from "./TestCluster.ts"

const namespace = "team-a"
const name = "databricks-oauth"

const values = (data: Option.Option<Readonly<Record<string, Redacted.Redacted<string>>>>) =>
  Option.map(data, (found) =>
    Object.fromEntries(Object.entries(found).map(([key, value]) => [key, Redacted.value(value)]))
  )

const read = Effect.fnUntraced(function* (namespace: string, name: string) {
  const kubernetes = yield* Kubernetes
  return yield* kubernetes.readSecret(namespace, name)
})

const set = (data: Record<string, string>, at = { namespace, name }) =>
  TestCluster.use((cluster) => cluster.setSecret(at.namespace, at.name, data))

const label = "flyte.org/databricks-enabled"
const enabled = { [label]: "true" }

const list = (namespace: string) =>
  Kubernetes.use(({ listServiceAccounts }) => listServiceAccounts(namespace, `${label}=true`))

const makeToken = (namespace: string, name: string) =>
  Kubernetes.use(({ createServiceAccountToken }) =>
    createServiceAccountToken(namespace, name, { audience: "databricks", lifetime: Duration.hours(1) })
  )

const Claims = Schema.fromJsonString(Schema.Struct({ aud: Schema.Array(Schema.String), sub: Schema.String }))

/**
 * Runs the contract against what the layer provides; each test has a cluster of its own.
 */
export const suite = <E>(title: string, layer: Layer.Layer<Kubernetes | TestCluster, E>) => {
  const test = (behaviour: string, body: Effect.Effect<unknown, unknown, Kubernetes | TestCluster>) =>
    it.effect(behaviour, () => Effect.provide(body, layer))

  describe(`Kubernetes: ${title}`, () => {
    test(
      "says which cluster it is",
      Effect.gen(function* () {
        assertTrue(Option.isSome((yield* Kubernetes).cluster))
      })
    )

    test(
      "reads the keys of a Secret that credentials are under, and no others",
      Effect.gen(function* () {
        yield* set({ client_id: "sp-1", client_secret: "s3cret", keystore: "another's" })
        assertSome(values(yield* read(namespace, name)), { client_id: "sp-1", client_secret: "s3cret" })
      })
    )

    test(
      "gives values as they are, and shows none of them",
      Effect.gen(function* () {
        for (const text of ["", "one\ntwo\n", "pässwörd 秘密 🔑", " kept "]) {
          yield* set({ token: text })
          const found = yield* read(namespace, name)
          assertSome(values(found), { token: text })
          assertTrue(!/one|pässwörd|kept/.test(JSON.stringify(found) + String(found)))
        }
      })
    )

    test(
      "gives a Secret without data as one without keys",
      Effect.gen(function* () {
        yield* set({})
        assertSome(values(yield* read(namespace, name)), {})
      })
    )

    test(
      "gives none for a Secret that does not exist",
      Effect.gen(function* () {
        yield* set({ token: "t" })
        assertNone(yield* read(namespace, "another"))
        assertNone(yield* read("no-such-namespace", name))
      })
    )

    test(
      "tells namespaces apart",
      Effect.gen(function* () {
        yield* set({ token: "a" })
        yield* set({ token: "b" }, { namespace: "team-b", name })
        assertSome(values(yield* read(namespace, name)), { token: "a" })
        assertSome(values(yield* read("team-b", name)), { token: "b" })
      })
    )

    test(
      "sees at once that a Secret changed or went away",
      Effect.gen(function* () {
        const cluster = yield* TestCluster
        yield* set({ token: "old" })
        yield* read(namespace, name)
        yield* set({ token: "new" })
        assertSome(values(yield* read(namespace, name)), { token: "new" })
        yield* cluster.deleteSecret(namespace, name)
        assertNone(yield* read(namespace, name))
      })
    )

    test(
      "is forbidden, not absent, where the right to read is missing",
      Effect.gen(function* () {
        const cluster = yield* TestCluster
        yield* set({ token: "t" })
        yield* cluster.forbidSecret(namespace, name)
        const error = yield* Effect.flip(read(namespace, name))
        assertEquals(error.reason._tag, "Forbidden")
      })
    )

    test(
      "lists the ServiceAccounts that a label selects, with their annotations",
      Effect.gen(function* () {
        const cluster = yield* TestCluster
        const annotations = { "flyte.org/databricks-client-id": "sp-1" }
        yield* cluster.setServiceAccount(namespace, "runner", { labels: enabled, annotations })
        yield* cluster.setServiceAccount(namespace, "bare", { labels: enabled })
        yield* cluster.setServiceAccount(namespace, "off", { labels: { [label]: "false" }, annotations })
        yield* cluster.setServiceAccount(namespace, "unlabelled", { annotations })
        yield* cluster.setServiceAccount("team-b", "elsewhere", { labels: enabled, annotations })
        const found = (yield* list(namespace)).toSorted((a, b) => a.name.localeCompare(b.name))
        assertEquals(found, [
          { name: "bare", annotations: {} },
          { name: "runner", annotations }
        ])
      })
    )

    test(
      "lists none where none is selected or there is no such namespace",
      Effect.gen(function* () {
        yield* TestCluster.use((cluster) => cluster.setServiceAccount(namespace, "unlabelled", {}))
        assertEquals(yield* list(namespace), [])
        assertEquals(yield* list("no-such-namespace"), [])
      })
    )

    test(
      "lists some with a blank selector where there is such a namespace, and none where there is not",
      Effect.gen(function* () {
        const all = (namespace: string) =>
          Kubernetes.use(({ listServiceAccounts }) => listServiceAccounts(namespace, ""))
        yield* TestCluster.use((cluster) => cluster.setServiceAccount(namespace, "unlabelled", {}))
        assertTrue((yield* all(namespace)).length > 0)
        assertEquals(yield* all("no-such-namespace"), [])
      })
    )

    test(
      "is forbidden, not empty, where the right to list ServiceAccounts is missing",
      Effect.gen(function* () {
        const cluster = yield* TestCluster
        yield* cluster.setServiceAccount(namespace, "runner", { labels: enabled })
        yield* cluster.forbidServiceAccounts(namespace)
        assertEquals((yield* Effect.flip(list(namespace))).reason._tag, "Forbidden")
      })
    )

    test(
      "makes a ServiceAccount's token for the audience asked for, and does not show it",
      Effect.gen(function* () {
        yield* TestCluster.use((cluster) => cluster.setServiceAccount(namespace, "runner", { labels: enabled }))
        const token = Option.getOrThrow(yield* makeToken(namespace, "runner"))
        const [, payload = ""] = Redacted.value(token).split(".")
        const claims = yield* Schema.decodeEffect(Claims)(yield* Effect.fromResult(Base64Url.decodeString(payload)))
        assertEquals(claims, { aud: ["databricks"], sub: `system:serviceaccount:${namespace}:runner` })
        assertTrue(!String(token).includes(payload))
      })
    )

    test(
      "makes no token of a ServiceAccount that does not exist",
      Effect.gen(function* () {
        const cluster = yield* TestCluster
        yield* cluster.setServiceAccount(namespace, "runner", { labels: enabled })
        yield* cluster.deleteServiceAccount(namespace, "runner")
        assertNone(yield* makeToken(namespace, "runner"))
        assertNone(yield* makeToken("no-such-namespace", "runner"))
      })
    )

    test(
      "is forbidden, not without a token, where the right to make tokens is missing",
      Effect.gen(function* () {
        const cluster = yield* TestCluster
        yield* cluster.setServiceAccount(namespace, "runner", { labels: enabled })
        yield* cluster.forbidTokens(namespace)
        assertEquals((yield* Effect.flip(makeToken(namespace, "runner"))).reason._tag, "Forbidden")
      })
    )

    test(
      "answers many callers at once",
      Effect.gen(function* () {
        yield* set({ token: "t" })
        const all = yield* Effect.all(
          Array.from({ length: 50 }, () => read(namespace, name)),
          { concurrency: "unbounded" }
        )
        all.forEach((found) => assertSome(values(found), { token: "t" }))
      })
    )
  })
}
