/**
 * `connector doctor`: whether this deployment is sound.
 */
import { PodAddresses, SelfReview } from "@flyte-databricks/kubernetes"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Catalogue from "@flyte-databricks/diagnosis/Catalogue"
import * as Report from "@flyte-databricks/diagnosis/Report"
import * as Doctor from "../diagnose/Doctor.ts"
import * as Environment from "../diagnose/Environment.ts"
import * as Output from "../diagnose/Output.ts"
import * as Address from "../grpc/Address.ts"
import * as Audit from "../audit/Audit.ts"
import * as Door from "../grpc/Door.ts"
import * as Settings from "../Settings.ts"
import * as Logging from "../telemetry/Logging.ts"
import { version } from "../Version.ts"
import * as Explain from "./Explain.ts"
import * as Serve from "./Serve.ts"

const flags = {
  pre: Flag.Boolean("pre").pipe(
    Flag.withDescription("Look only at what holds before the connector is installed"),
    Flag.withDefault(false)
  ),
  namespaces: Flag.String("namespace").pipe(
    Flag.withDescription("Explain this namespace too, and ask for rights in it; may be repeated"),
    Flag.atLeast(0)
  ),
  allNamespaces: Flag.Boolean("all-namespaces").pipe(
    Flag.withDescription("Explain every namespace that is served: the worklist of a move from PATs"),
    Flag.withDefault(false)
  ),
  wait: Flag.String("wait").pipe(
    Flag.withDescription("Look again until there is no error, for this long, as in 2m or 30 seconds"),
    Flag.optional
  ),
  skip: Flag.String("skip").pipe(
    Flag.withDescription("Leave findings of this code out; may be repeated"),
    Flag.atLeast(0)
  ),
  address: Flag.String("address").pipe(
    Flag.withDescription(
      "Where the connector listens, HOST:PORT or unix:/PATH; what serve goes by here, if none is named"
    ),
    Flag.filterMap(Address.parse, (text) => `Expected ${Address.expected}, got ${text.slice(0, 200)}`),
    Flag.optional
  ),
  short: Flag.Boolean("short").pipe(Flag.withDescription("Print findings alone, one a line"), Flag.withDefault(false)),
  failOn: Flag.Literals("fail-on", ["error", "warning"]).pipe(
    Flag.withDescription("warning: exit with 2 where there are only warnings"),
    Flag.withDefault("error")
  ),
  format: Explain.format
}

type Options = Command.Command.Config.Infer<typeof flags>

const pause = Duration.seconds(2)

const run = Effect.fnUntraced(function* ({
  pre,
  namespaces,
  allNamespaces,
  wait,
  skip,
  address,
  short,
  failOn,
  format
}: Options) {
  const unknown = skip.find((code) => !Catalogue.codes.some((known) => known === code))
  if (unknown !== undefined) {
    return yield* Output.misused(`--skip ${unknown.slice(0, 50)}: expected a code of docs/diagnosis.md, as in FDC501.`)
  }
  if (allNamespaces && namespaces.length > 0) {
    return yield* Output.misused("--namespace and --all-namespaces exclude each other.")
  }
  const patience = Option.map(wait, readDuration)
  if (Option.isSome(patience) && patience.value === undefined) {
    return yield* Output.misused("--wait: expected a duration, as in 2m or 30 seconds.")
  }
  const asked = { pre, namespaces, allNamespaces, address, serving: yield* serving }

  const look = Output.progress("Looking…", Effect.map(found(asked), without(skip)))
  const start = yield* Clock.currentTimeMillis
  let seen = yield* look
  const isUnsound = () => Report.exitCodeOf(Report.entriesOf(seen), failOn) !== Report.exits.sound
  const until =
    start + (Option.isSome(patience) && patience.value !== undefined ? Duration.toMillis(patience.value) : 0)
  while (isUnsound() && (yield* Clock.currentTimeMillis) + Duration.toMillis(pause) <= until) {
    yield* Effect.sleep(pause)
    seen = yield* look
  }
  const exitCode =
    Option.isSome(wait) && isUnsound() ? Report.exits.waited : Report.exitCodeOf(Report.entriesOf(seen), failOn)
  yield* Output.finish({ version: Report.version, command: "doctor", exitCode, ...seen }, format, short)
})

type Found = Pick<Report.Report, "checks" | "explanations">

const found = (asked: Doctor.Asked) =>
  Doctor.examine(asked).pipe(
    Effect.provide(Layer.provideMerge(SelfReview.layerConfig, Environment.layer), { local: true }),
    Effect.scoped,
    Effect.catch((failure) =>
      Effect.map(Environment.unstarted(failure), (checks): Found => ({ checks, explanations: [] }))
    )
  )

/** Findings of these codes are left out; what waits for one is left as it is. */
const without =
  (codes: ReadonlyArray<string>) =>
  ({ checks, explanations }: Found): Found => {
    const keep = ({ status, code }: Report.Entry) => status === "skipped" || code === undefined || !codes.includes(code)
    return {
      checks: checks.filter(keep),
      explanations: explanations.map((explanation) => ({ ...explanation, checks: explanation.checks.filter(keep) }))
    }
  }

// As Go's tools have it, or as the settings do.
const units: Readonly<Record<string, string>> = { s: "seconds", m: "minutes", h: "hours" }
const readDuration = (text: string): Duration.Duration | undefined =>
  Option.getOrUndefined(
    Schema.decodeUnknownOption(Schema.DurationFromString)(
      text.trim().replace(/^(\d+)([smh])$/, (_, count: string, unit: string) => `${count} ${units[unit]}`)
    )
  )

// What `serve` reads where it is given no flag, beside the settings of authentication.
const serving = Effect.gen(function* () {
  const services = yield* Effect.context<Command.Environment>()
  return Effect.all(
    [
      Command.runWith(
        Command.make("serve", Serve.flags, (given) => Config.all(given)),
        { version }
      )([]),
      Config.all([
        Settings.taskTypes,
        Settings.createPatience,
        Settings.pollPatience,
        Settings.maxConcurrentRequests,
        Settings.submitsPerSecond,
        Settings.getsPerSecond,
        Logging.format,
        Logging.level
      ]),
      Audit.settings,
      Door.make(PodAddresses.layerNone)
    ],
    { discard: true }
  ).pipe(
    Effect.scoped,
    Effect.mapError((error) => (error._tag === "ConfigError" ? error.cause : error)),
    Effect.provideContext(services)
  )
})

export const command = Command.make("doctor", flags, run).pipe(
  Command.withDescription(
    "Say whether this deployment is sound: settings, cluster, rights, issuer, the way to Databricks, the connector's own identity, " +
      "its port and its process; with --namespace or --all-namespaces those of namespaces too. It changes nothing. " +
      "Exit code: 0 sound, 1 error, 2 warnings (with --fail-on warning), 3 usage, 124 --wait ran out."
  ),
  Command.withExamples([
    { command: "connector doctor --pre", description: "Before the connector is installed" },
    { command: "connector doctor --all-namespaces --short", description: "What is left to do, in every namespace" },
    { command: "connector doctor --wait 2m --fail-on warning", description: "In a job after an installation" }
  ])
)
