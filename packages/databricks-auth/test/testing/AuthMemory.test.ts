/** The boundary in memory does what its controls say. */
import { type AuthRequest, DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { AuthMemory, PinnedRandom } from "@flyte-databricks/databricks-auth/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { instance } from "../support/environment.ts"
import { offered } from "../support/oidc.ts"

const memory = {
  settings: { instance },
  secrets: {
    "team-a/databricks-oauth": { client_id: "app-a", client_secret: "s-a" },
    "team-b/databricks-oauth": { client_id: "app-b", client_secret: "s-b" },
    "team-p/databricks-token": { token: "dapi-p" }
  },
  serviceAccounts: { "team-c/spark": offered("app-c") }
}

const header = (namespace: string) =>
  DatabricksAuth.DatabricksAuth.use((auth) =>
    Effect.flatMap(auth.resolve({ namespace } satisfies AuthRequest.TaskContext), auth.getHeader)
  ).pipe(Effect.map(({ authorization }) => Redacted.value(authorization)))

const refusal = (namespace: string) => Effect.flip(header(namespace))

const on = Layer.provideMerge(AuthMemory.layer(memory), PinnedRandom.layer)
const inside = <A, E>(
  body: (
    controls: AuthMemory.AuthMemory["Service"]
  ) => Effect.Effect<A, E, DatabricksAuth.DatabricksAuth | AuthMemory.AuthMemory>
) => AuthMemory.AuthMemory.use(body).pipe(Effect.provide(on, { local: true }))

describe("the boundary in memory", () => {
  it.effect("gives a token of an hour to each, and tells what it was asked for", () =>
    inside(({ asked }) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* header("team-a"), "Bearer t1")
        assert.strictEqual(yield* header("team-a"), "Bearer t1")
        assert.strictEqual(yield* header("team-c"), "Bearer t2")
        assert.strictEqual(yield* header("team-p"), "Bearer dapi-p")
        assert.deepStrictEqual(
          (yield* asked).map((request) => [request.clientId, "subject" in request]),
          [
            ["app-a", false],
            ["app-c", true]
          ]
        )
      })
    )
  )

  it.effect("refuses one client, or all, as Databricks does, until it is restored", () =>
    inside(({ asked, refuse, restore }) =>
      Effect.gen(function* () {
        yield* refuse("app-a")
        const { message, reason } = yield* refusal("team-a")
        assert.strictEqual(reason._tag, "TokenRefused")
        assert.include(message, "refused client app-a with 401 invalid_client")
        assert.strictEqual(yield* header("team-b"), "Bearer t2")
        yield* refuse()
        assert.strictEqual((yield* refusal("team-c")).reason._tag, "ExchangeRefused")
        yield* restore
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* header("team-a"), "Bearer t4")
        assert.lengthOf(yield* asked, 4)
      })
    )
  )

  it.effect("has an outage that may pass, and goes on with tokens that are good", () =>
    inside(({ outage, restore }) =>
      Effect.gen(function* () {
        yield* header("team-a")
        yield* outage("connection refused")
        assert.strictEqual(yield* header("team-a"), "Bearer t1")
        const error = yield* refusal("team-b")
        assert.isTrue(error.retryable)
        assert.include(error.message, "the last answer: connection refused")
        yield* restore
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* header("team-b"), "Bearer t3")
      })
    )
  )

  it.effect("lets the tokens that it gave end, on a clock that nobody moves", () =>
    inside(({ expire }) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* header("team-a"), "Bearer t1")
        yield* expire
        assert.strictEqual(yield* header("team-a"), "Bearer t2")
        assert.strictEqual(yield* header("team-a"), "Bearer t2")
        yield* expire
        assert.strictEqual(yield* header("team-a"), "Bearer t3")
      })
    )
  )

  it.live("does so on the real clock too", () =>
    inside(({ expire }) =>
      Effect.gen(function* () {
        yield* header("team-a")
        yield* expire
        assert.strictEqual(yield* header("team-a"), "Bearer t2")
      })
    )
  )
})

describe("pinned chance", () => {
  it.effect("makes the moment of a renewal one that a test may count on", () =>
    inside(({ asked }) =>
      Effect.gen(function* () {
        yield* header("team-a")
        yield* TestClock.adjust("2119999 millis")
        yield* header("team-a")
        assert.lengthOf(yield* asked, 1)
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* header("team-a"), "Bearer t1")
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* header("team-a"), "Bearer t2")
      })
    )
  )
})
