import { type AuthRequest, type ConnectorSettings, type Identity, Kubernetes } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { asked, auth, oauth, on, pair, poll, resolve, submit, type Surroundings, teamA } from "../support/connector.ts"
import { instance } from "../support/environment.ts"
import { bearer } from "../support/tokens.ts"

describe("a run goes on as who it was submitted as", () => {
  const both = {
    cluster: { "team-a/databricks-token": { token: "dapi-a" }, "team-a/databricks-oauth": oauth },
    secrets: { ...pair, FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }
  }
  const under = (authType: Identity.AuthType, more: ConnectorSettings.Options = {}) => ({
    ...both,
    settings: { authType, ...more }
  })

  it.effect("after the operator flipped the auth type from PAT to OAuth M2M, while new runs go the new way", () =>
    Effect.gen(function* () {
      for (const persist of [true, false]) {
        const recorded = yield* submit(teamA).pipe(on(under("pat", { persistPat: persist })))
        yield* Effect.gen(function* () {
          assert.strictEqual(bearer(yield* poll(recorded)), "Bearer dapi-a")
          assert.deepStrictEqual(yield* asked, [])
          assert.strictEqual((yield* resolve(teamA)).identity._tag, "oauth_m2m")
        }).pipe(on(under("oauth_m2m")))
      }
    })
  )

  it.effect("after the operator flipped it back, too", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on(under("oauth_m2m")))
      yield* Effect.gen(function* () {
        assert.strictEqual(bearer(yield* poll(recorded)), "Bearer t1")
        assert.deepStrictEqual(yield* asked, ["app-a"])
        assert.strictEqual((yield* resolve(teamA)).identity._tag, "pat")
      }).pipe(on(under("pat")))
    })
  )

  it.effect("after its namespace got credentials of its own", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(
        on({ secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }, settings: { persistPat: false } })
      )
      assert.strictEqual(bearer(yield* poll(recorded).pipe(on(both))), "Bearer dapi-0")
      const ofPair = yield* submit(teamA).pipe(on({ secrets: pair }))
      yield* Effect.gen(function* () {
        yield* poll(ofPair)
        assert.deepStrictEqual(yield* asked, ["app-0"])
      }).pipe(on(both))
    })
  )

  it.effect("or not at all after its namespace's credentials are gone: never as the connector", () =>
    Effect.gen(function* () {
      const ofPat = yield* submit(teamA).pipe(on(under("pat", { persistPat: false })))
      const ofPair = yield* submit(teamA).pipe(on(under("oauth_m2m")))
      yield* Effect.gen(function* () {
        for (const recorded of [ofPat, ofPair]) {
          const error = yield* Effect.flip(poll(recorded))
          assert.strictEqual(error.reason._tag, "CredentialsMissing")
          assert.include(error.message, "team-a")
          assert.include(error.message, "pinned")
          assert.isFalse(error.retryable)
        }
        assert.deepStrictEqual(yield* asked, [])
      }).pipe(on({ secrets: both.secrets }))
    })
  )

  it.effect("or not at all where another principal's credentials took their place", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on({ cluster: { "team-a/databricks-oauth": oauth } }))
      const replaced = { "team-a/databricks-oauth": { client_id: "app-evil", client_secret: "s9" } }
      yield* Effect.gen(function* () {
        const error = yield* Effect.flip(poll(recorded))
        assert.strictEqual(error.reason._tag, "IdentityChanged")
        assert.include(error.message, "app-a")
        assert.include(error.message, "app-evil")
        assert.deepStrictEqual(yield* asked, [])
      }).pipe(on({ cluster: replaced, secrets: pair }))
    })
  )

  it.effect("or not at all while its Secret is forbidden or unavailable, whichever auth type is set", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on(under("oauth_m2m")))
      yield* Effect.gen(function* () {
        const { failSecret } = yield* Kubernetes.KubernetesMemory
        yield* failSecret("team-a", "databricks-oauth", new Kubernetes.Forbidden({ detail: "no" }))
        assert.strictEqual((yield* Effect.flip(poll(recorded))).reason._tag, "AccessForbidden")
        yield* failSecret("team-a", "databricks-oauth", new Kubernetes.Unavailable({ detail: "timeout" }))
        yield* TestClock.adjust("5 seconds")
        assert.isTrue((yield* Effect.flip(poll(recorded))).retryable)
        assert.deepStrictEqual(yield* asked, [])
      }).pipe(on(both))
    })
  )

  const runs: ReadonlyArray<readonly [string, Surroundings, Partial<AuthRequest.TaskContext>]> = [
    ["a namespace's PAT", { cluster: { "team-a/databricks-token": { token: "dapi-a" } } }, {}],
    [
      "a namespace's PAT under a name that the task gives",
      { cluster: { "team-a/mine": { token: "dapi-a" } } },
      { settings: { tokenSecretName: "mine" } }
    ],
    ["the connector's PAT", { secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" } }, {}],
    ["a namespace's pair", { cluster: { "team-a/databricks-oauth": oauth } }, {}],
    [
      "a namespace's pair under a name that the task gives",
      { cluster: { "team-a/mine": oauth } },
      { settings: { oauthSecretName: "mine" } }
    ],
    ["the connector's pair", { secrets: pair }, {}],
    [
      "the connector's pair, on another workspace",
      { secrets: pair, settings: { allowedInstances: [instance, "other.cloud.databricks.com"] } },
      { settings: { instance: "other.cloud.databricks.com" } }
    ],
    [
      "a namespace's pair with the connector's client id",
      { cluster: { "team-a/databricks-oauth": { client_id: "app-0", client_secret: "s1" } } },
      {}
    ]
  ]
  it.effect.each(runs)("whose record says all of it: %s", ([, surroundings, task]) =>
    Effect.gen(function* () {
      for (const persistPat of [true, false]) {
        yield* Effect.gen(function* () {
          const boundary = yield* auth
          const resolved = yield* boundary.resolve({ ...teamA, ...task })
          const recorded = boundary.record(resolved)
          const credential = yield* boundary.recall(recorded)
          assert.strictEqual(bearer(yield* boundary.getHeader(credential)), bearer(yield* boundary.getHeader(resolved)))
          if (Option.isSome(recorded.authToken)) return
          assertEquals(credential.identity, resolved.identity)
          assert.strictEqual(credential.identity.key, resolved.identity.key)
        }).pipe(on({ ...surroundings, settings: { ...surroundings.settings, persistPat } }))
      }
    })
  )
})
