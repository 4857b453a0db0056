/**
 * The tour's outcomes as text.
 */
import { isExpected, type Outcome } from "./Outcome.ts"
import type { Scenario } from "./Scenario.ts"

export interface Row {
  readonly scenario: Scenario
  readonly outcome: Outcome
}

/** One line of progress. */
export const progress = ({ scenario, outcome }: Row): string => {
  const name = scenario.namespace.padEnd(20)
  switch (outcome._tag) {
    case "Running":
    case "Ended":
      return `  ${name} ${outcome.phase.padEnd(13)} run ${outcome.runId} as ${outcome.principal}`
    case "Refused":
      return `  ${name} refused`
  }
}

/** The table at the end; what does not fit into a column stands below it. */
export const render = (rows: ReadonlyArray<Row>): string => {
  const header = ["", "NAMESPACE", "AUTH TYPE", "IDENTITY", "FROM", "RUN ID", "PHASE"]
  const cells = rows.map(({ scenario, outcome }) => {
    const mark = isExpected(scenario, outcome) ? "✓" : "✗"
    return outcome._tag === "Refused"
      ? [mark, scenario.namespace, "-", "-", "-", "-", "refused"]
      : [mark, scenario.namespace, outcome.authType, outcome.principal, outcome.origin, outcome.runId, outcome.phase]
  })
  const widths = header.map((title, column) =>
    Math.max(...[header, ...cells].map((row) => (row[column] ?? title).length))
  )
  const line = (row: ReadonlyArray<string>) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()
  return [line(header), ...cells.map(line), "", ...rows.map(detail)].join("\n")
}

const detail = ({ scenario, outcome }: Row): string => {
  const heading = `${scenario.namespace} ${scenario.story}.`
  switch (outcome._tag) {
    case "Running":
    case "Ended":
      return `${heading}\n    ${outcome.link}`
    case "Refused":
      return `${heading}\n${outcome.error.replaceAll(/^/gm, "    ")}`
  }
}
