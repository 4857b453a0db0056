/**
 * OpenTelemetry's own variables, as far as they mean something here. Without an endpoint nothing is sent.
 */
import * as LiveSecrets from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { variable } from "@flyte-databricks/databricks-auth/request/Variable"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as SettingValue from "../SettingValue.ts"
import * as Sampler from "./Sampler.ts"

export type Signal = "TRACES" | "METRICS"

/** Where a signal goes, and how. */
export interface Destination {
  readonly url: URL
  readonly protocol: "http/protobuf" | "http/json"
  /** They usually hold a key. */
  readonly headers: Redacted.Redacted<Readonly<Record<string, string>>>
}

/** All that the variables say. */
export interface OtelSettings {
  readonly traces: Option.Option<Destination>
  readonly metrics: Option.Option<Destination>
  readonly sampler: Sampler.Sampler
  /** From one batch of spans to the next, and from one reading of the metrics to the next. */
  readonly tracesEvery: Duration.Duration
  readonly metricsEvery: Duration.Duration
  readonly batch: number
  /** For a batch to be taken. */
  readonly timeout: Duration.Duration
  readonly resource: { readonly serviceName: string; readonly attributes: Readonly<Record<string, string>> }
}

const invalid = (message: string) => Config.fail(new ConfigProvider.SourceError({ message }))

/** The variable of the signal, else that of both. Its name comes with the value, for errors. */
const ofSignal = (signal: Signal, name: string) =>
  Config.map(
    Config.all([variable(`OTEL_EXPORTER_OTLP_${signal}_${name}`), variable(`OTEL_EXPORTER_OTLP_${name}`)]),
    ([own, both]) =>
      Option.orElse(
        Option.map(own, (value) => ({ name: `OTEL_EXPORTER_OTLP_${signal}_${name}`, value, isOwn: true })),
        () => Option.map(both, (value) => ({ name: `OTEL_EXPORTER_OTLP_${name}`, value, isOwn: false }))
      )
  )

const millis = (name: string, byDefault: Duration.Input) =>
  Config.map(
    SettingValue.setting(
      name,
      SettingValue.integer(1, 3_600_000),
      Duration.toMillis(Duration.fromInputUnsafe(byDefault))
    ),
    (value) => Duration.millis(value)
  )

// The address may hold a password, so it is not shown.
const urlOf = (signal: Signal): Config.Config<Option.Option<URL>> =>
  Config.flatMap(ofSignal(signal, "ENDPOINT"), (found) => {
    if (Option.isNone(found)) return Config.succeed(Option.none())
    const { name, value, isOwn } = found.value
    const url = URL.parse(value)
    if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
      return invalid(
        `${name} is no address that can be sent to, expected http://HOST:PORT or https://HOST:PORT, without a user ` +
          "(OTEL_EXPORTER_OTLP_HEADERS takes keys)."
      )
    }
    if (!isOwn) url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/${signal.toLowerCase()}`
    return Config.succeed(Option.some(url))
  })

/** Pairs as in W3C Baggage: `key=value,key=value`, with what is special percent-encoded; none where they are not such. */
const pairs = (text: string): Option.Option<Readonly<Record<string, string>>> =>
  Option.map(
    Option.all(
      text
        .split(",")
        .map((pair) => pair.trim())
        .filter((pair) => pair !== "")
        .map((pair) => {
          const at = pair.indexOf("=")
          const [key, value] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()].map((part) =>
            Result.getSuccess(Result.try(() => decodeURIComponent(part)))
          )
          return at > 0 && key !== undefined && value !== undefined
            ? Option.zipWith(key, value, (key, value) => [key, value] as const)
            : Option.none()
        })
    ),
    (all) => Object.fromEntries(all)
  )

const headersOf = (signal: Signal) =>
  Config.flatMap(ofSignal(signal, "HEADERS"), (found) => {
    if (Option.isNone(found)) return Config.succeed(Redacted.make<Readonly<Record<string, string>>>({}))
    const headers = Option.filter(pairs(found.value.value), (headers) =>
      Object.entries(headers).every(
        ([name, value]) => /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\x20-\x7e]*$/.test(value)
      )
    )
    if (Option.isNone(headers)) {
      return invalid(`${found.value.name} (not shown, as it may hold a key) is not as expected: name=value,name=value.`)
    }
    for (const value of Object.values(headers.value)) {
      // A collector may say back the whole, or the key alone.
      for (const part of [value, ...value.split(" ").slice(1)]) LiveSecrets.add(Redacted.make(part))
    }
    return Config.succeed(Redacted.make(headers.value, { label: "headers of the collector" }))
  })

const protocolOf = (signal: Signal) =>
  Config.flatMap(ofSignal(signal, "PROTOCOL"), (found) => {
    const { name, value } = Option.getOrElse(found, () => ({ name: "", value: "http/protobuf" }))
    return value === "http/protobuf" || value === "http/json"
      ? Config.succeed<Destination["protocol"]>(value)
      : invalid(
          `${name} is not one that is supported, expected http/protobuf or http/json. Collectors listen for both on port 4318.`
        )
  })

const isOff = (signal: Signal) =>
  Config.map(
    SettingValue.setting(`OTEL_${signal}_EXPORTER`, SettingValue.word("otlp", "none"), "otlp"),
    (exporter) => exporter === "none"
  )

const isDisabled = Config.map(
  variable("OTEL_SDK_DISABLED"),
  Option.exists((value) => value.toLowerCase() === "true")
)

const destination = (signal: Signal): Config.Config<Option.Option<Destination>> =>
  Config.map(
    Config.all({
      disabled: isDisabled,
      off: isOff(signal),
      url: urlOf(signal),
      protocol: protocolOf(signal),
      headers: headersOf(signal)
    }),
    ({ disabled, off, url, ...how }) => (disabled || off ? Option.none() : Option.map(url, (url) => ({ url, ...how })))
  )

const ratio: SettingValue.Kind<number> = {
  read: (text) =>
    Option.filter(/^(\d+|\d*\.\d+)$/.test(text) ? Option.some(Number(text)) : Option.none(), (number) => number <= 1),
  expected: "a number from 0 to 1",
  write: String
}

const sampler = Config.map(
  Config.all([
    SettingValue.setting("OTEL_TRACES_SAMPLER", SettingValue.word(...Sampler.names), "parentbased_always_on"),
    SettingValue.setting("OTEL_TRACES_SAMPLER_ARG", ratio, 1)
  ]),
  ([name, ratio]) => Sampler.make(name, ratio)
)

const resource = Config.flatMap(
  Config.all([variable("OTEL_SERVICE_NAME"), variable("OTEL_RESOURCE_ATTRIBUTES")]),
  ([name, attributes]) => {
    const said = Option.match(attributes, { onNone: () => Option.some({}), onSome: pairs })
    if (Option.isNone(said)) return invalid("OTEL_RESOURCE_ATTRIBUTES is not as expected: name=value,name=value.")
    const all: Readonly<Record<string, string>> = said.value
    const serviceName = Option.getOrElse(name, () => all["service.name"] ?? "flyte-databricks-connector")
    return Config.succeed({ serviceName, attributes: all })
  }
)

/** What the environment says. */
export const read: Config.Config<OtelSettings> = Config.all({
  traces: destination("TRACES"),
  metrics: destination("METRICS"),
  sampler,
  tracesEvery: millis("OTEL_BSP_SCHEDULE_DELAY", "5 seconds"),
  metricsEvery: millis("OTEL_METRIC_EXPORT_INTERVAL", "60 seconds"),
  batch: SettingValue.setting("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", SettingValue.integer(1, 10_000), 512),
  timeout: millis("OTEL_EXPORTER_OTLP_TIMEOUT", "10 seconds"),
  resource
})
