/**
 * `connector serve`: the connector as Flyte's deployment runs it.
 */
import { AuthSummary } from "@flyte-databricks/databricks-auth"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as ConnectorServer from "./ConnectorServer.ts"
import * as Signals from "./Signals.ts"
import * as DatabricksConnector from "../DatabricksConnector.ts"
import * as Address from "../grpc/Address.ts"
import * as Door from "../grpc/Door.ts"
import * as Server from "../grpc/Server.ts"
import * as Logging from "../telemetry/Logging.ts"
import * as MetricsServer from "../telemetry/MetricsServer.ts"

// gRPC takes a negative limit for none.
const positive = Schema.Int.check(Schema.isGreaterThan(0))

// LISTEN is in the names because Kubernetes sets a variable for the port of every Service in the namespace, and one may
// well be named flyte-databricks.
export const flags = {
  listen: Flag.String("listen").pipe(
    Flag.withDescription(
      "Where to listen instead of a host and a port: unix:/PATH or HOST:PORT; FLYTE_DATABRICKS_LISTEN, else those"
    ),
    Flag.filterMap(Address.parse, (text) => `Expected ${Address.expected}, got ${text.slice(0, 200)}`),
    Flag.optional
  ),
  host: Flag.String("host").pipe(
    Flag.withDescription("Address to listen on; FLYTE_DATABRICKS_LISTEN_HOST, else 0.0.0.0"),
    Flag.withFallbackConfig(Config.String("FLYTE_DATABRICKS_LISTEN_HOST")),
    Flag.withDefault("0.0.0.0")
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription("Port to listen on, 0 for any; FLYTE_DATABRICKS_LISTEN_PORT, else 8000"),
    Flag.withFallbackConfig(Config.Int("FLYTE_DATABRICKS_LISTEN_PORT")),
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65535 }))),
    Flag.withDefault(8000)
  ),
  // Written as Flyte's own connector has it: its chart passes it.
  prometheusPort: Flag.Int("prometheus_port").pipe(
    Flag.withDescription("Port for Prometheus, 0 for none; FLYTE_DATABRICKS_PROMETHEUS_PORT, else 9090"),
    Flag.withFallbackConfig(Config.Int("FLYTE_DATABRICKS_PROMETHEUS_PORT")),
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65535 }))),
    Flag.withDefault(9090)
  ),
  maxMessageBytes: Flag.Int("max-message-bytes").pipe(
    Flag.withDescription("Largest gRPC request that is read; FLYTE_DATABRICKS_MAX_MESSAGE_BYTES, else 4 MiB"),
    Flag.withFallbackConfig(Config.Int("FLYTE_DATABRICKS_MAX_MESSAGE_BYTES")),
    Flag.withSchema(positive),
    Flag.withDefault(4 * 1024 * 1024)
  ),
  maxConcurrentStreams: Flag.Int("max-concurrent-streams").pipe(
    Flag.withDescription(
      "Calls that one connection may have under way; FLYTE_DATABRICKS_MAX_CONCURRENT_STREAMS, else 1000"
    ),
    Flag.withFallbackConfig(Config.Int("FLYTE_DATABRICKS_MAX_CONCURRENT_STREAMS")),
    Flag.withSchema(positive),
    Flag.withDefault(1000)
  ),
  maxConnectionAge: Flag.String("max-connection-age").pipe(
    Flag.withDescription(
      "When clients are asked to connect anew, so that they find further replicas; " +
        "FLYTE_DATABRICKS_MAX_CONNECTION_AGE, else 5 minutes"
    ),
    Flag.withSchema(Schema.DurationFromString),
    Flag.withFallbackConfig(Config.Duration("FLYTE_DATABRICKS_MAX_CONNECTION_AGE")),
    Flag.withDefault(Duration.minutes(5))
  ),
  drainDelay: Flag.String("drain-delay").pipe(
    Flag.withDescription(
      "How long it serves on as before after SIGTERM, until others have heard of it; " +
        "FLYTE_DATABRICKS_DRAIN_DELAY, else 5 seconds"
    ),
    Flag.withSchema(Schema.DurationFromString),
    Flag.withFallbackConfig(Config.Duration("FLYTE_DATABRICKS_DRAIN_DELAY")),
    Flag.withDefault(Duration.seconds(5))
  ),
  drainTimeout: Flag.String("drain-timeout").pipe(
    Flag.withDescription(
      "How long it may take to end after SIGTERM, calls under way included; FLYTE_DATABRICKS_DRAIN_TIMEOUT, else 25 seconds"
    ),
    Flag.withSchema(Schema.DurationFromString),
    Flag.withFallbackConfig(Config.Duration("FLYTE_DATABRICKS_DRAIN_TIMEOUT")),
    Flag.withDefault(Duration.seconds(25))
  )
}

/**
 * The connector did not start. What is wrong has been printed by then, so that nothing else is.
 */
class StartUpFailed extends Data.TaggedError("StartUpFailed")<{}> {
  override readonly [Runtime.errorReported] = false
}

interface Options extends Omit<Server.Options, "address"> {
  readonly listen: Option.Option<Address.Address>
  readonly prometheusPort: number
}

const serve = Effect.fnUntraced(function* ({ listen, ...options }: Options) {
  const address = Option.getOrUndefined(Option.isSome(listen) ? listen : yield* Door.address)
  return yield* Effect.gen(function* () {
    yield* MetricsServer.serve(options.host, options.prometheusPort)
    const summary = yield* AuthSummary.AuthSummary
    const { address, port } = yield* Server.Server
    yield* Effect.logInfo(`${DatabricksConnector.connectorName} is listening on ${Address.show(address)}`).pipe(
      Effect.annotateLogs({ port, ...(yield* summary.describe) })
    )
    return yield* Effect.never
  }).pipe(
    Effect.scoped,
    Effect.provide(ConnectorServer.layer(address === undefined ? options : { ...options, address })),
    Effect.onInterrupt(() => Effect.logInfo("Stopped"))
  )
})

/**
 * Serves until it is told to stop, or says why it does not start.
 */
export const run = (options: Options): Effect.Effect<never, { readonly _tag: "StartUpFailed" }> =>
  Effect.andThen(Signals.ignored, serve(options)).pipe(
    Effect.scoped,
    Effect.provide(Logging.layer),
    Effect.catch((error) =>
      Effect.andThen(
        Console.error(`The connector did not start.\n\n${error.message}`),
        Effect.fail(new StartUpFailed())
      )
    )
  )

export const command = Command.make("serve", flags, run).pipe(
  Command.withDescription(
    "Serve Flyte's gRPC calls. Settings come from the environment (FLYTE_DATABRICKS_INSTANCE, FLYTE_DATABRICKS_AUTH_TYPE, …); " +
      "README.md lists them all."
  ),
  Command.withExamples([
    { command: "connector serve --port 8000", description: "Listen where Flyte's Helm chart expects the connector" },
    {
      command: "FLYTE_DATABRICKS_AUTH_TYPE=oauth_m2m connector serve",
      description: "Refuse every task that client credentials cannot serve"
    }
  ])
)
