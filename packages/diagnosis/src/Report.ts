/**
 * What a diagnosis says, as values: `-o json` prints them as they are, and text is made of them. docs/diagnosis.schema.json
 * is this schema.
 */
import { AuthError, Identity } from "@flyte-databricks/databricks-auth"
import * as Schema from "effect/Schema"
import { type Code, codes } from "./Catalogue.ts"

/** Rises when a field goes away or changes its meaning; new fields may come without. */
export const version = 1

/** Names and values that a check found. */
const Facts = Schema.Record(Schema.String, Schema.String)

/** What one check came to; several entries where it found several things. */
export const Entry = Schema.Struct({
  check: Schema.String,
  status: Schema.Literals(["ok", "warning", "error", "skipped"]),
  /** Of a finding its code; of a skipped check the code of the finding that it waits for. */
  code: Schema.optionalKey(Schema.Literals(codes as ReadonlyArray<Code> & readonly [Code, ...Array<Code>])),
  text: Schema.String,
  facts: Schema.optionalKey(Facts),
  repair: Schema.optionalKey(Schema.String),
  /** A command that mends it. */
  command: Schema.optionalKey(Schema.String),
  /** Where docs/ has more of it. */
  see: Schema.optionalKey(Schema.String)
})
export type Entry = typeof Entry.Type

/** A setting that decides who a task is, and what says it. */
export const Setting = Schema.Struct({
  setting: Schema.String,
  value: Schema.String,
  /** The variable, flag or task key that says so, or `default`. */
  source: Schema.String
})
export type Setting = typeof Setting.Type

/** Who one request would be, why, and whether that works. */
export const Explanation = Schema.Struct({
  /** The namespace whose Secrets and ServiceAccounts count. */
  namespace: Schema.NullOr(Schema.String),
  settings: Schema.Array(Setting),
  /** The places that were looked at, in order. */
  looked: Schema.Array(AuthError.Finding),
  identity: Schema.NullOr(Identity.Summary),
  checks: Schema.Array(Entry)
})
export type Explanation = typeof Explanation.Type

/** What `explain` and `doctor` print with `-o json`. */
export const Report = Schema.Struct({
  version: Schema.Literal(version),
  command: Schema.Literals(["explain", "doctor"]),
  /** That of the process. */
  exitCode: Schema.Int,
  /** What is so for all namespaces. */
  checks: Schema.Array(Entry),
  explanations: Schema.Array(Explanation)
})
export type Report = typeof Report.Type

/** Exit codes, the same in every format. */
export const exits = { sound: 0, error: 1, warnings: 2, usage: 3, waited: 124 } as const

/** Every entry of a report. */
export const entriesOf = ({ checks, explanations }: Pick<Report, "checks" | "explanations">): ReadonlyArray<Entry> => [
  ...checks,
  ...explanations.flatMap((explanation) => explanation.checks)
]

/** How a command ends that found this. */
export const exitCodeOf = (entries: ReadonlyArray<Entry>, failOn: "error" | "warning"): number =>
  entries.some(({ status }) => status === "error")
    ? exits.error
    : failOn === "warning" && entries.some(({ status }) => status === "warning")
      ? exits.warnings
      : exits.sound
