/** The sources in memory, which stand in for the real ones wherever this core is used and tried out. */
import {
  ClientCredentialsSource,
  ConnectorSecrets,
  ConnectorSettings,
  PatSource,
  ProjectedToken,
  ServiceAccountTokens
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Layer, Option, Redacted } from "effect"
import { jwt } from "../support/jwt.ts"

describe("PATs in memory", () => {
  it.effect("are those of namespaces and the connector's", () =>
    Effect.gen(function* () {
      const pats = yield* PatSource.PatSource
      assertEquals(yield* pats.namespaceSecret("team-a", "s"), Option.some(Redacted.make("of-a")))
      assertEquals(yield* pats.namespaceSecret("team-b", "s"), Option.none())
      assertEquals(yield* pats.connector, Option.some(Redacted.make("of-connector")))
      yield* pats.forget("team-a", "s")
      assertEquals(yield* pats.namespaceSecret("team-a", "s"), Option.some(Redacted.make("of-a")))
    }).pipe(
      Effect.provide(
        PatSource.layerMemory({
          namespaces: { "team-a/s": Redacted.make("of-a") },
          connector: Redacted.make("of-connector")
        })
      )
    )
  )

  it.effect("are absent where none are given", () =>
    Effect.gen(function* () {
      const pats = yield* PatSource.PatSource
      assertEquals(yield* pats.namespaceSecret("team-a", "s"), Option.none())
      assertEquals(yield* pats.connector, Option.none())
      assert.strictEqual(pats.absence, "not found")
    }).pipe(Effect.provide(PatSource.layerMemory({})))
  )
})

describe("client credentials in memory", () => {
  const ofA = { clientId: "app-a", clientSecret: Redacted.make("s-a") }
  const ofConnector = { clientId: "app-0", clientSecret: Redacted.make("s-0") }

  it.effect("are those of namespaces and the connector's", () =>
    Effect.gen(function* () {
      const pairs = yield* ClientCredentialsSource.ClientCredentialsSource
      assertEquals(yield* pairs.namespaceSecret("team-a", "s"), Option.some(ofA))
      assertEquals(yield* pairs.namespaceSecret("team-b", "s"), Option.none())
      assertEquals(yield* pairs.connector(Option.none()), Option.some(ofConnector))
      assertEquals(yield* pairs.connectorClientId, Option.some("app-0"))
      yield* pairs.forget("team-a", "s")
      assertEquals(yield* pairs.namespaceSecret("team-a", "s"), Option.some(ofA))
    }).pipe(
      Effect.provide(ClientCredentialsSource.layerMemory({ namespaces: { "team-a/s": ofA }, connector: ofConnector }))
    )
  )

  it.effect("are absent where none are given", () =>
    Effect.gen(function* () {
      const pairs = yield* ClientCredentialsSource.ClientCredentialsSource
      assertEquals(yield* pairs.namespaceSecret("team-a", "s"), Option.none())
      assertEquals(yield* pairs.connector(Option.none()), Option.none())
      assertEquals(yield* pairs.connectorClientId, Option.none())
      assert.strictEqual(pairs.absence, "not found")
    }).pipe(Effect.provide(ClientCredentialsSource.layerMemory({})))
  )
})

describe("JWT files in memory", () => {
  const file = (path: string) => ({ path, from: "default" }) as const

  it.effect("are found by their path, beside the connector's client id", () =>
    Effect.gen(function* () {
      const tokens = yield* ProjectedToken.ProjectedToken
      const found = Option.getOrThrow(yield* tokens.read(file("/run/token")))
      assert.deepStrictEqual(found.claims.audiences, ["databricks"])
      assertEquals(yield* tokens.read(file("/run/other")), Option.none())
      assertEquals(yield* tokens.clientId, Option.some("app-0"))
    }).pipe(Effect.provide(ProjectedToken.layerMemory({ files: { "/run/token": jwt() }, clientId: "app-0" })))
  )

  it.effect("that a task names are read inside of the operator's directories alone, as on disk", () =>
    Effect.gen(function* () {
      const tokens = yield* ProjectedToken.ProjectedToken
      for (const from of ["task", "run"] as const) {
        assert.isTrue(Option.isSome(yield* tokens.read({ path: "/tokens/one", from })))
        for (const path of ["/etc/one", "/tokens/../etc/one", "tokens/one", "/tokens-of-others/one"]) {
          const { message } = yield* Effect.flip(tokens.read({ path, from }))
          assert.include(message, "it is not inside /tokens (FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS)")
        }
      }
      assert.isTrue(Option.isSome(yield* tokens.read(file("/etc/one"))))
    }).pipe(
      Effect.provide(
        ProjectedToken.layerFiles({ "/tokens/one": jwt(), "/etc/one": jwt() }).pipe(
          Layer.provide([ConnectorSecrets.layerMemory(), ConnectorSettings.layer({ taskTokenFileDirs: ["/tokens"] })])
        )
      )
    )
  )

  it.effect("are absent where none are given", () =>
    Effect.gen(function* () {
      const tokens = yield* ProjectedToken.ProjectedToken
      assertEquals(yield* tokens.read(file("/run/token")), Option.none())
      assertEquals(yield* tokens.clientId, Option.none())
    }).pipe(Effect.provide(ProjectedToken.layerMemory({})))
  )
})

describe("ServiceAccounts in memory", () => {
  const offer = { serviceAccount: "spark", clientId: "app-a", audience: Option.none() }
  const other = { serviceAccount: "tuned", clientId: "app-b", audience: Option.some("account-1") }

  it.effect("are what their namespace offers, and get a JWT", () =>
    Effect.gen(function* () {
      const accounts = yield* ServiceAccountTokens.ServiceAccountTokens
      assertEquals(yield* accounts.discover("team-a"), { offers: [offer], skipped: [] })
      assert.deepStrictEqual((yield* accounts.mint("team-a", "spark", "databricks")).claims.audiences, ["databricks"])
      yield* accounts.forget("team-a")
      assertEquals(yield* accounts.discover("team-a"), { offers: [offer], skipped: [] })
      assertEquals(yield* accounts.discover("team-b"), { offers: [other], skipped: [] })
    }).pipe(Effect.provide(ServiceAccountTokens.layerMemory({ "team-a": [offer], "team-b": [other] })))
  )

  it.effect("are absent where none are given, and get no JWT", () =>
    Effect.gen(function* () {
      const accounts = yield* ServiceAccountTokens.ServiceAccountTokens
      const discovery = yield* accounts.discover("team-a")
      assertEquals(discovery, { offers: [], skipped: [] })
      assert.strictEqual(accounts.absence(discovery), "none found")
      const error = yield* Effect.flip(accounts.mint("team-a", "spark", "databricks"))
      assert.strictEqual(error.reason._tag, "CredentialsMissing")
      assert.include(error.message, "ServiceAccount spark in namespace team-a")
    }).pipe(Effect.provide(ServiceAccountTokens.layerMemory({})))
  )
})
