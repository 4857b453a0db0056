/**
 * Warnings that come by the thousand, as in an outage: of each kind the first few in a minute are written, and at its end
 * how many there were besides. None is lost without being counted.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"
import * as References from "effect/References"

/** How many of a kind are written in a minute. */
export const written = 5

// What the kinds are called is the connector's own; a message of none that is known is a kind of its own.
const maxKinds = 200

interface Kind {
  count: number
  readonly annotations: Readonly<Record<string, unknown>>
  last: string
}

const textOf = (message: unknown): string => {
  const [first] = Array.isArray(message) ? message : [message]
  return Predicate.isString(first) ? first : ""
}

const kept = ["outcome", "reason", "code", "why"] as const

/** Calls are alike that ended alike; other lines, that say why they are written or say the same. */
const kindOf = (message: string, annotations: Readonly<Record<string, unknown>>) => {
  const said = Object.fromEntries(kept.flatMap((name) => (name in annotations ? [[name, annotations[name]]] : [])))
  const operation = "outcome" in said ? (message.split(":")[0] ?? "") : ""
  const isNamed = Object.keys(said).length > 0
  return { key: isNamed ? JSON.stringify([operation, said]) : message.slice(0, 200), said, operation }
}

/** The logger, spared of what is alike, for as long as the scope is open. */
export const make = Effect.fnUntraced(function* (logger: Logger.Logger<unknown, void>) {
  let kinds = new Map<string, Kind>()

  const isSpared = (message: unknown, annotations: Readonly<Record<string, unknown>>): boolean => {
    const text = textOf(message)
    const { key, said, operation } = kindOf(text, annotations)
    const name = kinds.has(key) || kinds.size < maxKinds ? key : "other"
    const kind = kinds.get(name) ?? {
      count: 0,
      annotations: { ...said, ...(operation === "" ? {} : { operation }) },
      last: text
    }
    kinds.set(name, kind)
    kind.count += 1
    kind.last = text
    return kind.count > written
  }

  const tell = Effect.suspend(() => {
    const before = kinds
    kinds = new Map()
    return Effect.forEach(
      before.values(),
      ({ annotations, count, last }) =>
        count <= written
          ? Effect.void
          : Effect.logWarning(`${count - written} more like it in the last minute. The last: ${last}`).pipe(
              Effect.annotateLogs({ ...annotations, alike: count - written })
            ),
      { discard: true }
    ).pipe(Effect.provide(Logger.layer([logger])))
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("1 minute"), tell)))
  yield* Effect.addFinalizer(() => tell)

  return Logger.make<unknown, void>((options) => {
    const isWarning = options.logLevel === "Warn" || options.logLevel === "Error"
    if (isWarning && isSpared(options.message, options.fiber.getRef(References.CurrentLogAnnotations))) return
    logger.log(options)
  })
})
