/**
 * How an operator's settings are written: durations as Kubernetes has them, sizes with their unit, numbers within their
 * bounds. An error names the setting and the value, and says what is valid.
 */
import { shown, variable } from "@flyte-databricks/databricks-auth/request/Variable"
import * as ByteSize from "effect/ByteSize"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { isIP } from "node:net"

/**
 * A kind of value.
 */
export interface Kind<in out A> {
  readonly read: (text: string) => Option.Option<A>
  /** What is valid, as errors say it. */
  readonly expected: string
  readonly write: (value: A) => string
}

const units = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const
const isUnit = (text: string): text is keyof typeof units => Object.hasOwn(units, text)

const ofKubernetes = (text: string): Option.Option<Duration.Duration> => {
  if (text === "0") return Option.some(Duration.zero)
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)([a-zµ]+)/gy)]
  if (parts.map(([part]) => part).join("") !== text || parts.length === 0) return Option.none()
  let millis = 0
  for (const [, count, unit = ""] of parts) {
    if (!isUnit(unit)) return Option.none()
    millis += Number(count) * units[unit]
  }
  return Number.isFinite(millis) ? Option.some(Duration.millis(millis)) : Option.none()
}

const inWords = (text: string): Option.Option<Duration.Duration> =>
  Option.filter(
    Duration.fromInput(text as Duration.Input),
    (duration) => Duration.isFinite(duration) && !Duration.isNegative(duration)
  )

const write = (value: Duration.Duration): string => {
  const millis = Duration.toMillis(value)
  const unit = millis === 0 ? "s" : ((["h", "m", "s"] as const).find((unit) => millis % units[unit] === 0) ?? "ms")
  return `${millis / units[unit]}${unit}`
}

/** `5s`, `1h30m` as in Kubernetes, or `5 seconds`. */
export const duration: Kind<Duration.Duration> = {
  read: (text) => Option.orElse(ofKubernetes(text), () => inWords(text)),
  expected: "a duration such as 5s, 5m, 12h, 1h30m or 5 seconds",
  write
}

/** A duration within bounds, both included. No timer of Node.js lasts longer than 24 days. */
export const durationBetween = (minimum: Duration.Input, maximum: Duration.Input): Kind<Duration.Duration> => {
  const [least, most] = [Duration.fromInputUnsafe(minimum), Duration.fromInputUnsafe(maximum)]
  return {
    ...duration,
    read: (text) => Option.filter(duration.read(text), Duration.between({ minimum: least, maximum: most })),
    expected: `${duration.expected}, from ${write(least)} to ${write(most)}`
  }
}

/** A whole number, both bounds included. */
export const integer = (minimum: number, maximum = Number.MAX_SAFE_INTEGER): Kind<number> => ({
  read: (text) =>
    Option.filter(
      /^\d{1,16}$/.test(text) ? Option.some(Number(text)) : Option.none(),
      (number) => number >= minimum && number <= maximum
    ),
  expected:
    maximum === Number.MAX_SAFE_INTEGER
      ? `a whole number, ${minimum} or more`
      : `a whole number from ${minimum} to ${maximum}`,
  write: String
})

/** A size in bytes, one byte at least: `4194304`, `4MiB`, or `4Mi` as in Kubernetes. */
export const bytes: Kind<number> = {
  read: (text) =>
    ByteSize.fromString(/^\d+$/.test(text) ? `${text} B` : text.replace(/^(\d+) ?([kKMG]i?)$/, "$1 $2B")).pipe(
      Option.map(Number),
      Option.filter((size) => size > 0 && Number.isSafeInteger(size))
    ),
  expected: "a size such as 4194304, 4MiB or 4Mi",
  write: (value) => ByteSize.format(ByteSize.bytes(value))
}

/** One of these words. */
export const word = <const Words extends ReadonlyArray<string>>(...words: Words): Kind<Words[number]> => ({
  read: (text) => Option.fromUndefinedOr(words.find((one) => one === text)),
  expected: `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
  write: (value) => value
})

/** A switch, in the words that Kubernetes manifests and shells use for it. */
export const boolean: Kind<boolean> = {
  read: (text) => {
    const word = text.toLowerCase()
    if (["true", "1", "yes", "on"].includes(word)) return Option.some(true)
    return ["false", "0", "no", "off"].includes(word) ? Option.some(false) : Option.none()
  },
  expected: "true or false",
  write: String
}

const hostName = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z]([a-z0-9-]*[a-z0-9])?$/i

/** What a server listens on. It is shown, so it is nothing that looks like a secret. */
export const address: Kind<string> = {
  read: (text) =>
    isIP(text) !== 0 || (hostName.test(text) && shown(text, 253) === text) ? Option.some(text) : Option.none(),
  expected: "an IP address or a host name of this machine",
  write: (value) => value
}

const read = <A>(setting: string, kind: Kind<A>, written: string): Config.Config<A> =>
  Option.match(kind.read(written), {
    onNone: () =>
      Config.fail(
        new ConfigProvider.SourceError({ message: `${setting} is "${shown(written)}", expected ${kind.expected}.` })
      ),
    onSome: Config.succeed
  })

/**
 * A setting of the environment. A blank one is unset. A flag goes before it.
 */
export const setting = <A>(
  name: string,
  kind: Kind<A>,
  byDefault: A,
  flag?: { readonly name: string; readonly written: string }
): Config.Config<A> =>
  Config.flatMap(variable(name), (written) => {
    if (flag !== undefined) return read(flag.name, kind, flag.written)
    return Option.isSome(written) ? read(name, kind, written.value) : Config.succeed(byDefault)
  })
