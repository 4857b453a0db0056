/**
 * What it costs to be seen: the CPU time of a call and a cached header, with everything off, with metrics, and with 1 % and
 * all of the traces. It writes `reports/telemetry.md`.
 */
import { writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { availableParallelism, cpus, loadavg } from "node:os"
import { join } from "node:path"
import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { Context, Effect, Layer, ManagedRuntime, References, Tracer } from "effect"
import { PrometheusMetrics } from "effect/observability"
import * as Sampler from "@flyte-databricks/connector/telemetry/Sampler"
import { authOf, credentialOf } from "./auth/fixture.ts"
import { messages, pathOf } from "./support/messages.ts"
import { callMany } from "./support/client.ts"
import * as Connectors from "./support/connectors.ts"
import { median, nanosPerCall, spread } from "./support/measure.ts"

const rounds = 12
const callsPerRound = 300
const warmUp = 2500
const callers = 32
const hot = 64

const off = "everything off"
const metrics = "metrics"
const some = "metrics, 1 % of the traces"
const all = "metrics, all traces"

/** A collector that takes everything. It is not measured. */
const collector = async () => {
  let bytes = 0
  const server = createServer((request, response) => {
    request.on("data", (chunk: Buffer) => (bytes += chunk.length))
    request.on("end", () => response.end())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()))
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return { url: `http://127.0.0.1:${port}`, bytes: () => bytes, stop: () => server.close() }
}

const seenBy = (
  kind: Connectors.Kind,
  name: string,
  more: (port: number) => Readonly<Record<string, string>>
): Connectors.Kind => ({
  name,
  command: (port, caFile) => {
    const [program, args, env] = kind.command(port, caFile)
    return [program, args, { ...env, ...more(port) }]
  }
})

const metricsPort = (port: number) => port + 100

/** CPU milliseconds per call, by operation and by who looks. */
const calls = async (): Promise<ReadonlyMap<string, ReadonlyArray<number>>> => {
  const taking = await collector()
  const workspace = await Connectors.startWorkspace()
  const bundle = Connectors.bundle()
  const read = (port: number) => ({ FLYTE_DATABRICKS_PROMETHEUS_PORT: String(metricsPort(port)) })
  const traced = (ratio: string) => (port: number) => ({
    ...read(port),
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${taking.url}/v1/traces`,
    OTEL_TRACES_SAMPLER: "traceidratio",
    OTEL_TRACES_SAMPLER_ARG: ratio
  })
  const kinds = [
    seenBy(bundle, off, () => ({ FLYTE_DATABRICKS_PROMETHEUS_PORT: "0" })),
    seenBy(bundle, metrics, read),
    seenBy(bundle, some, traced("0.01")),
    seenBy(bundle, all, traced("1"))
  ]
  const points = new Map<string, Array<number>>()
  const running: Array<readonly [string, Connectors.Running]> = []
  // As often as Prometheus is usually told to, ten times over.
  const scrapes = setInterval(() => {
    for (const [name, { port }] of running) {
      if (name !== off) void fetch(`http://127.0.0.1:${metricsPort(port)}/metrics`).then((answer) => answer.text())
    }
  }, 1500)
  try {
    for (const kind of kinds) running.push([kind.name, await Connectors.start(kind, workspace)])
    for (let round = -1; round < rounds; round++) {
      // Until what is called often is compiled.
      const calls = round < 0 ? warmUp : callsPerRound
      for (const [operation, message] of Object.entries(messages(workspace.host))) {
        for (const [name, { port, cpuMs }] of round % 2 === 0 ? running : running.toReversed()) {
          const before = cpuMs()
          await callMany(port, pathOf(operation), message, { callers, calls })
          const point = `${operation}|${name}`
          if (round >= 0) points.set(point, [...(points.get(point) ?? []), (cpuMs() - before) / calls])
        }
      }
    }
    for (const [, { stop }] of running) await stop()
  } finally {
    clearInterval(scrapes)
    Connectors.stopAll()
    workspace.stop()
    taking.stop()
  }
  return points
}

const native = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })
const sampled = (ratio: number) => Sampler.sampling(Sampler.make("traceidratio", ratio), native)

/** Nanoseconds of a cached header: to have it, and to run it as part of a call. */
const headers = async (): Promise<Record<string, Array<number>>> => {
  const make = async (services: Context.Context<never>) => {
    const runtime = ManagedRuntime.make(Layer.provide(authOf(hot, Effect.void), Layer.succeedContext(services)))
    const auth = await runtime.runPromise(DatabricksAuth.DatabricksAuth)
    const run = Effect.runSyncWith(services)
    const credentials = Array.from({ length: hot }, (_, index) => credentialOf(index))
    await Effect.runPromiseWith(services)(Effect.forEach(credentials, auth.getHeader))
    return {
      get: (index: number) => auth.getHeader(credentials[index % hot]!),
      run: (index: number) => run(auth.getHeader(credentials[index % hot]!)),
      read: () => PrometheusMetrics.formatUnsafe(services),
      dispose: () => runtime.dispose()
    }
  }
  const untraced = await make(Context.make(References.TracerEnabled, false))
  const few = await make(Context.make(Tracer.Tracer, sampled(0.01)))
  const every = await make(Context.make(Tracer.Tracer, sampled(1)))
  const isReading = (index: number) => index % 100_000 === 0
  const found = nanosPerCall(
    {
      [`${off}|had`]: untraced.get,
      [`${metrics}|had`]: (index) => (isReading(index) ? untraced.read() : untraced.get(index)),
      [`${off}|run`]: untraced.run,
      [`${metrics}|run`]: (index) => (isReading(index) ? untraced.read() : untraced.run(index)),
      [`${some}|run`]: few.run,
      [`${all}|run`]: every.run
    },
    { calls: 300_000, rounds: 9 }
  )
  for (const { dispose } of [untraced, few, every]) await dispose()
  return found
}

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [rows[0]!, rows[0]!.map(() => "---"), ...rows.slice(1)].map((row) => `| ${row.join(" | ")} |`).join("\n")

export const benchTelemetry = async (): Promise<void> => {
  // As in the connector, whose errors and spans have no traces of the stack.
  Error.stackTraceLimit = 0
  const ofHeaders = await headers()
  const ofCalls = await calls()
  const seen = [off, metrics, some, all]
  const cpu = (operation: string, name: string) => median(ofCalls.get(`${operation}|${name}`) ?? [])
  // Round by round, a machine that is busy is so for all.
  const more = (operation: string, name: string) => {
    const [mine, others] = [name, off].map((one) => ofCalls.get(`${operation}|${one}`) ?? [])
    const ratio = median(mine!.map((cpuMs, round) => cpuMs / (others![round] ?? Number.NaN)))
    return name === off ? "" : `${((ratio - 1) * 100).toFixed(0)} %`
  }
  const [{ model = "unknown" } = {}] = cpus()
  const text = `# What it costs to be seen

\`npm run bench -- telemetry\` wrote this file. ${availableParallelism()} cores (${model}), load average ${loadavg()[0]!.toFixed(1)} at the end; Node ${process.version}.

## A call

CPU time per call of the connector's bundle under ${callers} callers: the median of ${rounds} rounds of ${callsPerRound} calls, after ${warmUp} to
warm up, all four side by side in one run, in turned order. Metrics are read by Prometheus every 1.5 seconds. Traces go to a collector on this machine as protocol buffers. What is "more" is the median of the
ratios of each round.

${table([
  ["operation", "", "CPU ms/call", "more than with everything off"],
  ...Object.keys(messages("")).flatMap((operation) =>
    seen.map((name) => [operation, name, cpu(operation, name).toFixed(3), more(operation, name)])
  )
])}

## A cached header

Nanoseconds (min / median / max of 9 rounds). "Had" is what \`getHeader\` gives at once; "run" runs it as an effect of its own, with a span where somebody
traces. Metrics are read every 100,000 headers.

${table([
  ["", "had", "run"],
  ...seen.map((name) => [
    name,
    ofHeaders[`${name}|had`] === undefined ? "only run" : spread(ofHeaders[`${name}|had`]!),
    spread(ofHeaders[`${name}|run`]!)
  ])
])}
`
  writeFileSync(join(Connectors.root, "bench/reports/telemetry.md"), text)
  console.log(text)
}
