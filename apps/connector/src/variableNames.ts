/**
 * Which variables an environment has, and which one a misspelt one may have meant.
 */
import type * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"

// Kubernetes sets these for each Service of the namespace, and one may be named flyte-databricks.
const ofService = /_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/
const ofServicesPort = /^(tcp|udp|sctp):\/\//

/**
 * The names of the variables that begin with these words, but for those that Kubernetes sets.
 */
export const below = (
  environment: ConfigProvider.ConfigProvider,
  path: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>, ConfigProvider.SourceError> =>
  Effect.gen(function* () {
    const node = yield* environment.load([...path])
    if (node === undefined || node._tag === "Array") return []
    const name = path.join("_")
    const isOfServicesPort = name.endsWith("_PORT") && ofServicesPort.test(node.value ?? "")
    const own = node.value === undefined || isOfServicesPort || ofService.test(name) ? [] : [name]
    if (node._tag === "Value") return own
    return own.concat(...(yield* Effect.forEach(node.keys, (key) => below(environment, [...path, key]))))
  })

/**
 * The name that is the most alike, and how many letters have to be added, taken away or changed (Levenshtein).
 */
export const nearest = (name: string, names: Iterable<string>) =>
  Array.from(names, (other) => ({ name: other, distance: distanceOf(name, other) })).toSorted(
    (one, other) => one.distance - other.distance
  )[0]

const distanceOf = (one: string, other: string): number => {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...one].entries()) {
    const next = [index + 1]
    for (let at = 0; at < other.length; at++) {
      const changed = (row[at] ?? 0) + (letter === other[at] ? 0 : 1)
      next.push(Math.min((row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1, changed))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
