/**
 * Shows when the connector's own projected JWT ends (Model 1). A token that is no longer rotated is seen before the first
 * exchange fails, so the file is read now and then, whether tasks need it or not.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { ConnectorSettings, defaultTokenFile } from "../request/ConnectorSettings.ts"
import * as MetricFamily from "../telemetry/MetricFamily.ts"
import { ProjectedToken, type TokenFile } from "./ProjectedToken.ts"

const every = "1 minute"

/** In seconds; none where the connector has no such JWT. */
const expiry = Effect.gen(function* () {
  const tokens = yield* ProjectedToken
  const { oidcTokenFile, awsTokenFile, oidcAudience } = yield* ConnectorSettings
  if (Option.isNone(yield* tokens.clientId)) return Number.NaN
  const named = Option.map(oidcTokenFile, (path): TokenFile => ({ path, from: "FLYTE_DATABRICKS_OIDC_TOKEN_FILE" }))
  const aws = Option.map(awsTokenFile, (path): TokenFile => ({ path, from: "AWS_WEB_IDENTITY_TOKEN_FILE" }))
  const file = Option.getOrElse(Option.firstSomeOf([named, aws]), (): TokenFile => ({
    path: defaultTokenFile,
    from: "default"
  }))
  const jwt = yield* tokens.read(file)
  // EKS sets the second for AWS on every pod with an IAM role.
  const isOurs = Option.filter(jwt, ({ claims }) => Option.isSome(named) || claims.audiences.includes(oidcAudience))
  return Option.getOrElse(isOurs, () => undefined)?.claims.exp ?? Number.NaN
}).pipe(Effect.orElseSucceed(() => Number.NaN))

/** Shows it for as long as the layer lives. */
export const layer: Layer.Layer<never, never, ProjectedToken | ConnectorSettings> = Layer.effectDiscard(
  Effect.gen(function* () {
    let last = yield* expiry
    yield* MetricFamily.observed(
      "flyte_databricks_projected_token_expiry_timestamp_seconds",
      "When the connector's own projected JWT ends",
      {},
      () => last
    )
    const read = Effect.map(expiry, (found) => (last = found))
    yield* Effect.forkScoped(Effect.delay(read, every).pipe(Effect.repeat(Schedule.forever)))
  })
)
