/** What a finding of the catalogue is: level, text, repair, anchor, and the words by which it is known. */

/** How much a finding matters: what is an error does not work, or will not. */
export type Level = "error" | "warning"

/** A kind of finding. */
export interface Entry {
  readonly level: Level
  /** What is wrong, in one sentence. */
  readonly text: string
  /** What to do about it. */
  readonly repair: string
  /** Where docs/ has more of it. */
  readonly anchor: string
  /** Words by which an error's message is of this kind; "…" stands for anything. */
  readonly says?: ReadonlyArray<string>
}

export type Entries = { readonly [code: `FDC${number}`]: Entry }

const of =
  (level: Level) =>
  (page: "troubleshooting" | "diagnosis") =>
  (anchor: string, text: string, repair: string, ...says: ReadonlyArray<string>): Entry => ({
    level,
    text,
    repair,
    anchor: `docs/${page}.md#${anchor}`,
    ...(says.length === 0 ? {} : { says })
  })

export const error = of("error")("diagnosis")
export const warning = of("warning")("diagnosis")

/** What is an error of `serve`, and has a row among those that Flyte shows. */
export const shown = of("error")("troubleshooting")
