import { Identity, Kubernetes, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect } from "effect"
import { on, resolve, teamA } from "../support/connector.ts"
import { instance } from "../support/environment.ts"
import { makeLogs } from "../support/logs.ts"

describe("a namespace that the connector may not look into", () => {
  const forbid = (namespace: string) =>
    Kubernetes.KubernetesMemory.use(({ failSecret }) =>
      Effect.forEach(["databricks-oauth", "databricks-token"], (name) =>
        failSecret(namespace, name, new Kubernetes.Forbidden({ detail: "no" }))
      )
    )
  const secrets = { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }

  it.effect("is passed over by auto-detect with a warning, once for each Secret of each namespace", () =>
    Effect.gen(function* () {
      const logs = yield* makeLogs
      yield* Effect.gen(function* () {
        yield* forbid("team-a")
        yield* forbid("team-b")
        for (const namespace of ["team-a", "team-a", "team-b", "team-a", "team-b"]) {
          const { identity, explanation } = yield* resolve({ namespace })
          assertEquals(
            identity,
            new Identity.PatIdentity({
              instance: WorkspaceHost.WorkspaceHost.make(instance),
              origin: Identity.ConnectorLevel.make({})
            })
          )
          const forbidden = explanation.filter(({ outcome }) => outcome === "forbidden")
          assert.deepStrictEqual(
            forbidden.map(({ detail }) => detail),
            ["the connector has no right to read it", "the connector has no right to read it"]
          )
        }
      }).pipe(on({ secrets }), Effect.provide(logs.layer))
      const warnings = (yield* logs.lines).filter(({ level }) => level === "Warn")
      assert.lengthOf(warnings, 4)
      for (const namespace of ["team-a", "team-b"]) {
        for (const name of ["databricks-oauth", "databricks-token"]) {
          const about = warnings.filter(({ text }) => text.includes(`Secret ${name} in namespace ${namespace}`))
          assert.lengthOf(about, 1)
          assert.include(about[0]!.text, "FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore")
        }
      }
    })
  )

  it.effect("is an error, and no warning, where the auth type is set", () =>
    Effect.gen(function* () {
      const logs = yield* makeLogs
      yield* Effect.gen(function* () {
        yield* forbid("team-a")
        const error = yield* Effect.flip(resolve(teamA))
        assert.strictEqual(error.reason._tag, "AccessForbidden")
      }).pipe(on({ secrets, settings: { authType: "pat" } }), Effect.provide(logs.layer))
      assert.deepStrictEqual(
        (yield* logs.lines).filter(({ level }) => level === "Warn"),
        []
      )
    })
  )

  it.effect("is never looked into where the operator says so", () =>
    Effect.gen(function* () {
      yield* forbid("team-a")
      yield* resolve(teamA)
      assert.deepStrictEqual(yield* Kubernetes.KubernetesMemory.use(({ reads }) => reads), [])
    }).pipe(on({ secrets, settings: { namespaceIdentity: "ignore" } }))
  )
})
