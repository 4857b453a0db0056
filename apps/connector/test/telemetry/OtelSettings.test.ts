/** OpenTelemetry's variables: what they mean here, and what keeps the connector from starting. */
import { assert, describe, it } from "@effect/vitest"
import { redact } from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { ConfigProvider, Effect, Layer, Option, Redacted, References, Tracer } from "effect"
import * as OtelSettings from "../../src/telemetry/OtelSettings.ts"
import * as Telemetry from "../../src/telemetry/Telemetry.ts"

const reading = (env: Readonly<Record<string, string>>) =>
  OtelSettings.read.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/base/" }

const urls = (env: Readonly<Record<string, string>>) =>
  Effect.map(reading(env), ({ traces, metrics }) =>
    [traces, metrics].map((one) => Option.getOrUndefined(Option.map(one, ({ url }) => url.href)))
  )

describe("the endpoint", () => {
  it.effect.each([
    ["none", {}, [undefined, undefined]],
    ["both", endpoint, ["http://collector:4318/base/v1/traces", "http://collector:4318/base/v1/metrics"]],
    [
      "one of its own",
      { ...endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://traces/take" },
      ["https://traces/take", "http://collector:4318/base/v1/metrics"]
    ],
    ["off", { ...endpoint, OTEL_SDK_DISABLED: "TRUE" }, [undefined, undefined]],
    ["no metrics", { ...endpoint, OTEL_METRICS_EXPORTER: "none" }, ["http://collector:4318/base/v1/traces", undefined]]
  ] as const)("%s", ([, env, expected]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* urls(env), [...expected])
    })
  )
})

describe("what is wrong", () => {
  it.effect.each([
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", /expected http\/protobuf or http\/json/],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", /expected http:\/\/HOST:PORT/],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hunter22hunter22@collector", /without a user/],
    ["OTEL_EXPORTER_OTLP_HEADERS", "hunter22hunter22", /not shown/],
    ["OTEL_EXPORTER_OTLP_HEADERS", "key=hunter22%0d%0ahunter22", /not shown/],
    ["OTEL_TRACES_EXPORTER", "console", /expected otlp or none/],
    ["OTEL_TRACES_SAMPLER", "jaeger_remote", /expected always_on/],
    ["OTEL_TRACES_SAMPLER_ARG", "2", /from 0 to 1/],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "10s", /whole number/],
    ["OTEL_RESOURCE_ATTRIBUTES", "a=%zz", /name=value/]
  ] as const)("%s=%s is said, and no secret in it", ([name, value, words]) =>
    Effect.gen(function* () {
      const { cause } = yield* Effect.flip(reading({ [name]: value }))
      assert.include(cause.message, name)
      assert.match(cause.message, words)
      assert.notInclude(cause.message, "hunter22")
    })
  )
})

describe("headers", () => {
  it.effect("are decoded, and taken out of every text", () =>
    Effect.gen(function* () {
      const env = {
        ...endpoint,
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20k3y-of-the-vendor, x-tenant=a%2Cb"
      }
      const { traces } = yield* reading(env)
      assert.deepStrictEqual(Option.getOrUndefined(Option.map(traces, ({ headers }) => Redacted.value(headers))), {
        authorization: "Bearer k3y-of-the-vendor",
        "x-tenant": "a,b"
      })
      assert.strictEqual(redact("it said k3y-of-the-vendor"), "it said <redacted>")
    })
  )
})

describe("without an endpoint", () => {
  it.effect("no span is made", () =>
    Effect.gen(function* () {
      let made = 0
      const counting = Tracer.make({
        span: (options) => {
          made += 1
          return new Tracer.NativeSpan(options)
        }
      })
      const environment = ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} }))
      const work = Effect.fn("work")(function* () {
        return yield* References.TracerEnabled
      })
      const off = yield* work().pipe(
        Effect.provideService(Tracer.Tracer, counting),
        Effect.provide(Layer.provide(Layer.orDie(Telemetry.layer), environment))
      )
      assert.deepStrictEqual([off, made], [false, 0])
      yield* work().pipe(Effect.provideService(Tracer.Tracer, counting))
      assert.strictEqual(made, 1)
    })
  )
})

describe("the namespaces of metrics", () => {
  it.effect.each(["Team_A", Array.from({ length: 101 }, (_, n) => `team-${n}`).join(",")])("are not %s", (value) =>
    Effect.gen(function* () {
      const env = { FLYTE_DATABRICKS_METRICS_NAMESPACES: value }
      const error = yield* Effect.flip(
        Layer.build(Telemetry.layer).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
      )
      assert.include(error.cause.message, "FLYTE_DATABRICKS_METRICS_NAMESPACES")
    })
  )
})
