import { assert, describe, it } from "@effect/vitest"
import { assertEquals, assertInclude } from "@effect/vitest/utils"
import { DatabricksAuth, Kubernetes, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { JobsClient, JobsError, RunId } from "@flyte-databricks/databricks-jobs"
import { Effect, Fiber, Layer, Stream } from "effect"
import { HttpServer } from "effect/http"
import { HttpApiTest } from "effect/http-api"
import { TestClock } from "effect/testing"
import { Api } from "../src/Api.ts"
import * as Handlers from "../src/Handlers.ts"
import * as memory from "./support/memory.ts"

const service = Handlers.groups.pipe(Layer.provideMerge(memory.layer), Layer.provideMerge(HttpServer.layerServices))
const provided = Effect.provide(service, { local: true })
const client = HttpApiTest.groups(Api, ["demo"])

const running = { state: { life_cycle_state: "RUNNING" } }
const succeeded = { state: { life_cycle_state: "TERMINATED", result_state: "SUCCESS" } }

describe("GET /api/identity", () => {
  it.effect("says who a namespace would be, from where, and what was looked at before", () =>
    Effect.gen(function* () {
      const { identity } = yield* client
      const resolved = yield* identity({ query: { namespace: "search" } })
      assertEquals(resolved.identity, {
        mode: "oauth_m2m",
        authType: "oauth_m2m",
        principal: "sp-search",
        source: "Secret search/databricks-oauth",
        instance: memory.instance
      })
      assertEquals(
        resolved.explanation.map(({ outcome }) => outcome),
        ["absent", "absent", "used"]
      )
    }).pipe(provided)
  )

  it.effect("obeys the auth type that is demanded", () =>
    Effect.gen(function* () {
      const { identity } = yield* client
      const problem = yield* Effect.flip(identity({ query: { namespace: "search", authType: "pat" } }))
      assert("findings" in problem)
      assertEquals([problem.status, problem.title, problem.retryable], [409, "Credentials missing", false])
      assertEquals(
        problem.findings?.map(({ outcome }) => outcome),
        ["absent", "absent"]
      )
    }).pipe(provided)
  )

  it.effect("refuses a namespace whose credential is broken, in the core's words", () =>
    Effect.gen(function* () {
      const { identity } = yield* client
      const problem = yield* Effect.flip(identity({ query: { namespace: "growth" } }))
      assert("retryable" in problem)
      assertEquals(problem.status, 409)
      assertInclude(problem.detail, "lacks key client_secret")
    }).pipe(provided)
  )

  it.effect("says that what may pass may pass", () =>
    Effect.gen(function* () {
      const { identity } = yield* client
      const cluster = yield* Kubernetes.KubernetesMemory
      yield* cluster.failSecret("search", "databricks-oauth", new Kubernetes.Unavailable({ detail: "503" }))
      const problem = yield* Effect.flip(identity({ query: { namespace: "search" } }))
      assert("retryable" in problem)
      assertEquals([problem.status, problem.retryable], [503, true])
      assertEquals(problem.type, "urn:flyte-databricks:problem:kubernetes-unavailable")
    }).pipe(provided)
  )

  it.effect("refuses a name that no namespace has", () =>
    Effect.gen(function* () {
      const { identity } = yield* client
      const problem = yield* Effect.flip(identity({ query: { namespace: "../kube-system" } }))
      assertEquals("status" in problem && problem.status, 400)
    }).pipe(provided)
  )
})

describe("GET /api/explanation", () => {
  it.effect("says what `connector explain` says: the places, the proof by real calls, and no secret", () =>
    Effect.gen(function* () {
      const { explanation } = yield* client
      const told = yield* explanation({ query: { namespace: "search", proof: "yes" } })
      assertEquals(told.identity?.principal, "sp-search")
      assertEquals(
        told.looked.map(({ outcome }) => outcome),
        ["absent", "absent", "used"]
      )
      assertEquals(
        told.checks.map(({ check, status }) => [check, status]),
        ["identity", "workspace", "token", "me", "jobs"].map((check) => [check, "ok"])
      )
      assertInclude(told.checks[1]?.facts?.["authority"] ?? "", "An authority")
      for (const secret of memory.secrets) assert.notInclude(JSON.stringify(told), secret)
    }).pipe(provided)
  )

  it.effect("asks Databricks nothing where no proof is wanted", () =>
    Effect.gen(function* () {
      const { explanation } = yield* client
      const told = yield* explanation({ query: { namespace: "search" } })
      assertEquals(
        told.checks.map(({ check }) => check),
        ["identity"]
      )
      assertEquals(yield* (yield* TokenEndpoint.TokenEndpointMemory).requests, [])
    }).pipe(provided)
  )

  it.effect("has a finding's code with its repair, and names the task's setting", () =>
    Effect.gen(function* () {
      const { explanation } = yield* client
      const told = yield* explanation({ query: { namespace: "growth", authType: "oauth_m2m" } })
      const [found] = told.checks
      assertEquals([told.identity, found?.status, found?.code], [null, "error", "FDC202"])
      assertInclude(found?.repair ?? "", "Give it the key that it lacks")
      assertEquals(
        told.settings.filter(({ setting }) => setting === "authType"),
        [{ setting: "authType", value: "oauth_m2m", source: "databricksAuthType of the task" }]
      )
    }).pipe(provided)
  )
})

describe("runs", () => {
  it.effect("are submitted as the namespace and followed to their end", () =>
    Effect.gen(function* () {
      const { submit, follow } = yield* client
      const jobs = yield* JobsClient.JobsClientMemory
      const { runId, identity } = yield* submit({ payload: { namespace: "search" } })
      assertEquals((yield* jobs.runs)[0]?.identity.principal, "sp-search")
      assertEquals(identity.principal, "sp-search")

      const events = yield* follow({ params: { id: runId } })
      const all = yield* Stream.runCollect(events).pipe(Effect.forkChild({ startImmediately: true }))
      yield* TestClock.adjust("1 second")
      yield* jobs.setState(runId, running)
      yield* TestClock.adjust("1 second")
      yield* jobs.setState(runId, succeeded)
      yield* TestClock.adjust("1 second")
      assertEquals(
        (yield* Fiber.join(all)).map(({ data }) => ("phase" in data ? [data.phase, data.ended] : data.title)),
        [
          ["INITIALIZING", false],
          ["INITIALIZING", false],
          ["RUNNING", false],
          ["SUCCEEDED", true]
        ]
      )
    }).pipe(provided)
  )

  it.effect("end with the problem, where there is one on the way", () =>
    Effect.gen(function* () {
      const { submit, follow } = yield* client
      const jobs = yield* JobsClient.JobsClientMemory
      const { runId } = yield* submit({ payload: { namespace: "billing" } })
      yield* jobs.failNext(
        new JobsError.JobsError({
          reason: new JobsError.RequestRejected({
            operation: "get run",
            instance: memory.instance,
            status: 400,
            detail: "no"
          })
        })
      )
      const events = yield* Stream.runCollect(yield* follow({ params: { id: runId } }))
      assertEquals(
        events.map(({ event, data }) => [event, "title" in data ? data.title : data.phase]),
        [["problem", "Request rejected"]]
      )
    }).pipe(provided)
  )

  it.effect("are cancelled", () =>
    Effect.gen(function* () {
      const { submit, cancel } = yield* client
      const jobs = yield* JobsClient.JobsClientMemory
      const { runId } = yield* submit({ payload: { namespace: "search" } })
      yield* cancel({ params: { id: runId } })
      assertEquals((yield* jobs.runs)[0]?.cancelled, true)
    }).pipe(provided)
  )

  it.effect("that were not submitted here are not known here", () =>
    Effect.gen(function* () {
      const { follow, cancel } = yield* client
      const params = { id: RunId.RunId.make("7") }
      for (const call of [follow({ params }), cancel({ params })]) {
        const problem = yield* Effect.flip(call as Effect.Effect<unknown, { readonly status?: number }>)
        assertEquals(problem.status, 404)
      }
    }).pipe(provided)
  )

  it.effect("that cannot be submitted say why", () =>
    Effect.gen(function* () {
      const { submit } = yield* client
      const problem = yield* Effect.flip(submit({ payload: { namespace: "growth" } }))
      assertEquals("title" in problem && problem.title, "Credentials broken")
      assertEquals(yield* (yield* JobsClient.JobsClientMemory).runs, [])
    }).pipe(provided)
  )
})

describe("GET /api/tokens", () => {
  it.effect("tells of each credential what it is for and when it ends, and never the token", () =>
    Effect.gen(function* () {
      const { tokens } = yield* client
      assertEquals((yield* tokens()).tokens, [])
      const auth = yield* DatabricksAuth.DatabricksAuth
      yield* auth.getHeader(yield* auth.resolve({ namespace: "search" }))
      yield* TestClock.adjust("10 minutes")
      const told = yield* tokens()
      assertEquals(told.now, 600_000)
      const [token] = told.tokens
      assertEquals([token?.state, token?.issuedAt, token?.expiresAt], ["fresh", 0, 3_600_000])
      assertEquals(token?.identity.principal, "sp-search")
      for (const secret of memory.secrets) assert.notInclude(JSON.stringify(told), secret)

      yield* TestClock.adjust("2970 seconds")
      assertEquals((yield* tokens()).tokens[0]?.state, "expired")
    }).pipe(provided)
  )
})
