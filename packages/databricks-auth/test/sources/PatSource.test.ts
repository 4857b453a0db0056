import { ConnectorSecrets, Kubernetes, NamespaceSecrets, PatSource } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Layer, Option, Redacted } from "effect"

const source = (where: {
  readonly connector?: Record<string, string>
  readonly cluster?: Record<string, Record<string, string>>
}) =>
  PatSource.layer.pipe(
    Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory(where.connector)]),
    Layer.provide(Kubernetes.layerMemory(where.cluster))
  )

const plain = Option.map<Redacted.Redacted<string>, string>(Redacted.value)

const ofNamespace = (data: Record<string, string>) =>
  PatSource.PatSource.use(({ namespaceSecret }) => namespaceSecret("team-a", "databricks-token")).pipe(
    Effect.provide(source({ cluster: { "team-a/databricks-token": data } })),
    Effect.map(plain)
  )

describe("a namespace's PAT", () => {
  it.effect("is under the key token of its Secret, trimmed", () =>
    Effect.gen(function* () {
      assertEquals(yield* ofNamespace({ token: " dapi-1\n", client_id: "app-1" }), Option.some("dapi-1"))
    })
  )

  it.effect("is absent without a Secret", () =>
    Effect.gen(function* () {
      const pats = yield* PatSource.PatSource
      assertEquals(yield* pats.namespaceSecret("team-b", "databricks-token"), Option.none())
      assertEquals(yield* pats.namespaceSecret("team-a", "other"), Option.none())
    }).pipe(
      Effect.provide(
        source({
          connector: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-2" },
          cluster: { "team-a/databricks-token": { token: "dapi-1" } }
        })
      )
    )
  )

  it.effect.each([
    {},
    { TOKEN: "dapi-1" },
    { token: "" },
    { token: " \n" },
    { access_token: "dapi-1" }
  ] as ReadonlyArray<Record<string, string>>)("is broken in a Secret that holds %j", (data) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ofNamespace(data))
      assert(error.reason._tag === "CredentialsBroken")
      assert.include(error.message, "Secret databricks-token in namespace team-a")
      assert.match(error.reason.problem, /key token/)
      assert.notInclude(error.message, "dapi-1")
    })
  )
})

describe("the connector's PAT", () => {
  it.effect("is its FLYTE_DATABRICKS_ACCESS_TOKEN", () =>
    Effect.gen(function* () {
      assertEquals(plain(yield* PatSource.PatSource.use(({ connector }) => connector)), Option.some("dapi-2"))
    }).pipe(
      Effect.provide(source({ connector: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-2", DATABRICKS_TOKEN: "dapi-3" } }))
    )
  )

  it.effect("is absent where that is unset, whatever the namespaces hold", () =>
    Effect.gen(function* () {
      assertEquals(yield* PatSource.PatSource.use(({ connector }) => connector), Option.none())
    }).pipe(Effect.provide(source({ cluster: { "team-a/databricks-token": { token: "dapi-1" } } })))
  )
})

describe("a PAT that no header can carry", () => {
  it.effect.each(["dapi-1\ndapi-2", "dapi-1\r\nX-Evil: 1", "dapi 1", "dapi-\u00e4", "dapi-\u0000", "dapi-\ud800"])(
    "is broken, in a namespace and at the connector, and is not repeated: %j",
    (token) =>
      Effect.gen(function* () {
        const pats = yield* PatSource.PatSource
        const places = [
          [pats.namespaceSecret("team-a", "databricks-token"), "Secret databricks-token in namespace team-a"],
          [pats.connector, "The connector's PAT (from FLYTE_DATABRICKS_ACCESS_TOKEN)"]
        ] as const
        for (const [read, place] of places) {
          const error = yield* Effect.flip(read)
          assert.include(error.message, `${place} holds a token`)
          assert.strictEqual(error.reason._tag, "CredentialsBroken")
          assert.include(error.message, "holds a token with characters, or so many of them, that no header may carry")
          assert.include(error.message, "Put the token alone there, on one line.")
          assert.notInclude(error.message, "dapi")
        }
      }).pipe(
        Effect.provide(
          source({
            connector: { FLYTE_DATABRICKS_ACCESS_TOKEN: token },
            cluster: { "team-a/databricks-token": { token } }
          })
        )
      )
  )
})

describe("a PAT", () => {
  it.effect("shows itself as redacted", () =>
    Effect.gen(function* () {
      const pat = Option.getOrThrow(
        yield* PatSource.PatSource.use(({ namespaceSecret }) => namespaceSecret("team-a", "databricks-token"))
      )
      assert.strictEqual(String(pat), "<redacted:PAT>")
    }).pipe(Effect.provide(source({ cluster: { "team-a/databricks-token": { token: "hunter2" } } })))
  )
})
