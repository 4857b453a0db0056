/**
 * What the page knows of the service, by the service's own API.
 */
import type { Report } from "@flyte-databricks/diagnosis"
import type * as Api from "../src/Api.ts"
import type { Problem as ProblemSchema } from "../src/Problem.ts"

export type Platform = typeof Api.Platform.Type
export type Run = typeof Api.Run.Type
export type Tokens = typeof Api.Tokens.Type
export type Token = Tokens["tokens"][number]
export type Explanation = typeof Report.Explanation.Type
export type Entry = Explanation["checks"][number]
export type Setting = Explanation["settings"][number]
export type Finding = Explanation["looked"][number]
export type Identity = NonNullable<Explanation["identity"]>
export type Problem = typeof ProblemSchema.Type
type RunEvent = typeof Api.RunEvent.Type
export type Progress = Extract<RunEvent, { event: "progress" }>["data"]

/** What a card shows of its namespace. */
export interface Card {
  readonly name: string
  readonly brings: string | undefined
  readonly explanation: Explanation | undefined
  /** Why there is no explanation. */
  readonly problem: Problem | undefined
  /** Whether the explanation goes as far as the proof. */
  readonly proof: "none" | "asked" | "there"
  readonly run: CardRun | undefined
}

/** A run as its card shows it. */
export interface CardRun {
  readonly submitted: Run | undefined
  readonly progress: Progress | undefined
  readonly problem: Problem | undefined
  readonly cancelling: boolean
}
