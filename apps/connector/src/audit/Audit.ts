/**
 * The record of decisions: who a task was found to be and who was refused, which tokens were given, what was submitted and
 * cancelled, for whom. It is a stream of its own, for people who were not there.
 */
import { redact } from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { shown } from "@flyte-databricks/databricks-auth/request/Variable"
import * as MetricFamily from "@flyte-databricks/databricks-auth/telemetry/MetricFamily"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { LazyArg } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as Call from "../call/Call.ts"
import { AuditUnavailable, ConnectorError } from "../call/ConnectorError.ts"
import * as Settings from "../Settings.ts"
import * as AuditEvent from "./AuditEvent.ts"
import * as Device from "./Device.ts"
import * as Writer from "./Writer.ts"

/** An event without what every event has. */
export type Draft = Omit<AuditEvent.AuditEvent, "version" | "uid" | "time" | "operation" | "caller" | "traceId"> & {
  readonly uid?: string
}

/** Records decisions. */
export class Audit extends Context.Service<
  Audit,
  {
    /** Records what was decided. Nobody waits for it. The draft is made where there is a record alone. */
    readonly record: (draft: LazyArg<Draft>) => Effect.Effect<void>
    /** Records what is about to be done. Where it has to be recorded and cannot be, it fails: then it is not done. */
    readonly recordFirst: (draft: LazyArg<Draft>) => Effect.Effect<void, ConnectorError>
  }
>()("@flyte-databricks/connector/audit/Audit") {}

/** Records nothing. */
export const layerNone: Layer.Layer<Audit> = Layer.succeed(Audit, {
  record: () => Effect.void,
  recordFirst: () => Effect.void
})

/** The setting is wrong, or its file cannot be opened: found when the connector starts. */
export class AuditSettingInvalid extends Data.TaggedError("AuditSettingInvalid")<{
  readonly setting: string
  readonly problem: string
  readonly expected: string
}> {
  override get message() {
    return `${this.setting} ${this.problem}. Expected ${this.expected}.`
  }
}

const events = MetricFamily.counters<"event" | "result">(
  "flyte_databricks_audit_events_total",
  "Audit events by kind and what became of them"
)

const failing = Metric.gauge("flyte_databricks_audit_failing", {
  description: "1 while the audit device takes nothing, else 0"
})

/** An event as it is written, with what is known of the call that it belongs to. */
const complete = (draft: LazyArg<Draft>): Effect.Effect<AuditEvent.AuditEvent> =>
  Effect.gen(function* () {
    const call = yield* Call.current
    const span = Option.getOrUndefined(yield* Effect.option(Effect.currentParentSpan))
    return {
      uid: randomUUID(),
      ...draft(),
      version: AuditEvent.version,
      time: DateTime.formatIso(yield* DateTime.now),
      operation: call?.operation ?? "background",
      ...(call?.caller === undefined ? {} : { caller: call.caller }),
      ...(span === undefined ? {} : { traceId: span.traceId })
    }
  })

/** Records on a device. */
const make = Effect.fnUntraced(function* (
  device: Device.Device,
  isRequired: boolean
): Effect.fn.Return<Audit["Service"], never, Scope.Scope> {
  const services = yield* Effect.context<never>()
  const count = (event: string, result: string) => () =>
    Effect.runForkWith(services)(Metric.update(events({ event, result }), 1))
  yield* Metric.update(failing, 0)
  const writer = yield* Writer.make(
    device,
    {
      changed: Effect.fnUntraced(function* (problem, lost) {
        yield* Metric.update(failing, problem === undefined ? 0 : 1)
        const meanwhile = lost === 0 ? "" : ` ${lost} events were lost: there was no room for them.`
        yield* problem === undefined
          ? Effect.logWarning(`Audit events are written to ${device.name} again.${meanwhile}`)
          : Effect.logError(`Audit events cannot be written to ${device.name}: ${problem}.${consequence(isRequired)}`)
      })
    },
    { isSynced: isRequired }
  )
  const record = (draft: LazyArg<Draft>) =>
    Effect.flatMap(complete(draft), (event) =>
      writer.add(AuditEvent.toLine(event), count(event.event, "written"), count(event.event, "lost"))
    )
  return {
    record,
    recordFirst: (draft) =>
      isRequired
        ? Effect.flatMap(complete(draft), (event) =>
            writer.addAndWait(AuditEvent.toLine(event), count(event.event, "written")).pipe(
              Effect.mapError(
                ({ problem }) => new ConnectorError({ reason: new AuditUnavailable({ device: device.name, problem }) })
              ),
              Effect.tapError(() => Effect.sync(count(event.event, "refused")))
            )
          )
        : record(draft)
  }
})

const consequence = (isRequired: boolean): string =>
  isRequired
    ? ` Nothing is submitted while that lasts, as ${Settings.auditRequiredName}=true says.`
    : " They are kept as long as there is room."

const expected = "stdout, stderr or file:PATH, an absolute path"

const invalid = (problem: string) => new AuditSettingInvalid({ setting: Settings.auditName, problem, expected })

interface Target {
  readonly to: { readonly stream: "stdout" | "stderr" } | { readonly path: string }
  readonly isRequired: boolean
}

/** Where the environment sends events; none where it asks for no record. */
export const settings = Effect.gen(function* (): Effect.fn.Return<
  Option.Option<Target>,
  AuditSettingInvalid | Config.ConfigError
> {
  const written = yield* Settings.audit
  const isRequired = yield* Settings.auditRequired
  if (Option.isNone(written)) {
    // Who asks for a record is not to believe that there is one.
    if (!isRequired) return Option.none()
    return yield* new AuditSettingInvalid({
      setting: Settings.auditRequiredName,
      problem: `is true, and ${Settings.auditName} is not set`,
      expected: `${Settings.auditName}=${expected}`
    })
  }
  const { value } = written
  if (value === "stdout" || value === "stderr") return Option.some({ to: { stream: value }, isRequired })
  const path = value.replace(/^file:/, "")
  if (path === value || !path.startsWith("/")) return yield* invalid(`is "${shown(redact(value), 300)}"`)
  return Option.some({ to: { path }, isRequired })
})

const fileOf = Effect.fnUntraced(function* (path: string) {
  const device = yield* Device.ofFile(path)
  // Whoever reads a FIFO may start later.
  yield* device.ready.pipe(
    Effect.catch(({ problem }) =>
      problem === "ENXIO"
        ? Effect.void
        : invalid(`names ${shown(`file:${path}`, 300)}, which cannot be opened for writing (${problem})`)
    )
  )
  return device
})

/** As the environment says: by default nothing is recorded. */
export const layerConfig: Layer.Layer<Audit, AuditSettingInvalid | Config.ConfigError> = Layer.effect(
  Audit,
  Effect.gen(function* () {
    const given = yield* settings
    if (Option.isNone(given)) return yield* Effect.provide(Audit, layerNone)
    const { isRequired, to } = given.value
    return yield* make("path" in to ? yield* fileOf(to.path) : Device.ofStream(to.stream), isRequired)
  })
)

/** What a record in memory holds, and whether it takes anything. */
export class AuditMemory extends Context.Service<
  AuditMemory,
  {
    readonly events: Effect.Effect<ReadonlyArray<AuditEvent.AuditEvent>>
    /** From now on nothing is recorded, for this reason; or all is. */
    readonly setProblem: (problem: string | undefined) => Effect.Effect<void>
  }
>()("@flyte-databricks/connector/audit/AuditMemory") {}

/** A record in memory, that has to be. */
export const layerMemory: Layer.Layer<Audit | AuditMemory> = Layer.effectContext(
  Effect.gen(function* () {
    const events = yield* Ref.make<ReadonlyArray<AuditEvent.AuditEvent>>([])
    const problem = yield* Ref.make<string | undefined>(undefined)
    const recordFirst = Effect.fnUntraced(function* (draft: LazyArg<Draft>) {
      const found = yield* Ref.get(problem)
      if (found !== undefined) {
        return yield* new ConnectorError({ reason: new AuditUnavailable({ device: "memory", problem: found }) })
      }
      const event = yield* complete(draft)
      return yield* Ref.update(events, (all) => [...all, event])
    })
    return Context.make(Audit, { record: (draft) => Effect.ignore(recordFirst(draft)), recordFirst }).pipe(
      Context.add(AuditMemory, { events: Ref.get(events), setProblem: (found) => Ref.set(problem, found) })
    )
  })
)
