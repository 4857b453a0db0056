/**
 * A report as text: the same lines in a pipe and on a terminal, where they have colour and fit its width.
 */
import type { AuthError } from "@flyte-databricks/databricks-auth"
import * as Arr from "effect/Array"
import { entriesOf } from "@flyte-databricks/diagnosis/Report"
import type * as Report from "@flyte-databricks/diagnosis/Report"

/** How text is to look. */
export interface Style {
  readonly colour: boolean
  /** Where lines are wrapped; none in a pipe. */
  readonly width: number | undefined
}

export const plain: Style = { colour: false, width: undefined }

const colours = { ok: 32, warning: 33, error: 31, skipped: 90, bold: 1 } as const
const marks = { ok: "ok", warning: "warning", error: "error", skipped: "skipped" } as const

const painted = ({ colour }: Style, as: keyof typeof colours, text: string): string =>
  colour ? `\u001b[${colours[as]}m${text}\u001b[0m` : text

/** The whole report. */
export const render = (report: Report.Report, style: Style): string =>
  [
    ...(report.checks.length === 0 ? [] : [section("Checks", entryLines(report.checks, style), style)]),
    ...(report.command === "doctor"
      ? fleetSections(report.explanations, style)
      : report.explanations.flatMap((explanation) => explanationSections(explanation, style))),
    verdict(report, style)
  ].join("\n\n")

/** Findings alone, one a line, and the verdict. */
export const renderShort = (report: Report.Report, style: Style): string =>
  [
    ...entriesOf(report)
      .filter(({ status }) => status === "warning" || status === "error")
      .map(({ status, code, check, text }) => `${painted(style, status, code ?? status)} ${check}: ${firstLine(text)}`),
    verdict(report, style)
  ].join("\n")

const firstLine = (text: string): string => text.split("\n")[0] ?? ""

const section = (title: string, lines: ReadonlyArray<string>, style: Style): string =>
  [painted(style, "bold", title), ...lines.map((line) => `  ${line}`)].join("\n")

const explanationSections = (explanation: Report.Explanation, style: Style): ReadonlyArray<string> => [
  section(
    `Namespace ${explanation.namespace ?? "(none)"}`,
    columns(
      explanation.settings
        .filter(({ setting, source }) => source !== "default" || setting === "authType" || setting === "instance")
        .map(({ setting, value, source }) => [setting, value, `(${source})`])
    ),
    style
  ),
  section("Looked at, in order", explanation.looked.flatMap(lookLines(style)), style),
  section("Proof", entryLines(explanation.checks, style), style)
]

/** Who each namespace is, by mode: the worklist of a move from PATs; and what is wrong in each. */
const fleetSections = (explanations: ReadonlyArray<Report.Explanation>, style: Style): ReadonlyArray<string> => {
  if (explanations.length === 0) return []
  const rows = explanations.map(({ namespace, identity, checks }) => [
    namespace ?? "(none)",
    identity?.mode ?? "nobody",
    identity?.principal ?? "",
    identity?.source ?? "",
    (["error", "skipped", "warning"] as const)
      .map((wanted) => checks.find(({ status }) => status === wanted)?.code)
      .find((code) => code !== undefined) ?? "ok"
  ])
  const findings = explanations.flatMap(({ namespace, checks }) => {
    const wrong = checks.filter(({ status }) => status === "warning" || status === "error")
    return wrong.length === 0 ? [] : [section(`Namespace ${namespace ?? "(none)"}`, entryLines(wrong, style), style)]
  })
  return [section("Namespaces", table(rows), style), ...findings]
}

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(width(column)))
      .join("  ")
      .trimEnd()
  )
}

const columns = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const width = Math.max(...rows.map(([first = ""]) => first.length), 0)
  return rows.map(([first = "", ...rest]) => `${first.padEnd(width)}  ${rest.join("  ")}`.trimEnd())
}

const lookLines =
  (style: Style) =>
  ({ source, outcome, detail }: AuthError.Finding): ReadonlyArray<string> => {
    const colour =
      outcome === "used" ? "ok" : outcome === "failed" ? "error" : outcome === "forbidden" ? "warning" : "skipped"
    const line = `${painted(style, colour, outcome.padEnd(9))} ${source}`
    // What failed is told in full where its finding is.
    return [detail === undefined || outcome === "failed" ? line : `${line}: ${detail}`]
  }

const entryLines = (entries: ReadonlyArray<Report.Entry>, style: Style): ReadonlyArray<string> => {
  const named = Math.max(...entries.map(({ check }) => check.length))
  return entries.flatMap((entry) => linesOf(entry, named, style))
}

const linesOf = (entry: Report.Entry, named: number, style: Style): ReadonlyArray<string> => {
  const { status, check, code, text, facts = {}, repair, command, see } = entry
  const coded = status === "ok" || status === "skipped" || code === undefined ? "" : `${code} `
  const label = ` ${check.padEnd(named)} ${coded}`
  const [first = "", ...more] = text.split("\n")
  const indent = " ".repeat(8)
  // Every line of a section is two to the right.
  const width = style.width === undefined ? undefined : style.width - 2
  const rest = (lines: ReadonlyArray<string>) => lines.map((line) => `${indent}${line}`)
  const [head = "", ...tail] = wrap(first, width, marks[status].padEnd(7).length + label.length, indent.length)
  const mend = `${indent}To mend it: `
  const [begin = "", ...end] = wrap(repair ?? "", width, mend.length, indent.length)
  return [
    `${painted(style, status, marks[status].padEnd(7))}${label}${head}`,
    ...rest(tail),
    ...rest(more),
    ...rest(columns(Object.entries(facts))),
    ...(repair === undefined ? [] : [`${mend}${begin}`, ...rest(end)]),
    ...(command === undefined ? [] : command.split("\n").map((line) => `${indent}  ${line}`)),
    ...(see === undefined ? [] : [`${indent}See ${see}`])
  ]
}

/** Words in lines of a width, as far as words allow; so much of the first and of the others is taken. */
const wrap = (text: string, width: number | undefined, ofFirst: number, ofOthers: number): ReadonlyArray<string> => {
  if (width === undefined) return [text]
  return Arr.reduce(text.split(" "), [] as ReadonlyArray<string>, (lines, word) => {
    const last = lines.at(-1)
    const room = width - (lines.length <= 1 ? ofFirst : ofOthers)
    return last === undefined || last.length + 1 + word.length > room
      ? [...lines, word]
      : [...lines.slice(0, -1), `${last} ${word}`]
  })
}

const verdict = (report: Report.Report, style: Style): string => {
  const count = (wanted: Report.Entry["status"]) => entriesOf(report).filter(({ status }) => status === wanted).length
  const [errors, warnings] = [count("error"), count("warning")]
  const counted = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`
  if (errors + warnings === 0) return painted(style, "ok", "Sound.")
  return painted(
    style,
    errors > 0 ? "error" : "warning",
    `${counted(errors, "error")}, ${counted(warnings, "warning")}.`
  )
}
