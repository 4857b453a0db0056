/**
 * Text that others wrote, as a message or a log line may repeat it.
 */

// Databricks' tokens and client secrets, and JWTs.
const secretLike = /(dapi|dose)[0-9a-f]{16}[\w-]*|eyJ[\w-]{8}[\w.-]*/g
const beginOfSecretLike = /((dapi|dose)[0-9a-f]{0,15}|eyJ[\w-]{0,7})$/

/**
 * Whether a text looks like a secret, or has one inside: a secret in the wrong place is a common slip.
 */
export const looksLikeSecret = (text: string): boolean => text.search(secretLike) >= 0

export interface Options {
  /** The text is cut to this length, with "…" at its end. */
  readonly maxLength: number
  /** Secrets that whoever wrote it may repeat, the longest first. What looks like one is taken out in any case. */
  readonly secrets?: ReadonlyArray<string>
  /** One line, with one blank for each gap; or the lines of a trace; or a value, with a mark for what cannot be seen. */
  readonly as?: "line" | "lines" | "value"
}

/**
 * The text without secrets and control characters, cut, and in well-formed UTF-16. It is cut before it is cleaned, so
 * that megabytes cost nothing.
 */
export const printable = (text: string, { maxLength, as = "line", ...options }: Options): string => {
  const secrets = (options.secrets ?? []).filter((secret) => secret !== "")
  // What is taken out makes it shorter.
  const head = headOf(text, 4 * maxLength, secrets)
  const isCut = head.length < text.length
  const safe = secrets
    .reduce((text, secret) => text.replaceAll(secret, redacted), head)
    .replaceAll(secretLike, redacted)
  const clean = cleaners[as](isCut ? safe.replace(beginOfSecretLike, redacted) : safe)
  if (!isCut && clean.length <= maxLength) return clean.toWellFormed()
  // Half a surrogate pair is no character, and protocol buffers refuse it.
  return `${clean.slice(0, maxLength - 1).replace(/[\uD800-\uDBFF]$/, "")}…`.toWellFormed()
}

const redacted = "<redacted>"

/** The beginning of a text, which ends before a secret rather than inside it. */
const headOf = (text: string, length: number, secrets: ReadonlyArray<string>): string => {
  let end = length
  for (let cut = Infinity; end < Math.min(cut, text.length);) {
    cut = end
    for (const secret of secrets) {
      const from = Math.max(0, end - secret.length + 1)
      const at = text.slice(from, end + secret.length - 1).indexOf(secret)
      if (at >= 0) end = from + at
    }
  }
  return text.slice(0, end)
}

// Notebooks colour their traces.
const colours = /\u001b\[[0-9;]*[A-Za-z]/g

const cleaners = {
  line: (text: string) =>
    text
      .replaceAll(colours, "")
      .replaceAll(/[\s\p{Cc}]+/gu, " ")
      .trim(),
  lines: (text: string) =>
    text
      .replaceAll(colours, "")
      .replaceAll(/[^\P{Cc}\n\t]/gu, "")
      .trim(),
  value: (text: string) => text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, "�")
}
