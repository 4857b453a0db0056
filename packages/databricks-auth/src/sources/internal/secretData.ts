import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { AuthError } from "../../AuthError.ts"
import { broken } from "../../internal/broken.ts"
import type { SecretData } from "../../Kubernetes.ts"
import { nonBlank } from "../../internal/settings.ts"

/**
 * The values under these keys, trimmed. A Secret that lacks one, or holds a blank one, is broken: it is there, so its
 * owner meant it to be used.
 */
export const requireKeys = <const Key extends string>(
  source: string,
  data: SecretData,
  keys: ReadonlyArray<Key>
): Result.Result<Record<Key, Redacted.Redacted<string>>, AuthError> => {
  const values = keys.map((key) => {
    const value = Object.hasOwn(data, key) ? data[key] : undefined
    if (value === undefined) return { key, problem: `lacks key ${key}` }
    const trimmed = nonBlank(Redacted.value(value))
    return trimmed._tag === "None"
      ? { key, problem: `has a blank value (or none of UTF-8 text) under key ${key}` }
      : { key, value: Redacted.make(trimmed.value, { label: key }) }
  })
  const problems = values.flatMap(({ problem }) => problem ?? [])
  if (problems.length > 0) {
    const remedy = `Give it ${keys.map((key) => `a value under ${key}`).join(" and ")}, or delete it.`
    return Result.fail(broken(source, problems.join(" and "), remedy))
  }
  // Every key has a value here; the type cannot know that the list of problems was the rest.
  return Result.succeed(
    Object.fromEntries(values.map(({ key, value }) => [key, value])) as Record<Key, Redacted.Redacted<string>>
  )
}
