/** Which namespace is looked into for a ServiceAccount, when, and what if Kubernetes does not let the connector. */
import { DatabricksAuth, Kubernetes } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result } from "effect"
import { makeLogs } from "../support/logs.ts"
import { jwtText } from "../support/jwt.ts"
import { defaultPath, explicit, inside, offered, one, resolve, shared, who } from "../support/oidc.ts"

/** The connector's own JWT. */
const files = { [defaultPath]: jwtText() }
const forbidden = new Kubernetes.Forbidden({ detail: "no" })
const unavailable = new Kubernetes.Unavailable({ detail: "connection refused" })

describe("the namespace that counts", () => {
  it.effect("is what the operator's template makes of the request", () =>
    inside(
      {
        env: { FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" },
        serviceAccounts: { "sales-production/spark": offered("app-s") }
      },
      () =>
        Effect.gen(function* () {
          const auth = yield* DatabricksAuth.DatabricksAuth
          const resolved = yield* auth.resolve({ namespace: "flyte", project: "sales", domain: "production" })
          assert.strictEqual(who(resolved), "app-s as sales-production/spark for databricks")
        })
    )
  )

  it.effect.each([
    "../team-b",
    "team-a/../team-b",
    "Team-A",
    "team_a",
    "team-a?x",
    "-team",
    "t".repeat(64),
    "kube-system%2f",
    "team-a\u0000"
  ])("cannot be %j: Kubernetes is not asked", (namespace) =>
    inside({ env: { ...shared, ...explicit }, serviceAccounts: one, files }, ({ calls }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(resolve({}, namespace))
        assert.strictEqual(error.reason._tag, "NamespaceInvalid")
        assert.deepStrictEqual(yield* calls, [])
      })
    )
  )

  it.effect.each(["0", "t".repeat(63), "a-1--b", "default"])("can be %j", (namespace) =>
    inside({ serviceAccounts: { [`${namespace}/spark`]: offered("app-x") } }, () =>
      Effect.gen(function* () {
        assert.strictEqual(who(yield* resolve({}, namespace)), `app-x as ${namespace}/spark for databricks`)
      })
    )
  )
})

describe("a namespace's own identity", () => {
  it.effect("is never looked for where namespaces are ignored, and needs no right then", () =>
    inside(
      {
        env: { ...shared, ...explicit, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore" },
        serviceAccounts: one,
        files
      },
      ({ memory, calls }) =>
        Effect.gen(function* () {
          yield* memory.failServiceAccounts("team-a", Option.some(forbidden))
          assert.strictEqual(who(yield* resolve()), `app-0 by ${defaultPath} for databricks`)
          assert.deepStrictEqual(yield* calls, [])
        })
    )
  )

  it.effect("is demanded where namespaces have to bring one: nothing shared is taken, broken or whole", () =>
    inside(
      {
        env: { ...shared, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require" },
        serviceAccounts: { "team-b/spark": offered("app-b") },
        files
      },
      () =>
        Effect.gen(function* () {
          assert.strictEqual(who(yield* resolve({}, "team-b")), "app-b as team-b/spark for databricks")
          const result = yield* Effect.result(resolve())
          assert(Result.isFailure(result))
          assert.include(result.failure.message, "FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require")
          assert.notInclude(result.failure.message, "set FLYTE_DATABRICKS_CLIENT_ID on the connector")
        })
    )
  )
})

describe("a look-up that Kubernetes forbids", () => {
  it.effect("is an error that names the rule where the auth type is set", () =>
    inside({ env: { ...shared, ...explicit }, files }, ({ memory }) =>
      Effect.gen(function* () {
        yield* memory.failServiceAccounts("team-a", Option.some(forbidden))
        const error = yield* Effect.flip(resolve())
        assert.strictEqual(error.reason._tag, "AccessForbidden")
        assert.include(error.message, 'resources: ["serviceaccounts"], verbs: ["list"]')
      })
    )
  )

  it.effect("is passed over in auto-detect, with one warning for each namespace, and a line in the explanation", () =>
    Effect.gen(function* () {
      const logs = yield* makeLogs
      yield* inside({ env: shared, files }, ({ memory }) =>
        Effect.gen(function* () {
          yield* memory.failServiceAccounts("team-a", Option.some(forbidden))
          yield* memory.failServiceAccounts("team-b", Option.some(forbidden))
          for (const namespace of ["team-a", "team-a", "team-b", "team-a"]) {
            const resolved = yield* resolve({}, namespace)
            assert.strictEqual(who(resolved), `app-0 by ${defaultPath} for databricks`)
            assert.strictEqual(resolved.explanation[0]?.outcome, "forbidden")
          }
        })
      ).pipe(Effect.provide(logs.layer))
      const warnings = (yield* logs.lines).filter(({ level }) => level === "Warn").map(({ text }) => text)
      assert.lengthOf(warnings, 2)
      assert.include(warnings[0], "namespace team-a")
      assert.include(warnings[1], "namespace team-b")
      for (const warning of warnings) {
        assert.include(warning, "serviceaccounts")
        assert.include(warning, '"annotations":{"reason":"AccessForbidden"}')
      }
    })
  )
})

describe("a Kubernetes that does not answer", () => {
  it.effect("never changes who a task is: the submit fails and may be tried again", () =>
    Effect.gen(function* () {
      const secrets = { "team-a/databricks-token": { token: "dapi-a" } }
      for (const env of [shared, { ...shared, ...explicit }]) {
        yield* inside({ env, serviceAccounts: one, secrets, files }, ({ memory }) =>
          Effect.gen(function* () {
            yield* memory.failServiceAccounts("team-a", Option.some(unavailable))
            const error = yield* Effect.flip(resolve())
            assert.strictEqual(error.reason._tag, "KubernetesUnavailable")
            assert.isTrue(error.retryable)
            yield* memory.failServiceAccounts("team-a", Option.none())
            assert.strictEqual(who(yield* resolve()), "app-a as team-a/spark for databricks")
          })
        )
      }
    })
  )
})
