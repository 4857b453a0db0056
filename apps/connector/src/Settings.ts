/**
 * The connector's own settings. As everywhere, a blank value counts as unset; one that is not valid is an error, so that
 * the connector does not start.
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const variable = (name: string): Config.Config<Option.Option<string>> =>
  Config.option(Config.String(name)).pipe(
    Config.map(Option.flatMap((value) => Option.liftPredicate(value.trim(), (trimmed) => trimmed !== "")))
  )

const isBounded = Schema.makeFilter(
  (duration: Duration.Duration) =>
    (Duration.isFinite(duration) && !Duration.isNegative(duration)) || "expected a duration that is not negative"
)

const duration = (name: string, byDefault: Duration.Input): Config.Config<Duration.Duration> =>
  Config.flatMap(
    variable(name),
    Option.match({
      onNone: () => Config.succeed(Duration.fromInputUnsafe(byDefault)),
      onSome: () => Config.schema(Schema.Trim.pipe(Schema.decodeTo(Schema.DurationFromString.check(isBounded))), name)
    })
  )

/** The service credential of Unity Catalog that serverless tasks get unless they say otherwise. */
export const serviceCredentialProvider = variable("FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER")

/**
 * How long polls of a run may fail in a row, for reasons that may pass, before the task is given up. An outage is the
 * worst time for that: neither a cancel nor a new attempt would get through, each burns a retry, and the run itself
 * usually goes on. So it is longer than outages last; it ends at all so that a workspace that is gone for good does not
 * leave tasks RUNNING for ever.
 */
export const pollPatience = duration("FLYTE_DATABRICKS_POLL_PATIENCE", "12 hours")
