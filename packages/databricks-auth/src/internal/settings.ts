/**
 * Reading a setting: blank counts as unset, values are trimmed.
 */
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { AuthError, SettingInvalid } from "../AuthError.ts"
import { printable } from "../http/ForeignText.ts"
import { looksLikeSecret } from "../http/LiveSecrets.ts"

export { looksLikeSecret }

/**
 * The trimmed value; none where it is blank.
 */
export const nonBlank = (value: string): Option.Option<string> => {
  const trimmed = value.trim()
  return trimmed === "" ? Option.none() : Option.some(trimmed)
}

/**
 * A variable of the environment that may be unset.
 */
export const variable = (name: string): Config.Config<Option.Option<string>> =>
  Config.option(Config.String(name)).pipe(Config.map(Option.flatMap(nonBlank)))

/**
 * The items of a list that is separated by commas, without the blank ones.
 */
export const commaSeparated = (text: string): ReadonlyArray<string> =>
  text.split(",").flatMap((item) => Option.toArray(nonBlank(item)))

/**
 * The error of a setting that holds something else than it should.
 */
export const invalid = (setting: string, value: string, expected: string): AuthError =>
  new AuthError({ reason: new SettingInvalid({ setting, value: shown(value), expected }) })

/**
 * One of the given words.
 */
export const oneOf =
  <const Words extends ReadonlyArray<string>>(words: Words) =>
  (setting: string, value: string): Result.Result<Words[number], AuthError> => {
    const found = words.find((word) => word === value)
    return found === undefined ? Result.fail(invalid(setting, value, listWords(words))) : Result.succeed(found)
  }

const on = ["true", "1", "yes", "on"]
const off = ["false", "0", "no", "off"]

/**
 * A switch, in the words that Kubernetes manifests and shells use for it.
 */
export const flag = (setting: string, value: string): Result.Result<boolean, AuthError> => {
  const word = value.toLowerCase()
  if (on.includes(word)) return Result.succeed(true)
  return off.includes(word) ? Result.succeed(false) : Result.fail(invalid(setting, value, "true or false"))
}

export const listWords = (words: ReadonlyArray<string>): string =>
  words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`

/**
 * A foreign value as an error may repeat it, unless it looks like a secret.
 */
export const shown = (value: string, maxLength = 100): string =>
  looksLikeSecret(value) ? "(looks like a secret, not shown)" : printable(value, { maxLength, as: "value" })
