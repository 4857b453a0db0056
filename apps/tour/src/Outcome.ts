/**
 * What became of a task, as the tour's table shows it.
 */
import type { Scenario } from "./Scenario.ts"

/** The workspace took the task. */
export interface Submitted {
  readonly _tag: "Running" | "Ended"
  readonly authType: string
  readonly origin: string
  readonly runId: string
  /** Who the workspace says the run runs as. */
  readonly principal: string
  readonly phase: string
  readonly link: string
}

/** The connector refused the task, in the words its author would see. */
interface Refused {
  readonly _tag: "Refused"
  readonly error: string
}

export type Outcome = Submitted | Refused

/** Whether the task ended as its scenario says it should. */
export const isExpected = ({ expected }: Scenario, outcome: Outcome): boolean => {
  switch (expected._tag) {
    case "RunsAs":
      return (
        outcome._tag === "Ended" &&
        outcome.phase === "SUCCEEDED" &&
        outcome.principal === expected.principal &&
        outcome.authType === expected.authType &&
        outcome.origin === expected.origin
      )
    case "Refused":
      return outcome._tag === "Refused" && outcome.error.includes(expected.saying)
  }
}
