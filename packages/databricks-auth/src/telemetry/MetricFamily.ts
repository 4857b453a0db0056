/**
 * Metrics that differ in their labels alone. Each combination of labels stays in the registry for good, so whoever uses a
 * family gives it values of which there are few.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"

type Labels = Readonly<Record<string, string>>

/**
 * The metric of some labels. Each is made once: to make it costs ten times what it costs to update it.
 */
const make = <Label extends string, Input, State>(
  of: (labels: Readonly<Record<Label, string>>) => Metric.Metric<Input, State>
): ((labels: Readonly<Record<Label, string>>) => Metric.Metric<Input, State>) => {
  const members = new Map<string, Metric.Metric<Input, State>>()
  return (labels) => {
    const name = Object.values<string>(labels).join("\n")
    const found = members.get(name)
    if (found !== undefined) return found
    const made = of(labels)
    members.set(name, made)
    return made
  }
}

/** Counters of this name. */
export const counters = <Label extends string>(name: string, description: string) =>
  make((attributes: Readonly<Record<Label, string>>) =>
    Metric.counter(name, { description, attributes, incremental: true })
  )

/** Has a counter show from the start: what begins with its first event, no rate knows of. */
export const zero = <State>(counter: Metric.Metric<number, State>): Effect.Effect<void> => Metric.update(counter, 0)

/** Histograms of this name. */
export const histograms = <Label extends string>(
  name: string,
  description: string,
  boundaries: ReadonlyArray<number>,
  constant: Labels = {}
) =>
  make((attributes: Readonly<Record<Label, string>>) =>
    Metric.histogram(name, { description, boundaries, attributes: { ...attributes, ...constant } })
  )

/** Sums and counts of this name: quantiles are the scraper's business. */
export const sums = <Label extends string>(name: string, description: string) =>
  make((attributes: Readonly<Record<Label, string>>) =>
    Metric.summary(name, { description, attributes, maxAge: "1 minute", maxSize: 0, quantiles: [] })
  )

/** The buckets of durations, in seconds, that OpenTelemetry's conventions have for calls and requests. */
export const seconds: ReadonlyArray<number> = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
]

/**
 * Has a gauge read its value whenever it is read itself, for as long as the scope is open: what is only looked at now and
 * then costs nothing meanwhile.
 */
export const observed = (
  name: string,
  description: string,
  attributes: Labels,
  read: () => number
): Effect.Effect<void, never, Scope.Scope> =>
  register(Metric.gauge(name, { description, attributes }), () => ({ value: read() }))

/** The same of a counter, of what is counted elsewhere. */
export const counted = (
  name: string,
  description: string,
  attributes: Labels,
  read: () => number
): Effect.Effect<void, never, Scope.Scope> =>
  register(Metric.counter(name, { description, attributes }), () => ({
    count: read(),
    incremental: true
  }))

const register = <Input, State>(metric: Metric.Metric<Input, State>, get: () => State) =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.contextWith((services: Context.Context<never>) =>
        Effect.sync(() => Metric.registerUnsafe(metric, services, { get, update: nothing, modify: nothing }))
      ),
      ({ remove }) => Effect.sync(remove)
    )
  )

const nothing = () => undefined
