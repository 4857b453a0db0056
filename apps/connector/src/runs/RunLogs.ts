/**
 * What a run printed, in pages of lines. Databricks gives it once a task is over: what a Python file printed, what a
 * notebook returned, and the error with its trace where it failed.
 */
import { type Connection, DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { JobsClient, type Run, type RunId, RunState } from "@flyte-databricks/databricks-jobs"
import * as Effect from "effect/Effect"
import * as Call from "../call/Call.ts"
import { ConnectorError, type Failure, PageTokenInvalid } from "../call/ConnectorError.ts"
import { rideOut } from "../call/Faults.ts"
import * as PinnedRun from "./PinnedRun.ts"

/** A line with its end, and whether the task wrote it or the connector did. */
export interface LogLine {
  readonly message: string
  readonly originator: "USER" | "SYSTEM"
}

export interface LogPage {
  readonly lines: ReadonlyArray<LogLine>
  /** The token of the next page; empty where this is the last. */
  readonly next: string
}

export interface LogRequest {
  readonly resourceMeta: Uint8Array
  /** How many lines to give; zero for as many as the connector likes. */
  readonly lines: number
  /** Of the page before; empty for the first. */
  readonly token: string
  readonly connection?: Connection.Connection | undefined
}

const linesByDefault = 1000
const maxLines = 10_000

/** Makes the way to read what runs printed. */
export const make = Effect.gen(function* () {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const jobs = yield* JobsClient.JobsClient

  return Effect.fnUntraced(function* (request: LogRequest): Effect.fn.Return<LogPage, Failure> {
    const metadata = yield* PinnedRun.read(request.resourceMeta)
    const { runId } = metadata
    const from = yield* offsetOf(request.token, runId)
    const until = from + (request.lines > 0 ? Math.min(request.lines, maxLines) : linesByDefault)
    const riding = rideOut(yield* Call.endsAt)

    const credential = yield* PinnedRun.recall(auth, metadata, request.connection).pipe(riding)
    yield* PinnedRun.header(auth, credential).pipe(riding)
    const { instance } = credential.identity
    const run = yield* jobs
      .get(credential, runId)
      .pipe(Call.waitFor(`${instance} to say how run ${runId} is doing`), riding)
    const tasks: ReadonlyArray<Run.RunTask> = run.tasks?.length ? run.tasks : [run]

    const lines: Array<LogLine> = []
    for (const task of tasks) {
      // A line more than the page has, to know whether there is another.
      if (lines.length > until) break
      if (tasks.length > 1) lines.push(system(`=== task ${task.task_key ?? ""} ===`))
      const output = yield* jobs
        .output(credential, task.run_id ?? runId)
        .pipe(Call.waitFor(`${instance} to give the output of run ${runId}`), riding)
      for (const line of linesOf(output)) lines.push(line)
    }
    const { phase } = RunState.toPhaseReport(run)
    if (!RunState.isOver(phase)) {
      lines.push(system(`The run is ${phase}: Databricks gives the output of a task once it is over.`))
    }
    return {
      lines: lines.slice(from, until),
      next: lines.length > until ? tokenOf(runId, until) : ""
    }
  })
})

const system = (message: string): LogLine => ({ message: `${message}\n`, originator: "SYSTEM" })

const linesOf = (output: Run.RunOutput): ReadonlyArray<LogLine> => [
  ...(output.logs_truncated === true ? [system("Databricks keeps the last 5 MB; what was before is not shown.")] : []),
  ...[output.logs, output.notebook_output?.result, output.error, output.error_trace].flatMap(written),
  ...(output.notebook_output?.truncated === true ? [system("Databricks cut the notebook's result.")] : [])
]

// Lines keep their ends; one that is too long for a message is cut into several.
const written = (text: string | null | undefined): ReadonlyArray<LogLine> =>
  (text?.match(/[^\r\n]{0,65536}(?:\r\n|\r|\n|(?=[^])|$)/g) ?? []).flatMap((line) =>
    line === "" ? [] : [{ message: line.toWellFormed(), originator: "USER" }]
  )

const tokenOf = (runId: RunId.RunId, offset: number): string =>
  Buffer.from(`databricks-logs:${runId}:${offset}`).toString("base64url")

const offsetOf = (token: string, runId: RunId.RunId): Effect.Effect<number, ConnectorError> => {
  if (token === "") return Effect.succeed(0)
  const [, of, offset] =
    /^databricks-logs:(\d+):(\d{1,9})$/.exec(Buffer.from(token.slice(0, 200), "base64url").toString()) ?? []
  return of === runId && offset !== undefined && tokenOf(runId, Number(offset)) === token
    ? Effect.succeed(Number(offset))
    : Effect.fail(new ConnectorError({ reason: new PageTokenInvalid({ runId }) }))
}
