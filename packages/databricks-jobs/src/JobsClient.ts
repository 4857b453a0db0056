/**
 * The Databricks Jobs API 2.1, as far as one run needs it: submit, get, cancel, output. Each call is made as an identity that
 * was decided before. Only `DatabricksAuth` knows where that identity's token comes from.
 */
import type { AuthError } from "@flyte-databricks/databricks-auth/AuthError"
import { DatabricksAuth } from "@flyte-databricks/databricks-auth/DatabricksAuth"
import type { AuthHeader, Credential } from "@flyte-databricks/databricks-auth/Credential"
import { refusesToken, requestId } from "@flyte-databricks/databricks-auth/http/Answer"
import * as Spans from "@flyte-databricks/databricks-auth/telemetry/Spans"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constVoid, flow } from "effect/Function"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { type Answer, type Decode, read } from "./internal/apiAnswer.ts"
import * as apiRequest from "./internal/apiRequest.ts"
import { integer } from "./internal/losslessJson.ts"
import type { Identity } from "@flyte-databricks/databricks-auth/Identity"
import { JobsError, RunNotFound } from "./JobsError.ts"
import { Run, RunOutput } from "./Run.ts"
import { RunId, RunIdFromJson } from "./RunId.ts"
import type { RunState } from "./RunState.ts"

/** How a call is made. */
export interface CallOptions {
  /** The credential's header, for who has just asked for it; otherwise the call asks. */
  readonly header?: AuthHeader
  /** After how many milliseconds the caller gives up by himself: `RequestTimeout` is not kept where it would be later. */
  readonly givesUpAfter?: number
  /** Told the id that Databricks gave a request that it carried out. */
  readonly onRequestId?: (id: string) => void
}

/** A call about a run. */
type OfRun<A> = (credential: Credential, runId: RunId, options?: CallOptions) => Effect.Effect<A, JobsError | AuthError>

/** Submits, follows and cancels runs. */
export class JobsClient extends Context.Service<
  JobsClient,
  {
    /**
     * Starts a run. The same idempotency token, of at most 64 characters, gives the run that it started the first time.
     * It replaces a token that the body carries.
     */
    readonly submit: (
      credential: Credential,
      body: Schema.JsonObject,
      idempotencyToken: string,
      options?: CallOptions
    ) => Effect.Effect<RunId, JobsError | AuthError>
    /** How a run is doing. */
    readonly get: OfRun<Run>
    /** Asks Databricks to stop a run, which takes its time. */
    readonly cancel: OfRun<void>
    /** What a run has left behind. The run id is a task's: a run of several tasks has no output of its own. */
    readonly output: OfRun<RunOutput>
  }
>()("@flyte-databricks/databricks-jobs/JobsClient") {}

/**
 * How long one request may take, its answer's last byte included. Who has less time interrupts the call: Databricks may
 * be slow, and to ask again is to wait from the beginning. This is for who has no limit of its own.
 */
export const RequestTimeout = Context.Reference<Duration.Input>("@flyte-databricks/databricks-jobs/RequestTimeout", {
  defaultValue: () => "1 minute"
})

/** How much of an answer is read. A run with a hundred tasks has some 300 KB. */
export const BodyLimit = Context.Reference<number>("@flyte-databricks/databricks-jobs/BodyLimit", {
  defaultValue: () => 4 * 1024 * 1024
})

/** How much of an output is read. Databricks gives up to 5 MB of what a task printed, before it is JSON. */
export const OutputLimit = Context.Reference<number>("@flyte-databricks/databricks-jobs/OutputLimit", {
  defaultValue: () => 16 * 1024 * 1024
})

const submitted = flow(
  Schema.decodeUnknownResult(Schema.Struct({ run_id: RunIdFromJson })),
  Result.map(({ run_id }) => run_id)
)
const cancelled = flow(Schema.decodeUnknownResult(Schema.Record(Schema.String, Schema.Unknown)), Result.map(constVoid))
const told = Schema.decodeUnknownResult(Run)
const left = Schema.decodeUnknownResult(RunOutput)

/** The Jobs API over HTTP. */
export const layer: Layer.Layer<JobsClient, never, HttpClient.HttpClient | DatabricksAuth> = Layer.effect(
  JobsClient,
  Effect.gen(function* () {
    const auth = yield* DatabricksAuth
    const client = yield* HttpClient.HttpClient
    const timeout = Duration.fromInputUnsafe(yield* RequestTimeout)
    const bodyLimit = yield* BodyLimit
    const outputLimit = yield* OutputLimit
    const room = yield* Semaphore.make(Math.max(apiRequest.room, ...[bodyLimit, outputLimit].map(apiRequest.permitsOf)))
    const send = apiRequest.make(client, timeout, bodyLimit, room)
    const sendForOutput = apiRequest.make(client, timeout, outputLimit, room)

    const call = Effect.fnUntraced(function* <A>(
      credential: Credential,
      { header: given, onRequestId, givesUpAfter }: CallOptions,
      request: apiRequest.Request,
      decode: Decode<A>,
      sending = send
    ): Effect.fn.Return<A, JobsError | AuthError> {
      const { identity } = credential
      const header = given ?? (yield* auth.getHeader(credential))
      const readIt = (answer: Answer) => {
        const result = read(answer, decode)
        const id = requestId(answer.headers)
        if (id !== undefined && Result.isSuccess(result)) onRequestId?.(id)
        return Effect.fromResult(result)
      }
      const answer = yield* sending(request, identity, header, givesUpAfter)
      if (!refusesToken(answer)) return yield* readIt(answer)
      // The token was revoked or rotated after it was cached: try once more, with a new one for the same identity.
      answer.body = ""
      yield* auth.invalidate(credential, header)
      return yield* readIt(yield* sending(request, identity, yield* auth.getHeader(credential), givesUpAfter))
    })

    return JobsClient.of({
      submit: (credential, job, idempotencyToken, options = {}) => {
        const body = { ...job, idempotency_token: idempotencyToken }
        const request = { operation: "submit a run", path: "runs/submit", body }
        return Spans.span("JobsClient.submit")(call(credential, options, request, submitted))
      },
      get: (credential, runId, options = {}) => {
        const request = { operation: `get run ${runId}`, path: "runs/get", runId }
        return Spans.span("JobsClient.get")(call(credential, options, request, told))
      },
      cancel: (credential, runId, options = {}) => {
        const body = { run_id: integer(runId) }
        const request = { operation: `cancel run ${runId}`, path: "runs/cancel", runId, body }
        return Spans.span("JobsClient.cancel")(call(credential, options, request, cancelled))
      },
      output: (credential, runId, options = {}) => {
        const request = { operation: `get the output of run ${runId}`, path: "runs/get-output", runId }
        return Spans.span("JobsClient.output")(call(credential, options, request, left, sendForOutput))
      }
    })
  })
)

/** A run in memory. */
export interface MemoryRun {
  readonly runId: RunId
  readonly identity: Identity
  readonly body: Schema.JsonObject
  readonly idempotencyToken: string
  readonly state: RunState
  readonly output: RunOutput
  readonly cancelled: boolean
}

/** The other side of `layerMemory`: what was submitted, and what becomes of it. */
export class JobsClientMemory extends Context.Service<
  JobsClientMemory,
  {
    readonly runs: Effect.Effect<ReadonlyArray<MemoryRun>>
    readonly setState: (runId: RunId, state: RunState) => Effect.Effect<void>
    readonly setOutput: (runId: RunId, output: RunOutput) => Effect.Effect<void>
    /** Makes the next call fail, whichever it is. Each error fails one call, in order. */
    readonly failNext: (error: JobsError | AuthError) => Effect.Effect<void>
  }
>()("@flyte-databricks/databricks-jobs/JobsClientMemory") {}

/**
 * Jobs in memory, one set for each workspace: runs are pending until somebody sets their state, and a cancelled one is
 * cancelled at once. Run ids start past 2^53, where a number would lose them.
 */
export const layerMemory: Layer.Layer<JobsClient | JobsClientMemory> = Layer.effectContext(
  Effect.gen(function* () {
    const runs = yield* Ref.make<ReadonlyArray<MemoryRun>>([])
    const failures = yield* Ref.make<ReadonlyArray<JobsError | AuthError>>([])

    const failure = Effect.flatMap(
      Ref.modify(failures, ([first, ...rest]) => [first, rest]),
      (error) => (error === undefined ? Effect.void : Effect.fail(error))
    )
    const update = (runId: RunId, change: Partial<MemoryRun>) =>
      Ref.update(runs, (all) => all.map((run) => (run.runId === runId ? { ...run, ...change } : run)))
    const find = Effect.fnUntraced(function* ({ identity }: Credential, runId: RunId, operation: string) {
      const found = (yield* Ref.get(runs)).find(
        (run) => run.runId === runId && run.identity.instance === identity.instance
      )
      if (found !== undefined) return found
      return yield* new JobsError({
        reason: new RunNotFound({
          operation,
          instance: identity.instance,
          status: 400,
          errorCode: "INVALID_PARAMETER_VALUE",
          detail: `Run ${runId} does not exist.`,
          runId
        })
      })
    })

    const client = JobsClient.of({
      submit: Effect.fnUntraced(function* ({ identity }, body, idempotencyToken) {
        yield* failure
        return yield* Ref.modify(runs, (all) => {
          const same = all.find(
            (run) => run.idempotencyToken === idempotencyToken && run.identity.instance === identity.instance
          )
          if (same !== undefined) return [same.runId, all]
          const runId = RunId.make(String(2n ** 53n + 2n * BigInt(all.length) + 1n))
          const state = { state: { life_cycle_state: "PENDING" } }
          return [runId, [...all, { runId, identity, body, idempotencyToken, state, output: {}, cancelled: false }]]
        })
      }),
      get: Effect.fnUntraced(function* (credential, runId) {
        yield* failure
        const { state } = yield* find(credential, runId, `get run ${runId}`)
        return { ...state, job_id: runId }
      }),
      cancel: Effect.fnUntraced(function* (credential, runId) {
        yield* failure
        yield* find(credential, runId, `cancel run ${runId}`)
        const state = { state: { life_cycle_state: "TERMINATED", result_state: "CANCELED" } }
        yield* update(runId, { cancelled: true, state })
      }),
      output: Effect.fnUntraced(function* (credential, runId) {
        yield* failure
        return (yield* find(credential, runId, `get the output of run ${runId}`)).output
      })
    })
    return Context.make(JobsClient, client).pipe(
      Context.add(JobsClientMemory, {
        runs: Ref.get(runs),
        setState: (runId, state) => update(runId, { state }),
        setOutput: (runId, output) => update(runId, { output }),
        failNext: (error) => Ref.update(failures, (all) => [...all, error])
      })
    )
  })
)
