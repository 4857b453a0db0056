/** The client on answers that are made to fill the memory of whoever reads them. */
import { assert, describe, it } from "@effect/vitest"
import { Run } from "@flyte-databricks/databricks-jobs/Run"
import { Effect, Fiber, Schema } from "effect"
import * as Headers from "effect/http/Headers"
import { type Answer, read } from "../src/internal/apiAnswer.ts"
import { answer, clientAnswered } from "./support/answers.ts"
import { as, reasonOf, runId } from "./support/calls.ts"

describe("an answer that is meant to fill the memory", () => {
  const running = { life_cycle_state: "RUNNING" }

  it.effect.each([
    ["of a million tasks", `{"state":{},"tasks":[${"{},".repeat(1_000_000)}{}]}`, "more than 100000 values"],
    ["of lists in each other", `{"state":${"[".repeat(1000)}`, "nested more than 100 levels deep"],
    ["of 1,001 tasks", `{"state":{},"tasks":[${"{},".repeat(1000)}{}]}`, "tasks"]
  ] as const)("%s is no answer", ([, body, why]) =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(() => answer(200, body))
      assert(reason._tag === "ResponseInvalid")
      assert.include(reason.problem, why)
    })
  )

  it.effect.each([400, 403, 404, 500])("of lists in each other in a refusal is text: %i", (status) =>
    Effect.gen(function* () {
      for (const key of ["error", "error_code", "message"]) {
        const reason = yield* reasonOf(() => answer(status, `{"${key}":${"[".repeat(5000)}${"]".repeat(5000)}}`))
        assert.notStrictEqual(reason._tag, "ResponseInvalid")
        assert("detail" in reason)
        assert.isBelow(reason.detail.length, 600)
      }
    })
  )

  it.effect("of long names is cut to what anybody reads", () =>
    Effect.gen(function* () {
      const long = "é".repeat(300_000)
      const { jobs } = yield* clientAnswered(() =>
        answer(200, {
          state: { ...running, state_message: long },
          run_name: long,
          run_page_url: long,
          creator_user_name: long,
          tasks: [{ task_key: long, state: { life_cycle_state: long } }]
        })
      )
      const run = yield* jobs.get(as, runId)
      assert.deepStrictEqual(
        [run.state?.state_message, run.run_name, run.run_page_url, run.creator_user_name, run.tasks?.[0]?.task_key].map(
          (text) => text?.length
        ),
        [8192, 4096, 2048, 500, 200]
      )
      assert.strictEqual(run.tasks?.[0]?.state?.life_cycle_state?.length, 200)
    })
  )

  it.effect("of an error is cut, and what was printed is whole", () =>
    Effect.gen(function* () {
      const long = "x".repeat(1_000_000)
      const { jobs } = yield* clientAnswered(() => answer(200, { logs: long, error: long, error_trace: long }))
      const output = yield* jobs.output(as, runId)
      assert.deepStrictEqual(
        [output.logs?.length, output.error?.length, output.error_trace?.length],
        [1_000_000, 64 * 1024, 256 * 1024]
      )
    })
  )

  it.effect("of megabytes waits until others like it were read, and a small one does not", () =>
    Effect.gen(function* () {
      const begun: Array<number> = []
      const ends: Array<() => void> = []
      const large = (count: number) =>
        new Response(
          new ReadableStream(
            {
              start: (controller) => controller.enqueue(new TextEncoder().encode(`{"logs":"${"x".repeat(70_000)}`)),
              pull: (controller) =>
                new Promise<void>((resolve) => {
                  begun.push(count)
                  ends.push(() => {
                    controller.enqueue(new TextEncoder().encode('"}'))
                    controller.close()
                    resolve()
                  })
                })
            },
            { highWaterMark: 0 }
          )
        )
      const { jobs } = yield* clientAnswered((count) => (count < 4 ? large(count) : answer(200, { state: running })))
      const outputs = yield* Effect.forkChild(
        Effect.forEach([1, 2, 3], () => jobs.output(as, runId), { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      const settled = Effect.repeat(Effect.yieldNow, { times: 50 })
      yield* settled
      assert.lengthOf(begun, 1)
      assert.strictEqual((yield* jobs.get(as, runId)).state?.life_cycle_state, "RUNNING")
      for (let read = 1; read <= 3; read++) {
        assert.lengthOf(begun, read)
        ends[read - 1]?.()
        yield* settled
      }
      assert.lengthOf(yield* Fiber.join(outputs), 3)
    })
  )

  it("is let go once it was read, whatever it was", () => {
    const rest = { headers: Headers.empty, retryAfterMillis: undefined }
    const asked = { operation: "get run 1", identity: as.identity }
    for (const [status, body] of [
      [200, '{"state":{}}'],
      [200, "[]"],
      [400, "no"]
    ] as const) {
      const got: Answer = { asked, status, body, ...rest }
      read(got, Schema.decodeUnknownResult(Run))
      assert.strictEqual(got.body, "")
    }
  })
})
