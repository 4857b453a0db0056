/**
 * One check: it passes, finds something, or is skipped because the ground that it stands on was not there. So one fault
 * is one finding, and whatever it keeps from being looked at says so.
 */
import type { AuthError } from "@flyte-databricks/databricks-auth"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Catalogue from "./Catalogue.ts"
import type { Entry } from "./Report.ts"

interface Said {
  readonly detail: string
  readonly command?: string | undefined
  readonly facts?: Readonly<Record<string, string>>
  /** Where it matters less here than elsewhere. */
  readonly level?: Catalogue.Level
}

/** Something is wrong, and what builds on it need not be looked at. */
export class Finding extends Data.TaggedError("Finding")<
  Said & {
    /** What kind of finding it is. */
    readonly code: Catalogue.Code
  }
> {}

/** A failure of the connector's own, as a finding. */
export const fromFailure = (failure: AuthError.AuthError): Finding => {
  const { reason } = failure
  const code = Catalogue.codeOf(failure)
  return reason._tag === "ExchangeRefused"
    ? new Finding({ code, detail: reason.says, command: reason.command })
    : new Finding({ code, detail: failure.message })
}

/** What came of a check, for others to stand on. */
export interface Checked<out A> {
  /** What a report has of it. */
  readonly entries: ReadonlyArray<Entry>
  /** What was found out, or the code of the finding that kept it from being found out. */
  readonly ground: Result.Result<A, Catalogue.Code>
}

/** What a check that passed says, and what it noticed beside that. */
export interface Passed<out A> {
  /** What others stand on. */
  readonly value: A
  /** What is well, in one sentence; nothing is said where it is blank. */
  readonly text: string
  /** Names and values that were found. */
  readonly facts?: Readonly<Record<string, string>>
  /** What is odd, and keeps nothing from being looked at. */
  readonly noticed?: ReadonlyArray<Finding>
}

/** A finding as a report has it. */
export const toEntry = (check: string, { code, detail, command, facts, level }: Finding): Entry => {
  const { level: usual, text, repair, anchor } = Catalogue.entry(code)
  return {
    check,
    status: level ?? usual,
    code,
    text: `${text}. ${detail}`,
    ...(facts === undefined ? {} : { facts }),
    repair,
    ...(command === undefined ? {} : { command }),
    see: anchor
  }
}

/**
 * Runs a check on its ground, within a time.
 */
export const check = Effect.fnUntraced(function* <G, A, R = never>(
  name: string,
  ground: Result.Result<G, Catalogue.Code>,
  run: (ground: G) => Effect.Effect<Passed<A>, Finding, R>,
  within?: { readonly timeout: Duration.Input; readonly orElse: Finding }
): Effect.fn.Return<Checked<A>, never, R> {
  if (Result.isFailure(ground)) {
    const code = ground.failure
    return {
      entries: [{ check: name, status: "skipped", code, text: `Waits for ${code}.` }],
      ground: Result.fail(code)
    }
  }
  const result = yield* Effect.result(
    within === undefined
      ? run(ground.success)
      : Effect.timeoutOrElse(run(ground.success), {
          duration: within.timeout,
          orElse: () => Effect.fail(within.orElse)
        })
  )
  if (Result.isFailure(result)) {
    return { entries: [toEntry(name, result.failure)], ground: Result.fail(result.failure.code) }
  }
  const { value, text, facts, noticed = [] } = result.success
  return {
    entries: [
      ...(text === "" ? [] : [{ check: name, status: "ok" as const, text, ...(facts === undefined ? {} : { facts }) }]),
      ...noticed.map((finding) => toEntry(name, finding))
    ],
    ground: Result.succeed(value)
  }
})

/** Nothing that a check has to stand on. */
export const firm: Result.Result<void, Catalogue.Code> = Result.succeed(undefined)
