/**
 * What the process and Node.js show of themselves, under the names that Prometheus' clients have for them.
 */
import * as MetricFamily from "@flyte-databricks/databricks-auth/telemetry/MetricFamily"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { readdirSync, readFileSync } from "node:fs"
import { constants, monitorEventLoopDelay, performance, PerformanceObserver } from "node:perf_hooks"
import { version } from "../Version.ts"

const { observed, counted } = MetricFamily

const kinds = {
  minor: constants.NODE_PERFORMANCE_GC_MINOR,
  major: constants.NODE_PERFORMANCE_GC_MAJOR,
  incremental: constants.NODE_PERFORMANCE_GC_INCREMENTAL,
  weakcb: constants.NODE_PERFORMANCE_GC_WEAKCB
}

const collections = MetricFamily.histograms<"kind">(
  "nodejs_gc_duration_seconds",
  "Garbage collections",
  [0.001, 0.01, 0.1, 1, 2, 5]
)

const watchCollections: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  const services = yield* Effect.context<never>()
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const detail = Predicate.hasProperty(entry, "detail") ? entry.detail : undefined
      const number = Predicate.hasProperty(detail, "kind") ? detail.kind : undefined
      const [kind = "other"] = Object.entries(kinds).find(([, known]) => known === number) ?? []
      collections({ kind }).updateUnsafe(entry.duration / 1000, services)
    }
  })
  yield* Effect.acquireRelease(
    Effect.sync(() => observer.observe({ entryTypes: ["gc"] })),
    () => Effect.sync(() => observer.disconnect())
  )
})

// Two that read would each see a part, were it counted from reading to reading.
const window = "10 seconds"
const quantiles = ["0.5", "0.9", "0.99", "1"]

const watchEventLoop: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  const resolution = 20
  const histogram = monitorEventLoopDelay({ resolution })
  yield* Effect.acquireRelease(
    Effect.sync(() => histogram.enable()),
    () => Effect.sync(() => histogram.disable())
  )
  const delays = new Map(quantiles.map((quantile) => [quantile, 0]))
  let utilization = 0
  let before = performance.eventLoopUtilization()
  const look = Effect.sync(() => {
    for (const quantile of quantiles) {
      // It measures from one timer to the next.
      const nanos = histogram.percentile(Number(quantile) * 100) - resolution * 1e6
      delays.set(quantile, histogram.count === 0 ? 0 : Math.max(0, nanos) / 1e9)
    }
    histogram.reset()
    const now = performance.eventLoopUtilization()
    utilization = performance.eventLoopUtilization(now, before).utilization
    before = now
  })
  for (const quantile of quantiles) {
    const delay = () => delays.get(quantile) ?? 0
    yield* observed("nodejs_eventloop_delay_seconds", "Delay of the event loop, of ten seconds", { quantile }, delay)
  }
  const busy = "The part of ten seconds in which the event loop was busy"
  yield* observed("nodejs_eventloop_utilization_ratio", busy, {}, () => utilization)
  yield* Effect.forkScoped(Effect.repeat(Effect.delay(look, window), Schedule.forever))
})

const openFiles = (): number => {
  try {
    return readdirSync("/proc/self/fd").length
  } catch {
    return Number.NaN
  }
}

const maxFiles = (): number => {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? []
    return Number(soft)
  } catch {
    return Number.NaN
  }
}

type Reading<Usage> = readonly [name: string, description: string, read: (usage: Usage) => number]

const watchProcess: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  const cpu = [
    ["process_cpu_user_seconds_total", "CPU time in user mode", ({ user }) => user],
    ["process_cpu_system_seconds_total", "CPU time in system mode", ({ system }) => system],
    ["process_cpu_seconds_total", "CPU time", ({ user, system }) => user + system]
  ] satisfies ReadonlyArray<Reading<NodeJS.CpuUsage>>
  for (const [name, description, read] of cpu) {
    yield* counted(name, description, {}, () => read(process.cpuUsage()) / 1e6)
  }
  const startedAt = performance.timeOrigin / 1000
  yield* observed("process_start_time_seconds", "When the process started", {}, () => startedAt)
  yield* observed("process_resident_memory_bytes", "Resident memory", {}, () => process.memoryUsage.rss())
  if (!Number.isNaN(openFiles())) {
    yield* observed("process_open_fds", "Open file descriptors", {}, openFiles)
    yield* observed("process_max_fds", "Most file descriptors that may be open", {}, maxFiles)
  }
  const memory = [
    ["nodejs_heap_size_used_bytes", "V8's heap, used", ({ heapUsed }) => heapUsed],
    ["nodejs_heap_size_total_bytes", "V8's heap", ({ heapTotal }) => heapTotal],
    ["nodejs_external_memory_bytes", "Memory outside of V8's heap", ({ external }) => external]
  ] satisfies ReadonlyArray<Reading<NodeJS.MemoryUsage>>
  for (const [name, description, read] of memory) {
    yield* observed(name, description, {}, () => read(process.memoryUsage()))
  }
})

const buildInfo = Metric.gauge("flyte_databricks_build_info", {
  description: "1, by what is running",
  attributes: { version, node_version: process.versions.node }
})

/** Shows the process, for as long as the scope is open. */
export const watch: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  yield* Metric.update(buildInfo, 1)
  yield* watchProcess
  yield* watchEventLoop
  yield* watchCollections
})
