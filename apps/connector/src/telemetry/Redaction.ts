/**
 * The last thing that happens to traces and metrics before they leave: secrets are taken out of every text, and long texts
 * are cut. What a span is about is foreign text, and whoever was sent a secret may say it back.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { OtlpSerialization } from "effect/observability"

type Serialization = OtlpSerialization.OtlpSerialization["Service"]
type TraceData = Parameters<Serialization["traces"]>[0]
type MetricsData = Parameters<Serialization["metrics"]>[0]
type Span = TraceData["resourceSpans"][number]["scopeSpans"][number]["spans"][number]
type Attribute = Span["attributes"][number]

const maxLength = 1000

const clean = (text: string): string => printable(text, { maxLength, as: "lines" })

const value = (given: Attribute["value"]): Attribute["value"] =>
  typeof given.stringValue === "string" ? { stringValue: clean(given.stringValue) } : given

const attributes = (given: ReadonlyArray<Attribute>): Array<Attribute> =>
  given.map((attribute) => ({ key: attribute.key, value: value(attribute.value) }))

// As OpenTelemetry numbers them.
const unset = 0
const failed = 2

// Requests say themselves whether they failed (`error.type`): Effect takes each answer for a success, and each refusal of a
// call for a failure of the server.
const isRequest = ({ kind }: Span): boolean => kind === 2 || kind === 3

const statusOf = (span: Span): Span["status"] => {
  const { code, message } = span.status
  if (isRequest(span)) return { code: span.attributes.some(({ key }) => key === "error.type") ? failed : unset }
  return { code: code === failed ? failed : unset, ...(message === undefined ? {} : { message: clean(message) }) }
}

const span = (given: Span): Span => ({
  ...given,
  name: clean(given.name),
  attributes: attributes(given.attributes),
  // A stack trace is of no use outside of the process, and there usually is none.
  events: given.events.map((event) => ({
    ...event,
    attributes: attributes(event.attributes.filter(({ key }) => key !== "exception.stacktrace"))
  })),
  status: statusOf(given)
})

const resource = <R extends { readonly attributes: Array<Attribute> }>(given: R): R => ({
  ...given,
  attributes: attributes(given.attributes)
})

const traces = ({ resourceSpans }: TraceData): TraceData => ({
  resourceSpans: resourceSpans.map((one) => ({
    ...one,
    resource: resource(one.resource),
    scopeSpans: one.scopeSpans.map((scope) => ({ ...scope, spans: scope.spans.map(span) }))
  }))
})

// The unit is the metric's, not one of its labels.
const labels = (point: object): object => ({
  ...point,
  ...("attributes" in point && Array.isArray(point.attributes)
    ? { attributes: attributes(point.attributes.filter(({ key }) => key !== "unit")) }
    : {})
})

const kinds = ["sum", "gauge", "histogram", "summary"] as const

const metrics = ({ resourceMetrics }: MetricsData): MetricsData => ({
  resourceMetrics: (resourceMetrics ?? []).map((one) => ({
    ...one,
    resource: resource(one.resource!),
    scopeMetrics: (one.scopeMetrics ?? []).map((scope) => ({
      ...scope,
      metrics: (scope.metrics ?? []).map((metric) => {
        const kind = kinds.find((kind) => metric[kind] !== undefined)
        if (kind === undefined) return metric
        const points = (metric[kind]?.dataPoints ?? []).map(labels)
        return { ...metric, [kind]: { ...metric[kind], dataPoints: points } }
      })
    }))
  }))
})

/** Serializes what was cleaned. */
export const layer: Layer.Layer<OtlpSerialization.OtlpSerialization, never, OtlpSerialization.OtlpSerialization> =
  Layer.effect(
    OtlpSerialization.OtlpSerialization,
    Effect.map(OtlpSerialization.OtlpSerialization, (serialization) => ({
      ...serialization,
      traces: (data) => serialization.traces(traces(data)),
      metrics: (data) => serialization.metrics(metrics(data))
    }))
  )
