/** What others write and this keeps has a size: where a text becomes a token, a client id, an audience or a list of names. */
import { DatabricksAuth, Kubernetes, NamespaceSecrets } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"

const enabled = { "flyte.org/databricks-enabled": "true" }
const offer = (annotations: Record<string, string>) => ({ labels: enabled, annotations })

const resolveIn = (
  secrets: Record<string, Record<string, string>>,
  serviceAccounts: Record<string, Kubernetes.MemoryServiceAccount> = {}
) =>
  DatabricksAuth.DatabricksAuth.use((auth) => auth.resolve({ namespace: "team-a" })).pipe(
    Effect.provide(
      DatabricksAuth.layerMemory({
        settings: { instance: "dbc-a1b2.cloud.databricks.com" },
        secrets,
        serviceAccounts
      })
    )
  )

describe("refused, as too long, is", () => {
  it.effect.each([
    [8192, true],
    [8193, false]
  ] as const)("a PAT of %d characters: %s is taken", ([length, isTaken]) =>
    Effect.gen(function* () {
      const resolved = yield* Effect.result(resolveIn({ "team-a/databricks-token": { token: "t".repeat(length) } }))
      assert.strictEqual(resolved._tag === "Success", isTaken)
      if (resolved._tag === "Failure") assert.include(resolved.failure.message, "no header may carry")
    })
  )

  it.effect.each([
    [256, true],
    [257, false]
  ] as const)("a client id of %d characters: %s is taken, in a Secret and in an annotation", ([length, isTaken]) =>
    Effect.gen(function* () {
      const clientId = "c".repeat(length)
      for (const resolving of [
        resolveIn({ "team-a/databricks-oauth": { client_id: clientId, client_secret: "s" } }),
        resolveIn({}, { "team-a/spark": offer({ "flyte.org/databricks-client-id": clientId }) }),
        // The text after the limit is not what decides.
        resolveIn({}, { "team-a/spark": offer({ "flyte.org/databricks-client-id": ` ${clientId}${" ".repeat(500)}` }) })
      ]) {
        const resolved = yield* Effect.result(resolving)
        assert.strictEqual(resolved._tag === "Success", isTaken)
        if (resolved._tag === "Failure") assert.include(resolved.failure.message, "more than 256 characters")
      }
    })
  )

  it.effect.each([
    [256, true],
    [257, false]
  ] as const)("an annotated audience of %d characters: %s is taken", ([length, isTaken]) =>
    Effect.gen(function* () {
      const annotations = {
        "flyte.org/databricks-client-id": "app-1",
        "flyte.org/databricks-audience": "a".repeat(length)
      }
      const resolved = yield* Effect.result(resolveIn({}, { "team-a/spark": offer(annotations) }))
      assert.strictEqual(resolved._tag === "Success", isTaken)
      if (resolved._tag === "Failure") assert.include(resolved.failure.message, "at most 256 characters")
    })
  )
})

describe("kept is", () => {
  it.effect("of a Secret what credentials are made of", () =>
    NamespaceSecrets.NamespaceSecrets.use(({ read }) =>
      Effect.gen(function* () {
        const found = Option.getOrThrow(yield* read("team-a", "s"))
        assert.deepStrictEqual(Object.keys(found).toSorted(), ["client_id", "client_secret", "token"])
      })
    ).pipe(
      Effect.provide(NamespaceSecrets.layer),
      Effect.provide(
        Kubernetes.layerMemory({
          "team-a/s": { token: "t", client_id: "c", client_secret: "s", keystore: "x".repeat(16_000), constructor: "x" }
        })
      )
    )
  )

  it.effect("of a namespace's ServiceAccounts no more than fifty, and those that offer are never crowded out", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 200 }, (_, index) => `team-a/a${index}`)
      const others = Object.fromEntries(many.map((path) => [path, offer({})]))
      const client = offer({ "flyte.org/databricks-client-id": "app-1" })
      const resolved = yield* resolveIn({}, { ...others, "team-a/z": client })
      assert.strictEqual(resolved.identity.principal, "app-1")
      const all = Object.fromEntries(many.map((path) => [path, client]))
      const { message } = yield* Effect.flip(resolveIn({}, all))
      assert.include(message, "has 50 ServiceAccounts with annotation")
    })
  )
})
