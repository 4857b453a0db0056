/**
 * Variables that an operator misspelt. Whatever was asked for by the time that the connector serves is a variable of it,
 * so there is no list to keep.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"

const root = "FLYTE"
const prefix = `${root}_DATABRICKS_`

// Kubernetes sets these for each Service of the namespace, and one may be named flyte-databricks.
const ofService = /_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/
const ofServicesPort = /^(tcp|udp|sctp):\/\//

/**
 * The environment, watched: what is asked of it, and warnings of what nobody asked for.
 */
export const watched = Effect.gen(function* () {
  const environment = yield* ConfigProvider.ConfigProvider
  const asked = new Set<string>()
  const provider = ConfigProvider.make((path) =>
    Effect.suspend(() => {
      asked.add(path.join("_"))
      return environment.load(path)
    })
  )

  // Flyte's own variables begin alike, and so do ours with a letter missing there.
  const below = (path: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, ConfigProvider.SourceError> =>
    Effect.gen(function* () {
      const node = yield* environment.load([...path])
      if (node === undefined || node._tag === "Array") return []
      const name = path.join("_")
      const isOfServicesPort = name.endsWith("_PORT") && ofServicesPort.test(node.value ?? "")
      const own = node.value === undefined || isOfServicesPort || ofService.test(name) ? [] : [name]
      if (node._tag === "Value") return own
      return own.concat(...(yield* Effect.forEach(node.keys, (key) => below([...path, key]))))
    })

  const warnings = Effect.map(below([root]), (names) => {
    // A secret is asked for with a prefix of Flyte's first, and by its own name only where there is none.
    const isKnown = (name: string) => [...asked].some((known) => known.endsWith(name))
    const known = [...asked].filter((name) => name.startsWith(prefix))
    return names
      .filter((name) => !isKnown(name))
      .flatMap((name) => {
        const [nearest] = known
          .map((other) => ({ other, distance: distanceOf(name, other) }))
          .toSorted((one, other) => one.distance - other.distance)
        if (nearest === undefined || (!name.startsWith(prefix) && nearest.distance > 2)) return []
        return [`${name} is no variable of this connector, and nothing reads it. The nearest is ${nearest.other}.`]
      })
  })

  return { layer: ConfigProvider.layer(provider), warnings }
})

/** How many letters have to be added, taken away or changed (Levenshtein). */
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
