/**
 * Shows when the connector's own projected JWT ends (Model 1). A token that is no longer rotated is seen before the first
 * exchange fails, so the file is read now and then, whether tasks need it or not.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { ConnectorSettings } from "../request/ConnectorSettings.ts"
import * as MetricFamily from "../telemetry/MetricFamily.ts"
import { filesOf, ProjectedToken } from "./ProjectedToken.ts"

const every = "1 minute"

/** In seconds; none where the connector has no such JWT. */
const expiry = Effect.gen(function* () {
  const tokens = yield* ProjectedToken
  const settings = yield* ConnectorSettings
  if (Option.isNone(yield* tokens.clientId)) return Number.NaN
  const { named, own } = filesOf(settings)
  const jwt = yield* tokens.read(own)
  // EKS sets the variable of AWS on every pod with an IAM role.
  const isOurs = Option.filter(
    jwt,
    ({ claims }) => Option.isSome(named) || claims.audiences.includes(settings.oidcAudience)
  )
  return Option.getOrUndefined(isOurs)?.claims.exp ?? Number.NaN
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
