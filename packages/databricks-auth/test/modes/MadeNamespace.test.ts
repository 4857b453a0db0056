import { DatabricksAuth, Kubernetes } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { jwtText } from "../support/jwt.ts"
import { defaultPath, explicit, inside, type Inside, resolve, shared, who } from "../support/oidc.ts"

const files = { [defaultPath]: jwtText() }
const forbidden = new Kubernetes.Forbidden({ detail: "forbidden by RBAC" })

describe("a namespace that the operator's template makes", () => {
  const made = { FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" }
  const ask = DatabricksAuth.DatabricksAuth.use((auth) =>
    auth.resolve({ namespace: "flyte", project: "unknown", domain: "production" })
  )
  const bare = { "unknown-production/default": {} }

  it.effect("and that does not exist is an error, and not whoever the connector is", () =>
    Effect.gen(function* () {
      for (const env of [
        { ...made, ...shared },
        { ...made, ...shared, ...explicit }
      ]) {
        const { reason } = yield* Effect.flip(inside({ env, files }, () => ask))
        assert(reason._tag === "CredentialsBroken", reason.message)
        assert.include(reason.message, "Namespace unknown-production does not exist")
        assert.include(reason.message, "kubectl create namespace unknown-production")
      }
    })
  )

  it.effect("and that exists, with nothing of its own, is who the connector is; that is asked for once", () =>
    inside({ env: { ...made, ...shared }, serviceAccounts: bare, files }, ({ calls }) =>
      Effect.gen(function* () {
        assert.strictEqual(who(yield* ask), `app-0 by ${defaultPath} for databricks`)
        yield* ask
        assert.deepStrictEqual(yield* calls, [
          "list unknown-production flyte.org/databricks-enabled=true",
          "list unknown-production "
        ])
      })
    )
  )

  it.effect("and that is created after a task asked for it is found soon", () =>
    inside({ env: { ...made, ...shared }, files }, ({ memory }) =>
      Effect.gen(function* () {
        yield* Effect.flip(ask)
        yield* memory.setServiceAccount("unknown-production", "default", {})
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(who(yield* ask), `app-0 by ${defaultPath} for databricks`)
      })
    )
  )

  it.effect("cannot be told where listing is forbidden, or where there is no Kubernetes", () =>
    Effect.gen(function* () {
      const env = { ...made, ...shared }
      const isForbidden = ({ memory }: Inside) =>
        Effect.andThen(memory.failServiceAccounts("unknown-production", Option.some(forbidden)), ask)
      assert.strictEqual(who(yield* inside({ env, files }, isForbidden)), `app-0 by ${defaultPath} for databricks`)
      const found = yield* inside({ env, files, cluster: Kubernetes.layerNone }, () => ask)
      assert.strictEqual(who(found), `app-0 by ${defaultPath} for databricks`)
    })
  )

  it.effect("is not asked about where the namespace is the request's own: Flyte keeps the workflow in it", () =>
    inside({ env: shared, files }, ({ calls }) =>
      Effect.gen(function* () {
        assert.strictEqual(who(yield* resolve()), `app-0 by ${defaultPath} for databricks`)
        assert.deepStrictEqual(yield* calls, ["list team-a flyte.org/databricks-enabled=true"])
      })
    )
  )
})
