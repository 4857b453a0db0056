/** What is shown of a credential, in each of its states. */
import { type AuthError, type Credential, TokenStatus } from "@flyte-databricks/databricks-auth"
import type * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import * as TokenEntry from "@flyte-databricks/databricks-auth/tokens/TokenEntry"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Deferred, Exit, Redacted, Ref, Schema } from "effect"
import { credentialOf, outage } from "../support/tokens.ts"

const credential = credentialOf("team-a")
const { identity } = credential
const slot: TokenEntries.Slot = { credential, entry: Ref.makeUnsafe(TokenEntry.empty), lastUsedAt: 7 }
const known = { identity, lastUsedAt: 7 }

const times = { issuedAt: 10, refreshAt: 20, urgentAt: 30, usableUntil: 40, expiresAt: 50 }
const moments = { issuedAt: 10, refreshAt: 20, usableUntil: 40, expiresAt: 50 }
const held: TokenEntry.Held = {
  header: Exit.succeed({ authorization: Redacted.make("Bearer t") }) as TokenEntry.Held["header"],
  builtFrom: Redacted.make("s"),
  times
}

const result = Deferred.makeUnsafe<Credential.AuthHeader, AuthError.AuthError>()
const progress = (lastAnswer: string | undefined) => ({ endpoint: "https://e", attempts: 1, lastAnswer })
const fetching = (lastAnswer?: string) =>
  ({
    _tag: "Fetching",
    refused: false,
    request: "first",
    outdated: undefined,
    result,
    progress: lastAnswer === undefined ? undefined : progress(lastAnswer)
  }) as const
const refreshing = (lastAnswer?: string) =>
  ({ _tag: "Refreshing", refused: false, failures: 0, held, result, progress: progress(lastAnswer) }) as const
const fresh = (failures = 0, failure?: AuthError.AuthError) =>
  ({ _tag: "Fresh", refused: false, held, refreshAt: 25, failures, failure }) as const
const failed = { _tag: "Failed", refused: false, error: outage, until: 30 } as const

describe("the status of a credential", () => {
  const cases: ReadonlyArray<
    readonly [what: string, entry: TokenEntry.Entry, now: number, expected: Partial<TokenStatus.TokenStatus>]
  > = [
    ["that has no token", TokenEntry.empty, 0, { state: "empty" }],
    ["that is asked for", fetching(), 0, { state: "fetching" }],
    ["that is asked for again", fetching("status 503"), 0, { state: "fetching", failure: "status 503" }],
    ["that has a token", fresh(), 39, { state: "fresh", ...moments, refreshAt: 25 }],
    ["whose token ended", fresh(), 40, { state: "expired", ...moments, refreshAt: 25 }],
    [
      "whose token could not be renewed",
      fresh(1, outage),
      39,
      { state: "fresh", ...moments, refreshAt: 25, failure: outage.message, retryAt: 25 }
    ],
    [
      "whose token could not be renewed because of a defect",
      fresh(2),
      39,
      { state: "fresh", ...moments, refreshAt: 25, failure: "an unexpected error", retryAt: 25 }
    ],
    ["whose token is renewed", refreshing(), 39, { state: "refreshing", ...moments }],
    ["whose token ended while it is renewed", refreshing(), 40, { state: "fetching", ...moments }],
    [
      "whose token is renewed with difficulty",
      refreshing("status 429"),
      39,
      { state: "refreshing", ...moments, failure: "status 429" }
    ],
    ["that was refused lately", failed, 29, { state: "failed", failure: outage.message, retryAt: 30 }],
    ["that was refused some time ago", failed, 30, { state: "empty" }]
  ]

  it.each(cases)("%s", (_, entry, now, expected) => {
    const status = TokenStatus.statusOf(slot, entry, now)
    assertEquals({ ...status }, { ...known, ...expected })
    assert.isTrue(Schema.is(TokenStatus.TokenStatus)(status))
  })

  it("is of these states alone", () => {
    assert.isFalse(Schema.is(TokenStatus.TokenStatus)({ ...known, state: "unknown" }))
  })
})
