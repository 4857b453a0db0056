/**
 * What stands in line: requests to Databricks, by whom they are made and of whom.
 */
import type * as Bucket from "./Bucket.ts"

/** What is asked of a workspace. */
export type Kind = "submit" | "get" | "cancel" | "output"

export interface Limits {
  /** How many requests may be under way at once. */
  readonly atOnce: number
  /** How many of a kind a workspace may be asked in a second. */
  readonly perSecond: Readonly<Record<Kind, number>>
}

/** Who asks whom for what. */
export interface Place {
  readonly workspace: string
  readonly namespace: string
  readonly kind: Kind
}

/** Why somebody is turned away: too many wait, or the turn would come too late, and what it is that they wait for. */
export interface Refusal {
  readonly why: "full" | "late"
  readonly bound: "requests" | "rate"
  readonly waiting: number
}

/** One request. */
export interface Ticket {
  readonly line: Line
  readonly kind: Kind
  /** When the answer has to be there, in milliseconds. */
  readonly endsAt: number
  /** Whether the turn is for a call that has yet to make its request. */
  readonly isAhead: boolean
  /** A call that `has` its turn has not used it yet. */
  state: "waits" | "has" | "goes" | "over"
  /** When it came, then when its turn came, then when it went. */
  since: number
  refusal: Refusal | undefined
}

/** Those of a namespace in a workspace. */
export interface Line {
  readonly workspace: Workspace
  readonly namespace: string
  readonly waiting: Map<Kind, Set<Ticket>>
  underWay: number
}

/** What is known of a kind of request to a workspace: how often it may be made, and how long an answer takes. */
export interface OfKind {
  readonly bucket: Bucket.Bucket
  service: number | undefined
}

/** One that is asked. */
export interface Workspace {
  readonly name: string
  readonly kinds: Map<Kind, OfKind>
  readonly lines: Map<string, Line>
  underWay: number
}

/** How it went. */
export type Outcome = { readonly _tag: "Answered" } | { readonly _tag: "Limited"; readonly retryAfterMillis: number }
