import { TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { connectorClaims, jwtText } from "../support/jwt.ts"
import { defaultPath, type Entry, header, inside, refusal, resolve, submit } from "../support/oidc.ts"
import { assertNoSecret, shownAs } from "../support/secrecy.ts"

const app = { FLYTE_DATABRICKS_CLIENT_ID: "app-1" }

describe("a token of Model 1", () => {
  it.effect("is exchanged for the JWT that is in the file at that moment, once for all namespaces", () =>
    inside({ env: app, files: { [defaultPath]: jwtText({ ...connectorClaims, sub: "one" }) } }, ({ files }) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* submit(), "Bearer app-1-as-one-1")
        assert.strictEqual(yield* submit({}, "team-b"), "Bearer app-1-as-one-1")
        yield* files.write(defaultPath, jwtText({ ...connectorClaims, sub: "two", exp: 7200 }))
        assert.strictEqual(yield* submit(), "Bearer app-1-as-one-1", "the token is still good")
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* submit(), "Bearer app-1-as-two-2")
        const { requests } = yield* TokenEndpoint.TokenEndpointMemory
        assert.lengthOf(yield* requests, 2)
      })
    )
  )

  it.effect("is an error once the file is gone, broken or no longer rotated; and never another mode's", () =>
    Effect.gen(function* () {
      const env = { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi" }
      const later: ReadonlyArray<readonly [Entry | undefined, string]> = [
        [undefined, "does not exist"],
        ["", "is empty"],
        [jwtText().slice(0, 40), "does not hold a JWT"],
        [jwtText(), "holds a JWT that expired at 1970-01-01T01:00:00.000Z: it is no longer rotated"]
      ]
      for (const [entry, problem] of later) {
        yield* inside({ env, files: { [defaultPath]: jwtText() } }, ({ files }) =>
          Effect.gen(function* () {
            const resolved = yield* resolve()
            yield* entry === undefined ? files.remove(defaultPath) : files.write(defaultPath, entry)
            yield* TestClock.adjust("61 minutes")
            const error = yield* Effect.flip(header(resolved))
            assert.strictEqual(error.reason._tag, "CredentialsBroken")
            assert.include(error.message, `JWT file ${defaultPath} (the default path) ${problem}.`)
            assertNoSecret("the error", ...shownAs(error))
            const { requests } = yield* TokenEndpoint.TokenEndpointMemory
            assert.lengthOf(yield* requests, 0)
            yield* files.write(defaultPath, jwtText({ ...connectorClaims, exp: 7200 * 3 }))
            yield* TestClock.adjust("5 seconds")
            assert.include(yield* header(resolved), "app-1-as-")
          })
        )
      }
    })
  )

  it.effect("is exchanged for a JWT that ended within the last minute: Databricks has the last word", () =>
    inside({ env: app, files: { [defaultPath]: jwtText() } }, () =>
      Effect.gen(function* () {
        const resolved = yield* resolve()
        yield* TestClock.adjust(3_659_999)
        assert.include(yield* header(resolved), "app-1-as-")
      })
    )
  )

  it.effect("that is refused is the error, with no other identity in its place", () =>
    Effect.gen(function* () {
      const files = { [defaultPath]: jwtText() }
      const env = { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi" }
      const respond = (request: TokenEndpoint.TokenRequest) =>
        "subject" in request ? Effect.fail(refusal) : Effect.die("another mode was asked")
      const error = yield* Effect.flip(inside({ env, files, respond }, () => submit()))
      assert.strictEqual(error.reason._tag, "ExchangeRefused")
    })
  )

  it.effect("says whether its client id is the connector's own, or a task's choice", () =>
    inside({ env: app, files: { [defaultPath]: jwtText() } }, () =>
      Effect.gen(function* () {
        yield* submit()
        yield* submit({ clientId: "app-2" })
        const { requests } = yield* TokenEndpoint.TokenEndpointMemory
        assert.deepStrictEqual(
          (yield* requests).map(({ clientId, isTaskClient }) => [clientId, isTaskClient]),
          [
            ["app-1", false],
            ["app-2", true]
          ]
        )
      })
    )
  )

  it.effect("says which file its JWT came from, and shows nothing of it", () =>
    inside({ env: app, files: { [defaultPath]: jwtText() } }, () =>
      Effect.gen(function* () {
        const resolved = yield* resolve()
        yield* header(resolved)
        const [request] = yield* Effect.flatMap(TokenEndpoint.TokenEndpointMemory, ({ requests }) => requests)
        assert(request !== undefined && "subject" in request)
        assert.strictEqual(request.source, `JWT file ${defaultPath}`)
        assert.strictEqual(Redacted.value(request.subject.token), jwtText())
        assertNoSecret("what was resolved", ...shownAs(request), ...shownAs(resolved))
      })
    )
  )
})
