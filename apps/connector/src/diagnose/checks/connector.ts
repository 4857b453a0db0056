/**
 * The identity that the connector has of its own, and what tasks get that say nothing of theirs.
 */
import { type AuthError, type DatabricksAuth } from "@flyte-databricks/databricks-auth"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as HttpClient from "effect/http/HttpClient"
import { check, type Checked, Finding, firm, type Passed } from "@flyte-databricks/diagnosis/Check"
import * as Explanation from "@flyte-databricks/diagnosis/Explanation"

/** The identity that the connector has of its own, proved; that it has none is no fault. */
export const examine = Effect.fnUntraced(function* (
  auth: DatabricksAuth.DatabricksAuth["Service"],
  warnings: ReadonlyArray<string>,
  ways: Explanation.Ways
): Effect.fn.Return<Checked<void>, never, HttpClient.HttpClient> {
  const { outcome } = yield* auth.explain({})
  const warned = yield* check("connector", firm, () =>
    Effect.succeed({ value: undefined, text: "", noticed: unexpected(warnings, outcome) })
  )
  const proved = yield* prove(auth, outcome, ways)
  return { entries: [...proved.entries, ...warned.entries], ground: firm }
})

/** What `serve` warns of when it starts, but for what is told beside it as an error. */
const unexpected = (
  warnings: ReadonlyArray<string>,
  outcome: Result.Result<unknown, AuthError.AuthError>
): ReadonlyArray<Finding> =>
  warnings
    .filter((warning) => Result.isSuccess(outcome) || !warning.includes(outcome.failure.message))
    // The places that were looked at stand beside it, or in an explanation.
    .map((warning) => new Finding({ code: "FDC012", detail: warning.split("\n")[0]!.replace(/ Looked at:$/, "") }))

const prove = Effect.fnUntraced(function* (
  auth: DatabricksAuth.DatabricksAuth["Service"],
  outcome: DatabricksAuth.Explained["outcome"],
  ways: Explanation.Ways
): Effect.fn.Return<Checked<void>, never, HttpClient.HttpClient> {
  if (Result.isFailure(outcome) && outcome.failure.reason._tag === "CredentialsMissing") {
    return yield* check("connector", firm, () =>
      Effect.succeed({
        value: undefined,
        text: "The connector has no identity of its own; namespaces bring theirs, or their tasks are refused."
      })
    )
  }
  const asked = { context: {}, task: {}, flags: {}, exchange: true }
  const { checks, identity } = yield* Explanation.explain(auth, asked, ways)
  const rotated =
    Result.isSuccess(outcome) && identity?.mode === "oidc_connector"
      ? yield* check("token", firm, () => examineProjected(auth, outcome.success))
      : undefined
  const named = checks.filter(({ check }) => check !== "workspace")
  return {
    entries: [...named, ...(rotated?.entries ?? [])].map((entry) => ({ ...entry, check: `connector ${entry.check}` })),
    ground: firm
  }
})

// A kubelet rotates a token when four fifths of its time are over; the shortest time is ten minutes.
const rotationMargin = 2 * 60_000

const examineProjected = Effect.fnUntraced(function* (
  auth: DatabricksAuth.DatabricksAuth["Service"],
  resolved: DatabricksAuth.Resolved
): Effect.fn.Return<Passed<void>> {
  const described = yield* Effect.orElseSucceed(auth.subject(resolved), () => Option.none())
  if (Option.isNone(described) || resolved.identity._tag !== "oidc_connector") return { value: undefined, text: "" }
  const { exp, audiences } = described.value.claims
  const left = (exp ?? Number.POSITIVE_INFINITY) * 1000 - (yield* Clock.currentTimeMillis)
  const { audience, source } = resolved.identity
  return {
    value: undefined,
    text: "",
    noticed: [
      ...(audiences.includes(audience)
        ? []
        : [
            new Finding({
              code: "FDC307",
              detail: `${source} is for ${audiences.join(", ") || "nobody"}, not for ${audience}.`
            })
          ]),
      ...(left < rotationMargin
        ? [
            new Finding({
              code: "FDC308",
              detail: `${source} ends in ${Math.max(0, Math.round(left / 1000))} seconds.`
            })
          ]
        : [])
    ]
  }
})
