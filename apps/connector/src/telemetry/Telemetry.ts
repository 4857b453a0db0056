/**
 * What leaves the process to be seen: traces and metrics by OTLP, where the environment says to where. Where it does not,
 * no span is made.
 */
import { commaSeparated } from "@flyte-databricks/databricks-auth/request/Variable"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import { OtlpExporter, OtlpMetrics, OtlpSerialization, OtlpTracer } from "effect/observability"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { randomUUID } from "node:crypto"
import * as SettingValue from "../SettingValue.ts"
import { version } from "../Version.ts"
import * as Collector from "./Collector.ts"
import * as Metrics from "./Metrics.ts"
import * as OtelSettings from "./OtelSettings.ts"
import * as Redaction from "./Redaction.ts"
import * as RuntimeMetrics from "./RuntimeMetrics.ts"
import * as Sampler from "./Sampler.ts"

// Calls have ended by then, and Kubernetes does not wait for long.
const shutdownTimeout = "2 seconds"

const serializations = {
  "http/protobuf": OtlpSerialization.layerProtobuf,
  "http/json": OtlpSerialization.layerJson
}

/** What exporting to a destination needs, and nothing that it has in common with calls. */
const exporting = (
  { timeout }: OtelSettings.OtelSettings,
  signal: OtelSettings.Signal,
  destination: OtelSettings.Destination
) =>
  Layer.mergeAll(
    Layer.effect(HttpClient.HttpClient, Collector.make(signal, destination, timeout)),
    Redaction.layer.pipe(Layer.provide(serializations[destination.protocol])),
    OtlpExporter.layerFlusher
  )

const resourceOf = ({ resource: { serviceName, attributes } }: OtelSettings.OtelSettings) => ({
  serviceName,
  serviceVersion: version,
  attributes: { "service.instance.id": randomUUID(), ...attributes }
})

const tracesTo = (settings: OtelSettings.OtelSettings, destination: OtelSettings.Destination) =>
  Layer.effect(
    Tracer.Tracer,
    OtlpTracer.make({
      url: destination.url.href,
      resource: resourceOf(settings),
      exportInterval: settings.tracesEvery,
      maxBatchSize: settings.batch,
      shutdownTimeout
    }).pipe(Effect.map((tracer) => Sampler.sampling(settings.sampler, tracer)))
  ).pipe(Layer.provide(exporting(settings, "TRACES", destination)))

const metricsTo = (settings: OtelSettings.OtelSettings, destination: OtelSettings.Destination) =>
  Layer.effectDiscard(
    OtlpMetrics.make({
      url: destination.url.href,
      resource: resourceOf(settings),
      exportInterval: settings.metricsEvery,
      shutdownTimeout
    })
  ).pipe(Layer.provide(exporting(settings, "METRICS", destination)))

const noTraces = Layer.succeed(References.TracerEnabled, false)

const maxNamespaces = 100
const isNamespace = (name: string): boolean => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)

const namespaces = SettingValue.setting<ReadonlyArray<string>>(
  "FLYTE_DATABRICKS_METRICS_NAMESPACES",
  {
    read: (text) =>
      Option.filter(
        Option.some(commaSeparated(text)),
        (names) => names.length > 0 && names.length <= maxNamespaces && names.every(isNamespace)
      ),
    expected: `names of namespaces, separated by commas, ${maxNamespaces} at most`,
    write: (names) => names.join(",")
  },
  []
)

/** As the environment says. */
export const layer: Layer.Layer<never, Config.ConfigError> = Layer.unwrap(
  Effect.gen(function* () {
    const settings = yield* OtelSettings.read
    const { traces, metrics } = settings
    for (const [name, destination] of Object.entries({ traces, metrics })) {
      if (Option.isNone(destination)) continue
      const { url, protocol } = destination.value
      yield* Effect.logInfo(`The ${name} go to ${url.origin}${url.pathname} (${protocol})`)
    }
    return Layer.mergeAll(
      Option.isNone(traces) ? noTraces : tracesTo(settings, traces.value),
      Option.isNone(metrics) ? Layer.empty : metricsTo(settings, metrics.value),
      Layer.succeed(Metrics.Namespaces, new Set(yield* namespaces)),
      Layer.effectDiscard(RuntimeMetrics.watch)
    )
  })
)
