/**
 * Variables that an operator misspelt. Whatever was asked for by the time that the connector serves is a variable of it,
 * so there is no list to keep.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { below, nearest } from "../variableNames.ts"

const root = "FLYTE"
const prefix = `${root}_DATABRICKS_`

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
  const warnings = Effect.map(below(environment, [root]), (names) => {
    // A secret is asked for with a prefix of Flyte's first, and by its own name only where there is none.
    const isKnown = (name: string) => [...asked].some((known) => known.endsWith(name))
    const known = [...asked].filter((name) => name.startsWith(prefix))
    return names
      .filter((name) => !isKnown(name))
      .flatMap((name) => {
        const meant = nearest(name, known)
        if (meant === undefined || (!name.startsWith(prefix) && meant.distance > 2)) return []
        return [`${name} is no variable of this connector, and nothing reads it. The nearest is ${meant.name}.`]
      })
  })

  return { layer: ConfigProvider.layer(provider), warnings }
})
