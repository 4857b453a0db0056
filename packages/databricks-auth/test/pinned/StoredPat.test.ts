import { IdentityRecord } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Option, Redacted } from "effect"
import { asked, auth, oauth, on, pair, poll, submit, teamA } from "../support/connector.ts"
import { instance } from "../support/environment.ts"
import { bearer } from "../support/tokens.ts"

describe("a token in job metadata", () => {
  const pats = {
    cluster: { "team-a/databricks-token": { token: "dapi-a" } },
    secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }
  }
  const tokenOf = ({ authToken }: IdentityRecord.IdentityRecord) =>
    Option.getOrUndefined(Option.map(authToken, Redacted.value))

  it.effect("is a namespace's PAT, since older connectors need it to poll, and nothing beside it", () =>
    Effect.gen(function* () {
      const { authToken, ...rest } = yield* submit(teamA)
      assert.strictEqual(Redacted.value(Option.getOrThrow(authToken)), "dapi-a")
      assert.strictEqual(String(Option.getOrThrow(authToken)), "<redacted:PAT>")
      assertEquals({ ...rest, authToken: Option.none() }, IdentityRecord.empty(instance))
    }).pipe(on(pats))
  )

  it.effect("is not the connector's, which older connectors have themselves: of such a run nothing is recorded", () =>
    Effect.gen(function* () {
      assertEquals(yield* submit({ namespace: "team-b" }), IdentityRecord.empty(instance))
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

  const refused = (recorded: IdentityRecord.IdentityRecord) =>
    Effect.gen(function* () {
      const boundary = yield* auth
      const credential = yield* boundary.recall(recorded)
      const old = yield* boundary.getHeader(credential)
      assert.strictEqual(bearer(old), "Bearer dapi-a")
      yield* boundary.invalidate(credential, old)
      return yield* boundary.getHeader(credential)
    })
  /** With the Secret's name, as this connector wrote it before it left that to what `persistPat` says. */
  const withItsSource = {
    ...IdentityRecord.empty(instance),
    authType: Option.some("pat" as const),
    authToken: Option.some(Redacted.make("dapi-a")),
    namespace: Option.some("team-a"),
    oauthSecretName: Option.some("databricks-token")
  }

  it.effect("is used first, and once it was refused its source is, where that is recorded", () =>
    Effect.gen(function* () {
      assert.strictEqual(bearer(yield* refused(withItsSource)), "Bearer dapi-a2")
    }).pipe(on({ ...pats, cluster: { "team-a/databricks-token": { token: "dapi-a2" } } }))
  )

  it.effect("that was refused, with its source gone, is an error: never another PAT", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(refused(withItsSource))).reason._tag, "CredentialsMissing")
    }).pipe(on({ secrets: pats.secrets }))
  )

  it.effect("that was refused, with no source recorded, stays the only one: never another PAT", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on(pats))
      for (const cluster of [{ "team-a/databricks-token": { token: "dapi-a2" } }, {}]) {
        assert.strictEqual(bearer(yield* refused(recorded).pipe(on({ ...pats, cluster }))), "Bearer dapi-a")
      }
    })
  )

  it.effect("needs no source to poll with", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on(pats))
      assert.strictEqual(bearer(yield* poll(recorded).pipe(on({}))), "Bearer dapi-a")
    })
  )
})
