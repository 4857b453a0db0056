import { AuthError, DatabricksAuth, Kubernetes, Pat, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Ref } from "effect"
import { TestClock } from "effect/testing"
import { auth, header, oauth, on, resolve, teamA } from "../support/connector.ts"
import { instance } from "../support/environment.ts"
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

  it.effect(
    "is read before the next request once the token endpoint refused it, but not for a failure that may pass",
    () =>
      Effect.gen(function* () {
        const secrets = yield* Ref.make<ReadonlyArray<string>>([])
        const outcome = yield* Ref.make<"down" | "refused" | "well">("down")
        const respond = Effect.fnUntraced(function* (request: TokenEndpoint.TokenRequest) {
          const { clientId, instance: endpoint, source } = request
          yield* Ref.update(secrets, (all) => [...all, Redacted.value(TokenEndpoint.secretOf(request))])
          switch (yield* Ref.get(outcome)) {
            case "down":
              return yield* new AuthError.AuthError({
                reason: new AuthError.TokenEndpointUnavailable({ endpoint, detail: "status 503", attempts: 1 })
              })
            case "refused":
              return yield* new AuthError.AuthError({
                reason: new AuthError.TokenRefused({ endpoint, clientId, source, status: 401, error: "invalid_client" })
              })
            case "well":
              return {
                value: Redacted.make("t"),
                lifetime: Duration.hours(1),
                builtFrom: TokenEndpoint.secretOf(request)
              }
          }
        })
        yield* Effect.gen(function* () {
          const resolved = yield* resolve(teamA)
          const next = Effect.andThen(Effect.exit(header(resolved)), TestClock.adjust("6 seconds"))
          yield* rotate
          yield* next
          yield* Ref.set(outcome, "refused")
          yield* next
          yield* Ref.set(outcome, "well")
          yield* next
          assert.deepStrictEqual(yield* Ref.get(secrets), ["s1", "s1", "s2"])
        }).pipe(Effect.provide(DatabricksAuth.layerMemory({ settings: { instance }, secrets: cluster, respond })))
      })
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
