/**
 * A map of what is worth keeping: bounded by its number, and by the characters of foreign text in it. What was not touched
 * for longest leaves first.
 */
import * as Predicate from "effect/Predicate"

/** How much is kept. */
export interface Most {
  readonly entries: number
  readonly characters: number
}

export interface Kept<K, V> {
  readonly get: (key: K) => V | undefined
  readonly set: (key: K, value: V, characters: number) => void
  readonly delete: (key: K) => void
  readonly values: () => Iterable<V>
}

// A Map's first key is found by passing the places of all that have left it, so that it is not looked for each time.
const someRoom = (most: number): number => most - Math.floor(most / 16)

/** Keeps so much; `left` hears of what made room. */
export const make = <K, V>(most: Most, left: (value: V) => void = () => undefined): Kept<K, V> => {
  // A Map keeps the order in which keys were added: the first is the one that was not touched for longest.
  const entries = new Map<K, { readonly value: V; readonly characters: number }>()
  let characters = 0
  const remove = (key: K) => {
    characters -= entries.get(key)?.characters ?? 0
    entries.delete(key)
  }
  return {
    get: (key) => entries.get(key)?.value,
    set: (key, value, weight) => {
      remove(key)
      entries.set(key, { value, characters: weight })
      characters += weight
      if (entries.size <= most.entries && characters <= most.characters) return
      for (const [oldest, { value }] of entries) {
        if (entries.size <= someRoom(most.entries) && characters <= someRoom(most.characters)) return
        // What came last stays, however much it is: somebody waits for it.
        if (oldest === key) return
        remove(oldest)
        left(value)
      }
    },
    delete: remove,
    values: function* () {
      for (const { value } of entries.values()) yield value
    }
  }
}

/** The characters of the texts in an object. */
export const charactersOf = (object: object): number =>
  Object.values(object).reduce<number>((sum, value) => sum + (Predicate.isString(value) ? value.length : 0), 0)
