/**
 * What selection shows of itself: decisions who a task is.
 */
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { AuthError } from "../AuthError.ts"
import type { AuthType, Identity } from "../Identity.ts"
import * as MetricFamily from "../telemetry/MetricFamily.ts"

const selections = MetricFamily.counters<"auth_type" | "origin" | "outcome">(
  "flyte_databricks_identity_selections_total",
  "Decisions who a task is"
)

/** Whose the credential of an identity is. */
const originOf = (identity: Identity): "request" | "namespace" | "connector" | "extension" => {
  switch (identity._tag) {
    case "oidc_connector":
      return "connector"
    case "oidc_namespace":
      return "namespace"
    case "extension":
      return "extension"
    case "pat":
    case "oauth_m2m":
      switch (identity.origin._tag) {
        case "NamespaceSecret":
        case "Unrecorded":
          return "namespace"
        case "ConnectorLevel":
          return "connector"
        case "RequestSecret":
        case "StoredToken":
          return "request"
      }
  }
}

/** Counts a decision; where there is no identity, by the auth type that was asked for. */
export const decided = (
  outcome: Result.Result<{ readonly identity: Identity }, AuthError>,
  asked: Option.Option<AuthType>
): Effect.Effect<void> =>
  Metric.update(
    selections(
      Result.isSuccess(outcome)
        ? {
            auth_type: outcome.success.identity.authType,
            origin: originOf(outcome.success.identity),
            outcome: "resolved"
          }
        : {
            auth_type: Option.getOrElse(asked, () => "none"),
            origin: "none",
            outcome: outcome.failure.retryable ? "unavailable" : "refused"
          }
    ),
    1
  )
