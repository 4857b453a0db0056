/**
 * Text that others wrote, as a message or a log line may repeat it.
 */
import { redact } from "./LiveSecrets.ts"

export interface Options {
  /** The text is cut to this length, with "…" at its end. */
  readonly maxLength: number
  /** One line, with one blank for each gap; or the lines of a trace; or a value, with a mark for what cannot be seen. */
  readonly as?: "line" | "lines" | "value"
}

/**
 * The text without secrets and control characters, cut, and in well-formed UTF-16. Its beginning alone is looked at, so
 * that megabytes cost nothing, and no secret is cut before it is taken out.
 */
export const printable = (text: string, { maxLength, as = "line" }: Options): string => {
  // What is cleaned away makes it shorter.
  const isCut = text.length > 4 * maxLength
  const clean = cleaners[as](redact(text, { until: Math.min(text.length, 4 * maxLength) }))
  if (!isCut && clean.length <= maxLength) return clean.toWellFormed()
  // Half a surrogate pair is no character, and protocol buffers refuse it.
  return `${clean.slice(0, maxLength - 1).replace(/[\uD800-\uDBFF]$/, "")}…`.toWellFormed()
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
