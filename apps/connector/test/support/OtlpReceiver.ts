/** A collector: it takes traces and metrics by OTLP, in JSON or as protocol buffers, and keeps what it was sent. */
import { createFileRegistry, fromBinary, type JsonObject, toJson } from "@bufbuild/protobuf"
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorProtoSchema
} from "@bufbuild/protobuf/wkt"
import { create } from "@bufbuild/protobuf"
import { Effect, Schema } from "effect"
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import { listening } from "@flyte-databricks/emulators/testing/Network"

const Value = Schema.Struct({
  stringValue: Schema.optional(Schema.String),
  intValue: Schema.optional(Schema.Union([Schema.Number, Schema.String])),
  boolValue: Schema.optional(Schema.Boolean),
  doubleValue: Schema.optional(Schema.Number)
})
const Attributes = Schema.Array(Schema.Struct({ key: Schema.String, value: Value }))

const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optional(Schema.String),
  name: Schema.String,
  kind: Schema.Union([Schema.Number, Schema.String]),
  attributes: Schema.optional(Attributes),
  events: Schema.optional(
    Schema.Array(Schema.Struct({ name: Schema.String, attributes: Schema.optional(Attributes) }))
  ),
  links: Schema.optional(Schema.Array(Schema.Struct({ traceId: Schema.String, spanId: Schema.String }))),
  status: Schema.optional(
    Schema.Struct({
      code: Schema.optional(Schema.Union([Schema.Number, Schema.String])),
      message: Schema.optional(Schema.String)
    })
  )
})

const Traces = Schema.Struct({
  resourceSpans: Schema.Array(
    Schema.Struct({
      resource: Schema.Struct({ attributes: Attributes }),
      scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) }))
    })
  )
})

const Number_ = Schema.Union([Schema.Number, Schema.String])
const Point = Schema.Struct({
  attributes: Schema.optional(Attributes),
  asDouble: Schema.optional(Number_),
  asInt: Schema.optional(Number_),
  count: Schema.optional(Number_),
  sum: Schema.optional(Number_),
  bucketCounts: Schema.optional(Schema.Array(Number_)),
  explicitBounds: Schema.optional(Schema.Array(Schema.Number))
})
const Points = Schema.optional(Schema.Struct({ dataPoints: Schema.Array(Point) }))
const Metric = Schema.Struct({
  name: Schema.String,
  unit: Schema.optional(Schema.String),
  sum: Points,
  gauge: Points,
  histogram: Points,
  summary: Points
})
type Metric = typeof Metric.Type

const Metrics = Schema.Struct({
  resourceMetrics: Schema.Array(
    Schema.Struct({ scopeMetrics: Schema.Array(Schema.Struct({ metrics: Schema.Array(Metric) })) })
  )
})

/** A span, with its attributes as a record. */
interface ReceivedSpan extends Pick<
  typeof Span.Type,
  "traceId" | "spanId" | "parentSpanId" | "name" | "kind" | "links" | "status"
> {
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: ReadonlyArray<{ readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }>
}

/** Attributes as a record. */
export const record = (attributes: typeof Attributes.Type = []): Readonly<Record<string, unknown>> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

const read = (span: typeof Span.Type): ReceivedSpan => ({
  ...span,
  attributes: record(span.attributes),
  events: (span.events ?? []).map(({ name, attributes }) => ({ name, attributes: record(attributes) }))
})

// The parts of opentelemetry/proto/trace/v1/trace.proto that tell a span.
const { STRING, BYTES, MESSAGE, INT32, INT64, BOOL, DOUBLE } = FieldDescriptorProto_Type
const field = (name: string, number: number, type: FieldDescriptorProto_Type, typeName = "", many = false) => ({
  name,
  jsonName: name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
  number,
  type,
  label: many ? FieldDescriptorProto_Label.REPEATED : FieldDescriptorProto_Label.OPTIONAL,
  ...(typeName === "" ? {} : { typeName: `.otlp.${typeName}` })
})
const many = (name: string, number: number, typeName: string) => field(name, number, MESSAGE, typeName, true)
const file: FileDescriptorProto = create(FileDescriptorProtoSchema, {
  name: "otlp.proto",
  package: "otlp",
  syntax: "proto3",
  messageType: [
    {
      name: "AnyValue",
      field: [
        field("string_value", 1, STRING),
        field("bool_value", 2, BOOL),
        field("int_value", 3, INT64),
        field("double_value", 4, DOUBLE)
      ].map((one) => ({ ...one, oneofIndex: 0 })),
      oneofDecl: [{ name: "value" }]
    },
    { name: "KeyValue", field: [field("key", 1, STRING), field("value", 2, MESSAGE, "AnyValue")] },
    { name: "Resource", field: [many("attributes", 1, "KeyValue")] },
    { name: "Event", field: [field("name", 2, STRING), many("attributes", 3, "KeyValue")] },
    { name: "Link", field: [field("trace_id", 1, BYTES), field("span_id", 2, BYTES)] },
    { name: "Status", field: [field("message", 2, STRING), field("code", 3, INT32)] },
    {
      name: "Span",
      field: [
        field("trace_id", 1, BYTES),
        field("span_id", 2, BYTES),
        field("parent_span_id", 4, BYTES),
        field("name", 5, STRING),
        field("kind", 6, INT32),
        many("attributes", 9, "KeyValue"),
        many("events", 11, "Event"),
        many("links", 13, "Link"),
        field("status", 15, MESSAGE, "Status")
      ]
    },
    { name: "ScopeSpans", field: [many("spans", 2, "Span")] },
    { name: "ResourceSpans", field: [field("resource", 1, MESSAGE, "Resource"), many("scope_spans", 2, "ScopeSpans")] },
    { name: "TracesData", field: [many("resource_spans", 1, "ResourceSpans")] }
  ]
})
const TracesData = createFileRegistry(file, () => undefined).getMessage("otlp.TracesData")!

const hex = (base64: string): string => Buffer.from(base64, "base64").toString("hex")

const ids = ["traceId", "spanId", "parentSpanId"]

const fromProtobuf = (bytes: Uint8Array): unknown =>
  JSON.parse(JSON.stringify(toJson(TracesData, fromBinary(TracesData, bytes)) as JsonObject), (key, value) =>
    ids.includes(key) ? hex(value) : value
  )

/** How it answers, in place of taking what it is sent. */
export type Answer = (response: ServerResponse) => void

/** Receives for as long as the scope is open. */
export const make = Effect.gen(function* () {
  const spans: Array<ReceivedSpan> = []
  const resources: Array<Readonly<Record<string, unknown>>> = []
  const bodies: Array<string> = []
  const headers: Array<IncomingHttpHeaders> = []
  let metrics: ReadonlyArray<Metric> = []
  let answer: Answer | undefined
  const waiting = new Set<() => void>()

  const take = (path: string, type: string, bytes: Buffer) => {
    bodies.push(bytes.toString())
    if (path === "/v1/traces") {
      const data = type === "application/json" ? JSON.parse(bytes.toString()) : fromProtobuf(bytes)
      for (const { resource, scopeSpans } of Schema.decodeUnknownSync(Traces)(data).resourceSpans) {
        resources.push(record(resource.attributes))
        for (const scope of scopeSpans) spans.push(...scope.spans.map(read))
      }
    } else if (type === "application/json") {
      const data = Schema.decodeUnknownSync(Metrics)(JSON.parse(bytes.toString()))
      metrics = data.resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
    }
  }
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      headers.push(request.headers)
      if (answer !== undefined) return answer(response)
      take(request.url ?? "", request.headers["content-type"] ?? "", Buffer.concat(chunks))
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
      waiting.forEach((look) => look())
    })
  })
  const port = yield* listening(server)

  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    resources,
    /** All that was sent, as it was sent. */
    bodies,
    headers,
    /** The metrics that came last. */
    metrics: () => metrics,
    /** From now on it answers so; `undefined` for well. */
    answers: (next: Answer | undefined) => void (answer = next),
    /** Waits until what it was sent is as wanted. */
    waitFor: <A>(wanted: () => A | undefined) =>
      Effect.callback<A>((resume) => {
        const look = () => {
          const found = wanted()
          if (found === undefined) return
          waiting.delete(look)
          resume(Effect.succeed(found))
        }
        waiting.add(look)
        look()
        return Effect.sync(() => waiting.delete(look))
      })
  }
})

export type OtlpReceiver = Effect.Success<typeof make>
