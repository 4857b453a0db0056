/**
 * `connector serve`: the connector as Flyte's deployment runs it.
 */
import { NodeServices } from "@effect/platform-node"
import { AuthSummary, ConnectorSecrets } from "@flyte-databricks/databricks-auth"
import * as Config from "effect/Config"
import type * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as ConnectorServer from "./ConnectorServer.ts"
import * as Signals from "./Signals.ts"
import * as DatabricksConnector from "../DatabricksConnector.ts"
import * as Address from "../grpc/Address.ts"
import * as Server from "../grpc/Server.ts"
import * as Logging from "../telemetry/Logging.ts"
import * as MetricsServer from "../telemetry/MetricsServer.ts"
import * as Telemetry from "../telemetry/Telemetry.ts"
import { version } from "../Version.ts"
import * as SettingValue from "../SettingValue.ts"
import * as Variables from "./Variables.ts"

/** A flag that is a variable too: the setting that one of them says, or the default. It is read when it is needed. */
const flag = <A>(name: string, about: string, variable: string, kind: SettingValue.Kind<A>, byDefault: A) =>
  Flag.String(name).pipe(
    Flag.withDescription(`${about}; ${variable}, else ${kind.write(byDefault)}`),
    Flag.optional,
    Flag.map(
      Option.match({
        onNone: () => SettingValue.setting(variable, kind, byDefault),
        onSome: (written) => SettingValue.setting(variable, kind, byDefault, { name: `--${name}`, written })
      })
    )
  )

const port = SettingValue.integer(0, 65535)
// gRPC takes a negative limit for none.
const limit = SettingValue.integer(1)
const wait = SettingValue.durationBetween("0 seconds", "24 hours")

// LISTEN is in the names because Kubernetes sets a variable for the port of every Service in the namespace, and one may
// well be named flyte-databricks.
export const flags = {
  listen: flag(
    "listen",
    "Where to listen instead of a host and a port",
    "FLYTE_DATABRICKS_LISTEN",
    Address.kind,
    Option.none()
  ),
  host: flag("host", "Address to listen on", "FLYTE_DATABRICKS_LISTEN_HOST", SettingValue.address, "0.0.0.0"),
  port: flag("port", "Port to listen on, 0 for any", "FLYTE_DATABRICKS_LISTEN_PORT", port, 8000),
  // Written as Flyte's own connector has it: its chart passes it.
  prometheusPort: flag(
    "prometheus_port",
    "Port for Prometheus, 0 for none",
    "FLYTE_DATABRICKS_PROMETHEUS_PORT",
    port,
    9090
  ),
  maxMessageBytes: flag(
    "max-message-bytes",
    "Largest gRPC request that is read",
    "FLYTE_DATABRICKS_MAX_MESSAGE_BYTES",
    SettingValue.bytes,
    4 * 1024 * 1024
  ),
  maxConcurrentStreams: flag(
    "max-concurrent-streams",
    "Calls that one connection may have under way",
    "FLYTE_DATABRICKS_MAX_CONCURRENT_STREAMS",
    limit,
    1000
  ),
  maxConnectionAge: flag(
    "max-connection-age",
    "When clients are asked to connect anew, so that they find further replicas",
    "FLYTE_DATABRICKS_MAX_CONNECTION_AGE",
    SettingValue.durationBetween("1 second", "20 days"),
    Duration.minutes(5)
  ),
  drainDelay: flag(
    "drain-delay",
    "How long it serves on as before after SIGTERM, until others have heard of it",
    "FLYTE_DATABRICKS_DRAIN_DELAY",
    wait,
    Duration.seconds(5)
  ),
  drainTimeout: flag(
    "drain-timeout",
    "How long it may take to end after SIGTERM, calls under way included",
    "FLYTE_DATABRICKS_DRAIN_TIMEOUT",
    wait,
    Duration.seconds(25)
  )
}

/** The settings that `flags` say. */
type Given = { readonly [Name in keyof Options]: Config.Config<Options[Name]> }

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

const serve = (
  { listen, ...options }: Options,
  unread: Effect.Effect<ReadonlyArray<string>, ConfigProvider.SourceError>
) =>
  Effect.gen(function* () {
    const secrets = yield* ConnectorSecrets.ConnectorSecrets
    const { address, health, port } = yield* Server.Server
    yield* MetricsServer.serve(options.host, options.prometheusPort, secrets, health)
    const summary = yield* AuthSummary.AuthSummary
    yield* Effect.logInfo(`${DatabricksConnector.connectorName} is listening on ${Address.show(address)}`).pipe(
      Effect.annotateLogs({ version, port, ...(yield* summary.describe) })
    )
    for (const warning of [...summary.warnings, ...(yield* unread)]) yield* Effect.logWarning(warning)
    return yield* Effect.never
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.provide(ConnectorSecrets.layer, NodeServices.layer)),
    Effect.provide(ConnectorServer.layer(Option.isNone(listen) ? options : { ...options, address: listen.value })),
    Effect.onInterrupt(() => Effect.logInfo("Stopped"))
  )

/**
 * Serves until it is told to stop, or says why it does not start.
 */
export const run = (given: Given): Effect.Effect<never, { readonly _tag: "StartUpFailed" }> =>
  Effect.flatMap(Variables.watched, ({ layer, warnings }) =>
    Effect.flatMap(Config.all(given), (options) => Effect.andThen(Signals.ignored, serve(options, warnings))).pipe(
      Effect.scoped,
      // It ends after the calls, whose spans it still sends.
      Effect.provide(Layer.provideMerge(Telemetry.layer, Logging.layer)),
      Effect.provide(layer)
    )
  ).pipe(
    Effect.catch((error) => {
      const { message } = error._tag === "ConfigError" ? error.cause : error
      return Effect.andThen(
        Console.error(`The connector did not start.\n\n${message}`),
        Effect.fail(new StartUpFailed())
      )
    })
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
