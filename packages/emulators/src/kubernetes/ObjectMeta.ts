/**
 * What every API object has: a name the API server would accept, labels and annotations, and the metadata it keeps.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { EmulatorError, InvalidInput } from "../EmulatorError.ts"
import { uuid } from "../internal/randomText.ts"
import type { Target } from "./Resource.ts"

/** An object's place, labels and annotations. */
export interface ObjectOptions extends Target {
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

/** `metadata` as the API gives it. */
export interface ObjectMeta extends Target {
  readonly uid: string
  readonly resourceVersion: string
  readonly creationTimestamp: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

// RFC 1123 subdomains as names; label values and the keys of labels and annotations as `k8s.io/apimachinery` has them.
const nameRule = /^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/
const namespaceRule = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const qualifiedName = "(?:[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-._A-Za-z0-9]{0,61}[A-Za-z0-9])?"
const labelText = "(?:[A-Za-z0-9](?:[-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?"

/** The key of a label or an annotation, as the source of a regular expression. */
export const labelKeyPattern = qualifiedName
/** The value of a label, as the source of a regular expression. */
export const labelValuePattern = labelText

const keyRule = new RegExp(`^${qualifiedName}$`)
const valueRule = new RegExp(`^${labelText}$`)

const problemOf = ({ annotations = {}, labels = {}, name, namespace }: ObjectOptions): string | undefined => {
  if (!namespaceRule.test(namespace)) return `"${namespace}" is not a valid namespace`
  if (!nameRule.test(name)) return `"${name}" is not a valid name`
  const badKey = [...Object.keys(labels), ...Object.keys(annotations)].find((key) => !keyRule.test(key))
  if (badKey !== undefined) return `"${badKey}" is not a valid key of a label or an annotation`
  const badLabel = Object.entries(labels).find(([, value]) => !valueRule.test(value))
  return badLabel === undefined ? undefined : `"${badLabel[1]}" is not a valid value of the label "${badLabel[0]}"`
}

/** Refuses what the API server would refuse, for any reason of the object itself or of the `problem` found besides. */
export const check = (kind: string, options: ObjectOptions, further?: string) => {
  const problem = problemOf(options) ?? further
  return problem === undefined
    ? Effect.void
    : Effect.fail(new EmulatorError({ reason: new InvalidInput({ what: kind, problem }) }))
}

/** A time as the API writes it: whole seconds. */
export const timestamp = (millis: number) => new Date(millis).toISOString().replace(/\.\d+Z$/, "Z")

/** One object's name within the API. */
export const key = ({ name, namespace }: Target) => `${namespace}/${name}`

const unlessEmpty = <K extends string>(name: K, entries: Readonly<Record<string, string>> = {}) =>
  Object.keys(entries).length === 0 ? {} : { [name]: entries }

/** Counts the revisions of one API server, and makes the metadata of its objects. */
export const make = () => {
  let revision = 1000
  return {
    /** The newest revision there is. */
    revision: () => `${revision}`,
    /** The metadata of a new object, or of the next version of an old one. */
    next: Effect.fnUntraced(function* (options: ObjectOptions, old?: ObjectMeta) {
      return {
        name: options.name,
        namespace: options.namespace,
        uid: old?.uid ?? (yield* uuid),
        resourceVersion: `${++revision}`,
        creationTimestamp: old?.creationTimestamp ?? timestamp(yield* Clock.currentTimeMillis),
        ...unlessEmpty("labels", options.labels),
        ...unlessEmpty("annotations", options.annotations)
      } as ObjectMeta
    })
  }
}

export type ObjectMetas = ReturnType<typeof make>
