import { Kubernetes, Pat } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { auth, header, oauth, on, resolve, teamA } from "../support/connector.ts"
import { bearer } from "../support/tokens.ts"

describe("a credential that was rotated", () => {
  const cluster = { "team-a/databricks-oauth": oauth }
  const rotate = Kubernetes.KubernetesMemory.use(({ setSecret }) =>
    setSecret("team-a", "databricks-oauth", { client_id: "app-a", client_secret: "s2" })
  )

  it.effect("is read at once after Databricks refused the old one's token", () =>
    Effect.gen(function* () {
      const boundary = yield* auth
      const resolved = yield* boundary.resolve(teamA)
      const old = yield* boundary.getHeader(resolved)
      yield* rotate
      yield* boundary.invalidate(resolved, old)
      assert.strictEqual(bearer(yield* boundary.getHeader(resolved)), "Bearer t2")
      assert.lengthOf(yield* Kubernetes.KubernetesMemory.use(({ reads }) => reads), 2)
    }).pipe(on({ cluster }))
  )

  it.effect("is noticed by the next submit, and its runs before get the new token too", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer t1")
      yield* rotate
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer t1")
      yield* resolve(teamA)
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer t2")
    }).pipe(on({ cluster }))
  )

  it.effect("is a PAT: it is read again after five minutes", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      yield* header(resolved)
      const { setSecret } = yield* Kubernetes.KubernetesMemory
      yield* setSecret("team-a", "databricks-token", { token: "dapi-a2" })
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer dapi-a2")
    }).pipe(on({ cluster: { "team-a/databricks-token": { token: "dapi-a" } } }))
  )

  it.effect("is a PAT that is used for as long as the operator says", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      yield* header(resolved)
      yield* Kubernetes.KubernetesMemory.use(({ setSecret }) =>
        setSecret("team-a", "databricks-token", { token: "dapi-a2" })
      )
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer dapi-a")
    }).pipe(
      on({ cluster: { "team-a/databricks-token": { token: "dapi-a" } } }),
      Effect.provideService(Pat.PatLifetime, "1 hour")
    )
  )
})
