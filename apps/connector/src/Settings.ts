/**
 * The connector's own settings. As everywhere, a blank value counts as unset; one that is not valid is an error, so that
 * the connector does not start.
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const variable = (name: string): Config.Config<Option.Option<string>> =>
  Config.option(Config.String(name)).pipe(
    Config.map(Option.flatMap((value) => Option.liftPredicate(value.trim(), (trimmed) => trimmed !== "")))
  )

const isBounded = Schema.makeFilter(
  (duration: Duration.Duration) =>
    (Duration.isFinite(duration) && !Duration.isNegative(duration)) || "expected a duration, finite and not negative"
)

const duration = (name: string, byDefault: Duration.Input): Config.Config<Duration.Duration> =>
  Config.flatMap(
    variable(name),
    Option.match({
      onNone: () => Config.succeed(Duration.fromInputUnsafe(byDefault)),
      onSome: () => Config.schema(Schema.Trim.pipe(Schema.decodeTo(Schema.DurationFromString.check(isBounded))), name)
    })
  )

/** The task types of Flyte's own connector, all of version 0. */
export const knownTaskTypes = ["spark", "databricks"] as const

/** Words between commas. */
export const listed = (text: string): ReadonlyArray<string> => text.split(",").flatMap((word) => word.trim() || [])

const isTaskTypes = Schema.makeFilter((text: string) => {
  const unknown = listed(text).find((word) => !knownTaskTypes.some((known) => known === word))
  if (unknown !== undefined) return `expected ${knownTaskTypes.join(" and ")}, got ${unknown.slice(0, 50)}`
  return listed(text).length > 0 || `expected one of ${knownTaskTypes.join(" and ")} at least`
})

/**
 * The task types that Flyte is told of and that are created here. `spark` may belong to Flyte's Kubernetes plugin.
 */
export const taskTypes: Config.Config<ReadonlyArray<string>> = Config.flatMap(
  variable("FLYTE_DATABRICKS_TASK_TYPES"),
  Option.match({
    onNone: () => Config.succeed<ReadonlyArray<string>>(knownTaskTypes),
    onSome: () => Config.map(Config.schema(Schema.String.check(isTaskTypes), "FLYTE_DATABRICKS_TASK_TYPES"), listed)
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

const firstOf = (lower: string, upper: string): Config.Config<Option.Option<string>> =>
  Config.all([variable(lower), variable(upper)]).pipe(
    Config.map(([first, second]) => Option.orElse(first, () => second))
  )

/** The proxy to Databricks. It may hold a password. */
export const httpsProxy = firstOf("https_proxy", "HTTPS_PROXY").pipe(
  Config.map(Option.map((url) => Redacted.make(url)))
)

/** What is reached without the proxy: names, `.suffixes`, `*.wildcards`, each with a port or without, or `*`. */
export const noProxy = firstOf("no_proxy", "NO_PROXY")

export const caFileName = "FLYTE_DATABRICKS_CA_FILE"

/** A file of certificate authorities to trust at Databricks and the proxy, beside those that Node.js trusts. */
export const caFile = variable(caFileName)

/** Node.js takes "0" for a wish not to verify certificates. */
export const verifiesCertificates = variable("NODE_TLS_REJECT_UNAUTHORIZED")

/**
 * How long a create rides out what may pass. A failed create costs one of the task's retries, and Flyte 2 uses them up
 * within milliseconds; but one that waits holds one of propeller's few workers, and an abort that comes meanwhile never
 * reaches the run.
 */
export const createPatience = duration("FLYTE_DATABRICKS_CREATE_PATIENCE", "5 seconds")

/** Where to listen, in place of a host and a port. */
export const listen = variable("FLYTE_DATABRICKS_LISTEN")

/** The server's certificate with its chain, and its key; and the authorities of clients that have a certificate. */
export const tlsCertFile = variable("FLYTE_DATABRICKS_TLS_CERT_FILE")
export const tlsKeyFile = variable("FLYTE_DATABRICKS_TLS_KEY_FILE")
export const tlsClientCaFile = variable("FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE")

/** The names (DNS, SPIFFE) of clients, one of which has to be in a certificate. */
export const tlsAllowedClients = variable("FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS")

/** The ServiceAccounts, as `namespace/name`, whose pods may call. */
export const callers = variable("FLYTE_DATABRICKS_CALLERS")
