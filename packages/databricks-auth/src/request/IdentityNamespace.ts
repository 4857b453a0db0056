/**
 * The namespace whose credentials count for a request: what the operator's template makes of it, if that is one that is
 * served.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { AuthError, NamespaceAmbiguous, NamespaceInvalid, NamespaceNotServed } from "../AuthError.ts"
import { isNamespace } from "../internal/kubernetesNames.ts"
import { invalid, looksLikeSecret, nonBlank, shown } from "../internal/settings.ts"

const parts = ["namespace", "project", "domain", "org"] as const

type Part = (typeof parts)[number]

/** The parts of a request that the namespace may be made of. */
export type Parts = { readonly [P in Part]?: string }

/** What of the operator's settings decides on it. */
interface Settings {
  readonly namespaceTemplate: string
  readonly namespaces: Patterns
}

/** The namespace of the request itself, in which Flyte keeps the workflow. */
export const ownTemplate = "{namespace}"

/** Whether it is made by the operator's template, and may not exist. */
export const isMade = ({ namespaceTemplate }: Pick<Settings, "namespaceTemplate">): boolean =>
  namespaceTemplate !== ownTemplate

/** Reads a template. */
export const template = (setting: string, value: string): Result.Result<string, AuthError> => {
  const unknown = [...value.matchAll(/\{([^{}]*)\}/g)].find(([, name]) => !parts.some((part) => part === name))
  // Whatever the parts are, the rest must leave room for a namespace.
  if (unknown !== undefined || !isNamespace(value.replaceAll(/\{\w+\}/g, "x")) || looksLikeSecret(value)) {
    const expected = "lower-case letters, digits, hyphens, {namespace}, {project}, {domain} and {org}"
    return Result.fail(invalid(setting, value, expected))
  }
  const between = [...value.matchAll(/(?<=\})[^{]*(?=\{)/g)]
  const expected = "a hyphen after each part and before the next, so that they can be told apart"
  return between.every(([text]) => /^-(.*-)?$/.test(text))
    ? Result.succeed(value)
    : Result.fail(invalid(setting, value, expected))
}

/**
 * Namespaces by name, `*` standing for any part of one.
 */
export interface Patterns {
  readonly patterns: ReadonlyArray<string>
  readonly includes: (namespace: string) => boolean
}

export const patterns = (setting: string, patterns: ReadonlyArray<string>): Result.Result<Patterns, AuthError> => {
  const wrong = patterns.find((pattern) => !isNamespace(pattern.replaceAll("*", "x")))
  if (wrong !== undefined || patterns.length === 0) {
    return Result.fail(invalid(setting, wrong ?? "", "namespaces, * for any part of a name, separated by commas"))
  }
  const expressions = patterns.map((pattern) => new RegExp(`^${pattern.replaceAll(/\*+/g, "[a-z0-9-]*")}$`))
  return Result.succeed({
    patterns,
    includes: (namespace) => expressions.some((expression) => expression.test(namespace))
  })
}

/** The namespaces of requests by these settings; none where a request has none. */
export const make = ({
  namespaceTemplate: template,
  namespaces
}: Settings): ((given: Parts) => Result.Result<Option.Option<string>, AuthError>) => {
  // Text and the name of a part in turns. A template that was read names no others.
  const pieces = template.split(/\{(\w+)\}/)
  const names = pieces.filter((_, n) => isName(n)) as ReadonlyArray<Part>
  const alone = ambiguous(names)
  return (given) => {
    const values = names.map((name) =>
      Option.getOrElse(Option.flatMap(Option.fromNullishOr(given[name]), nonBlank), () => "")
    )
    const made = pieces.map((piece, n) => (isName(n) ? values[(n - 1) / 2] : piece)).join("")
    const part = alone.find((name) => given[name]?.includes("-"))
    if (part !== undefined) {
      const reason = new NamespaceAmbiguous({ template, part, value: shown(given[part] ?? "") })
      return Result.fail(new AuthError({ reason }))
    }
    const namespace = nonBlank(made)
    // What is left when a part is missing may be a namespace, and somebody else's.
    if (Option.isNone(namespace)) return Result.succeed(namespace)
    if (!isNamespace(made) || values.includes("")) {
      const missing = new Set(names.filter((_, n) => values[n] === ""))
      const reason = new NamespaceInvalid({ namespace: shown(made), template, missing: [...missing] })
      return Result.fail(new AuthError({ reason }))
    }
    if (namespaces.includes(made)) return Result.succeed(namespace)
    const reason = new NamespaceNotServed({ namespace: made, served: namespaces.patterns })
    return Result.fail(new AuthError({ reason }))
  }
}

const isName = (n: number): boolean => n % 2 === 1

/**
 * The parts by which what a template makes of a request could also be made of another one: `billing` and `eu-production`
 * look like `billing-eu` and `production`. Where a template has several parts, only the project may contain hyphens. So
 * every namespace that is made can be read in one way alone.
 */
const ambiguous = (names: ReadonlyArray<Part>): ReadonlyArray<Part> =>
  names.length < 2 ? [] : names.filter((name) => name !== "project")
