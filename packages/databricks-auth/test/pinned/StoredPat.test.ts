import type { IdentityRecord } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { asked, auth, oauth, on, pair, poll, submit, teamA } from "../support/connector.ts"
import { bearer } from "../support/tokens.ts"

describe("a token in job metadata", () => {
  const pats = {
    cluster: { "team-a/databricks-token": { token: "dapi-a" } },
    secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }
  }
  const tokenOf = ({ authToken }: IdentityRecord.IdentityRecord) =>
    Option.getOrUndefined(Option.map(authToken, Redacted.value))

  it.effect("is a PAT's, since older connectors need it to poll", () =>
    Effect.gen(function* () {
      assert.strictEqual(tokenOf(yield* submit(teamA)), "dapi-a")
      assert.strictEqual(tokenOf(yield* submit({ namespace: "team-b" })), "dapi-0")
      const { authToken } = yield* submit(teamA)
      assert.strictEqual(String(Option.getOrThrow(authToken)), "<redacted:PAT>")
    }).pipe(on(pats))
  )

  it.effect("is none where the operator does not let it be written", () =>
    Effect.gen(function* () {
      assert.isUndefined(tokenOf(yield* submit(teamA)))
    }).pipe(on({ ...pats, settings: { persistPat: false } }))
  )

  it.effect("is none of another mode's", () =>
    Effect.gen(function* () {
      for (const surroundings of [
        { cluster: { "team-a/databricks-oauth": oauth } },
        { secrets: pair },
        { secrets: { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }, jwtFile: "/var/run/secrets/databricks/token" }
      ]) {
        yield* Effect.gen(function* () {
          assert.isUndefined(tokenOf(yield* submit(teamA)))
          assert.deepStrictEqual(yield* asked, [], "no token was asked for to record a run")
        }).pipe(on(surroundings))
      }
    })
  )

  it.effect("is used first, and once it was refused its source is: the same identity's", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on(pats))
      yield* Effect.gen(function* () {
        const boundary = yield* auth
        const credential = yield* boundary.recall(recorded)
        const old = yield* boundary.getHeader(credential)
        assert.strictEqual(bearer(old), "Bearer dapi-a")
        yield* boundary.invalidate(credential, old)
        assert.strictEqual(bearer(yield* boundary.getHeader(credential)), "Bearer dapi-a2")
      }).pipe(on({ ...pats, cluster: { "team-a/databricks-token": { token: "dapi-a2" } } }))
    })
  )

  it.effect("that was refused, with its source gone, is an error: never another PAT", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on(pats))
      yield* Effect.gen(function* () {
        const boundary = yield* auth
        const credential = yield* boundary.recall(recorded)
        yield* boundary.invalidate(credential, yield* boundary.getHeader(credential))
        assert.strictEqual((yield* Effect.flip(boundary.getHeader(credential))).reason._tag, "CredentialsMissing")
      }).pipe(on({ secrets: pats.secrets }))
    })
  )

  it.effect("needs no source to poll with", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on(pats))
      assert.strictEqual(bearer(yield* poll(recorded).pipe(on({}))), "Bearer dapi-a")
    })
  )
})
