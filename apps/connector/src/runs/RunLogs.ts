/**
 * What a run printed, in pages of lines. Databricks gives it once a task is over: what a Python file printed, what a
 * notebook returned, and the error with its trace where it failed.
 */
import { type Connection, DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { maskedPart } from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { JobsClient, type Run, type RunId, RunState } from "@flyte-databricks/databricks-jobs"
import * as Effect from "effect/Effect"
import * as Turns from "../admission/Turns.ts"
import * as Call from "../call/Call.ts"
import { ConnectorError, type Failure, PageTokenInvalid } from "../call/ConnectorError.ts"
import { rideOut } from "../call/Faults.ts"
import { MetadataKey } from "./MetadataKey.ts"
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

// Lines keep their ends; one that is too long for a message is cut into several.
const maxLineLength = 64 * 1024

// A page is in memory until its reader has taken it, and searched for secrets at once.
const maxCharacters = 512 * 1024

/** Where a page begins: so many texts of the run were given before, and so much of the next one. */
interface Place {
  /** The task, by its number in the run. */
  readonly task: number
  /** The text of the task's output, by its number. */
  readonly text: number
  /** The first character of it that was not given. */
  readonly offset: number
}

const start: Place = { task: 0, text: 0, offset: 0 }

/** Makes the way to read what runs printed. */
export const make = Effect.gen(function* () {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const jobs = yield* JobsClient.JobsClient
  const turns = yield* Turns.Turns
  const key = yield* MetadataKey

  return Effect.fnUntraced(function* (request: LogRequest): Effect.fn.Return<LogPage, Failure> {
    const metadata = yield* PinnedRun.read(key, request.resourceMeta)
    const { runId } = metadata
    const from = yield* placeOf(request.token, runId)
    const limit = request.lines > 0 ? Math.min(request.lines, maxLines) : linesByDefault
    const riding = rideOut(yield* Call.endsAt)

    const credential = yield* PinnedRun.recall(auth, metadata, request.connection).pipe(riding)
    yield* PinnedRun.header(auth, credential).pipe(riding)
    const { instance } = credential.identity
    const run = yield* jobs
      .get(credential, runId)
      .pipe(Call.waitFor(`${instance} to say how run ${runId} is doing`), turns.take("get", credential), riding)
    yield* Call.note(PinnedRun.factsOfRun(run))
    const tasks: ReadonlyArray<Run.RunTask> = run.tasks?.length ? run.tasks : [run]

    const { phase } = RunState.toPhaseReport(run)
    const page: Page = { lines: [], left: limit, characters: maxCharacters }
    for (let task = from.task; task < tasks.length; task++) {
      const { task_key: key, run_id: id = runId } = tasks[task]!
      const output = yield* jobs
        .output(credential, id)
        .pipe(Call.waitFor(`${instance} to give the output of run ${runId}`), turns.take("output", credential), riding)
      const texts = textsOf(output, tasks.length > 1 ? (key ?? "") : undefined)
      for (let text = task === from.task ? from.text : 0; text < texts.length; text++) {
        const offset = task === from.task && text === from.text ? from.offset : 0
        const end = addLines(page, texts[text]!, offset)
        if (end !== undefined) return { lines: page.lines, next: tokenOf(runId, { task, text, offset: end }) }
      }
    }
    const last = textIf(!RunState.hasEnded(phase), `The run is ${phase}: ${outputComesLate}`)
    for (const text of last) {
      if (addLines(page, text, 0) === undefined) continue
      return { lines: page.lines, next: tokenOf(runId, { ...start, task: tasks.length }) }
    }
    return { lines: page.lines, next: "" }
  })
})

const outputComesLate = "Databricks gives the output of a task once it is over."

type Text = Pick<LogLine, "originator"> & { readonly content: string }

/** What a task's output says, part by part; the key names a task that is one of several. */
const textsOf = (output: Run.RunOutput, key: string | undefined): ReadonlyArray<Text> => {
  const printed = [output.logs, output.notebook_output?.result, output.error, output.error_trace]
  return [
    ...textIf(key !== undefined, `=== task ${key} ===`),
    ...textIf(output.logs_truncated === true, "Databricks keeps the last 5 MB; what was before is not shown."),
    ...printed.map((content): Text => ({ content: content ?? "", originator: "USER" })),
    ...textIf(output.notebook_output?.truncated === true, "Databricks cut the notebook's result.")
  ]
}

const textIf = (isSo: boolean, message: string): ReadonlyArray<Text> =>
  isSo ? [{ content: `${message}\n`, originator: "SYSTEM" }] : []

/** A page that is being filled, and how many lines and characters it may still take. */
interface Page {
  readonly lines: Array<LogLine>
  left: number
  characters: number
}

/** Adds the lines of a text from there on; gives where the first one begins for which there is no room. */
const addLines = (page: Page, { content, originator }: Text, offset: number): number | undefined => {
  const most = own(maskedPart(content, offset, offset + page.characters + maxLineLength))
  let from = 0
  while (offset + from < content.length) {
    if (page.left <= 0 || page.characters <= 0) return offset + from
    const end = endOfLine(most, from)
    page.lines.push({ message: most.slice(from, end).toWellFormed(), originator })
    page.left -= 1
    page.characters -= end - from
    from = end
  }
  return undefined
}

// A part of a string keeps the whole of it in memory.
const own = (part: string): string => Buffer.from(part, "utf16le").toString("utf16le")

const endOfLine = (content: string, from: number): number => {
  const most = Math.min(content.length, from + maxLineLength)
  for (let at = from; at < most; at++) {
    const code = content.charCodeAt(at)
    if (code === lineFeed) return at + 1
    if (code === carriageReturn) return content.charCodeAt(at + 1) === lineFeed ? at + 2 : at + 1
  }
  // A surrogate pair stays whole.
  const isSplit = most < content.length && (content.charCodeAt(most - 1) & 0xfc00) === 0xd800
  return isSplit ? most - 1 : most
}

const [lineFeed, carriageReturn] = [10, 13]

const tokenOf = (runId: RunId.RunId, { task, text, offset }: Place): string =>
  Buffer.from(`databricks-logs:${runId}:${task}:${text}:${offset}`).toString("base64url")

const placeOf = (token: string, runId: RunId.RunId): Effect.Effect<Place, ConnectorError> => {
  if (token === "") return Effect.succeed(start)
  const [, of, ...numbers] =
    /^databricks-logs:(\d+):(\d{1,4}):(\d):(\d{1,9})$/.exec(Buffer.from(token.slice(0, 200), "base64url").toString()) ??
    []
  const [task = 0, text = 0, offset = 0] = numbers.map(Number)
  const place = { task, text, offset }
  return of === runId && tokenOf(runId, place) === token
    ? Effect.succeed(place)
    : Effect.fail(new ConnectorError({ reason: new PageTokenInvalid({ runId }) }))
}
