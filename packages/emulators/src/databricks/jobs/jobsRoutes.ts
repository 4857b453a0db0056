/**
 * The Jobs API, 2.1 and 2.2: `runs/submit`, `runs/get`, `runs/list`, `runs/cancel`, `runs/get-output`.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as exactJson from "../../internal/exactJson.ts"
import { type ApiError, invalidParameter, toResponse } from "../ApiError.ts"
import type { Authentication } from "../Authentication.ts"
import { jsonBody } from "../jsonBody.ts"
import type { Principal } from "../Principals.ts"
import { runOutputResource, runResource } from "./runResource.ts"
import type { Runs } from "./Runs.ts"
import * as SubmitRequest from "./SubmitRequest.ts"

const versions = ["2.1", "2.2"] as const

/** A run's id, as a JSON number, a string of digits, or a query parameter. */
const toRunId = (value: unknown) =>
  typeof value === "bigint" || Number.isSafeInteger(value) || (typeof value === "string" && /^\d{1,19}$/.test(value))
    ? Effect.succeed(BigInt(value as bigint | number | string))
    : Effect.fail(
        invalidParameter(
          value === undefined || value === "" ? "Missing required field: run_id" : "The run_id must be an integer."
        )
      )

const queriedRunId = Effect.flatMap(HttpServerRequest.ParsedSearchParams, ({ run_id }) => toRunId(run_id))

/** The workspace that a request is for. */
interface Workspace {
  readonly url: string
  readonly id: string
}

/** The routes, over the check of who calls, and the runs of each workspace. */
export const jobsRoutes = (authentication: Authentication, runsOf: (workspaceId: string) => Runs, url: string) => {
  const call = <R>(
    handler: (principal: Principal, runs: Runs, workspace: Workspace) => Effect.Effect<unknown, ApiError, R>
  ) =>
    authentication.pipe(
      Effect.flatMap(({ principal, workspaceId }) => handler(principal, runsOf(workspaceId), { url, id: workspaceId })),
      Effect.map((body) => HttpServerResponse.text(exactJson.stringify(body), { contentType: "application/json" })),
      Effect.catchTag("ApiError", toResponse)
    )

  const submit = call(
    Effect.fnUntraced(function* (principal, runs) {
      const request = yield* SubmitRequest.decode(yield* jsonBody)
      return { run_id: yield* runs.submit(principal, request) }
    })
  )

  const get = call(
    Effect.fnUntraced(function* (principal, runs, workspace) {
      const run = yield* runs.view(principal, yield* queriedRunId)
      return runResource(run, yield* runs.progress(run), workspace)
    })
  )

  const list = call(
    Effect.fnUntraced(function* (principal, runs, workspace) {
      const { limit = "20" } = yield* HttpServerRequest.ParsedSearchParams
      const count = Number(limit)
      if (!Number.isInteger(count) || count < 1 || count > 25) {
        return yield* invalidParameter("The limit must be between 1 and 25.")
      }
      const all = yield* runs.list(principal)
      const page = yield* Effect.forEach(all.slice(0, count), (run) =>
        Effect.map(runs.progress(run), (progress) => runResource(run, progress, workspace))
      )
      return { ...(page.length === 0 ? {} : { runs: page }), has_more: all.length > count }
    })
  )

  const cancel = call(
    Effect.fnUntraced(function* (principal, runs) {
      yield* runs.cancel(principal, yield* toRunId((yield* jsonBody)["run_id"]))
      return {}
    })
  )

  const getOutput = call(
    Effect.fnUntraced(function* (principal, runs, workspace) {
      const id = yield* queriedRunId
      const run = yield* runs.viewTask(principal, id)
      if (id === run.runId && run.taskRunIds.length > 1) {
        return yield* invalidParameter(
          "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of each individual task run instead."
        )
      }
      const progress = yield* runs.progress(run)
      return runOutputResource(run, progress, { ...runResource(run, progress, workspace), run_id: id })
    })
  )

  return versions.flatMap((version) => [
    HttpRouter.route("POST", `/api/${version}/jobs/runs/submit`, submit),
    HttpRouter.route("GET", `/api/${version}/jobs/runs/get`, get),
    HttpRouter.route("GET", `/api/${version}/jobs/runs/list`, list),
    HttpRouter.route("POST", `/api/${version}/jobs/runs/cancel`, cancel),
    HttpRouter.route("GET", `/api/${version}/jobs/runs/get-output`, getOutput)
  ])
}
