/**
 * What the page knows of the service, by the service's own API.
 */
import type * as Api from "../src/Api.ts"
import type { Problem as ProblemSchema } from "../src/Problem.ts"

export type Platform = typeof Api.Platform.Type
export type Resolved = typeof Api.Resolved.Type
export type Run = typeof Api.Run.Type
export type Tokens = typeof Api.Tokens.Type
export type Token = Tokens["tokens"][number]
export type Identity = Resolved["identity"]
export type Finding = Resolved["explanation"][number]
export type Problem = typeof ProblemSchema.Type
type RunEvent = typeof Api.RunEvent.Type
export type Progress = Extract<RunEvent, { event: "progress" }>["data"]

/** What a card shows of its namespace. */
export interface Card {
  readonly name: string
  readonly brings: string | undefined
  readonly resolved: Resolved | undefined
  readonly problem: Problem | undefined
  readonly run: CardRun | undefined
}

/** A run as its card shows it. */
export interface CardRun {
  readonly submitted: Run | undefined
  readonly progress: Progress | undefined
  readonly problem: Problem | undefined
  readonly cancelling: boolean
}
