import { assert, describe, it } from "@effect/vitest"
import * as RunState from "@flyte-databricks/databricks-jobs/RunState"
import { Schema } from "effect"

const report = (run: unknown) => RunState.toPhaseReport(Schema.decodeUnknownSync(RunState.RunState)(run))
const phase = (run: unknown) => report(run).phase
const ended = (result_state: string, status?: object) => ({
  state: { life_cycle_state: "TERMINATED", result_state },
  ...(status === undefined ? {} : { status })
})
const terminated = (details: object) => ({ state: "TERMINATED", termination_details: details })

describe("a run's life cycle", () => {
  it.each([
    ["QUEUED", "QUEUED"],
    ["BLOCKED", "QUEUED"],
    ["WAITING_FOR_RETRY", "QUEUED"],
    ["PENDING", "INITIALIZING"],
    ["RUNNING", "RUNNING"],
    ["TERMINATING", "RUNNING"],
    ["SKIPPED", "FAILED"],
    ["INTERNAL_ERROR", "RETRYABLE_FAILED"]
  ])("%s is the phase %s", (life_cycle_state, expected) => {
    assert.strictEqual(phase({ state: { life_cycle_state } }), expected)
    assert.strictEqual(phase({ status: { state: life_cycle_state } }), expected)
  })

  it("WAITING, which only status knows, is the phase QUEUED", () => {
    assert.strictEqual(phase({ status: { state: "WAITING" } }), "QUEUED")
  })
  it("is read from status where state has a word that is not known", () => {
    assert.strictEqual(phase({ state: { life_cycle_state: "NEW" }, status: { state: "PENDING" } }), "INITIALIZING")
  })
  it("is still RUNNING while a run that will have failed winds down", () => {
    const status = { state: "TERMINATING", termination_details: { code: "CLOUD_FAILURE", type: "CLOUD_FAILURE" } }
    assert.strictEqual(phase({ state: { life_cycle_state: "TERMINATING" }, status }), "RUNNING")
  })
})

describe("a phase", () => {
  it("is an end where the run succeeded or failed", () => {
    assert.deepStrictEqual(RunState.Phase.literals.filter(RunState.hasEnded), [
      "SUCCEEDED",
      "FAILED",
      "RETRYABLE_FAILED"
    ])
  })
})

describe("a terminated run", () => {
  const results = [
    ["SUCCESS", "SUCCEEDED"],
    ["SUCCESS_WITH_FAILURES", "SUCCEEDED"],
    ["FAILED", "FAILED"],
    ["TIMEDOUT", "FAILED"],
    ["UPSTREAM_FAILED", "FAILED"],
    ["UPSTREAM_CANCELED", "FAILED"],
    ["EXCLUDED", "FAILED"],
    ["DISABLED", "FAILED"],
    ["CANCELED", "FAILED"],
    ["MAXIMUM_CONCURRENT_RUNS_REACHED", "RETRYABLE_FAILED"]
  ] as const

  it.each(results)("with the result %s is the phase %s", (result, expected) => {
    assert.strictEqual(phase(ended(result)), expected)
    assert.strictEqual(phase(ended(result, terminated({ code: "X", type: "CLIENT_ERROR" }))), expected)
  })

  it.each(["CLOUD_FAILURE", "INTERNAL_ERROR"])("of the type %s is worth a retry, whatever the result", (type) => {
    for (const [result] of results) {
      assert.strictEqual(phase(ended(result, terminated({ type }))), "RETRYABLE_FAILED", result)
    }
    assert.strictEqual(
      phase({ state: { life_cycle_state: "SKIPPED" }, status: terminated({ type }) }),
      "RETRYABLE_FAILED"
    )
  })

  it.each([
    ["SUCCESS", "SUCCESS", "SUCCEEDED"],
    ["SUCCESS_WITH_FAILURES", "SUCCESS", "SUCCEEDED"],
    ["USER_CANCELED", "CLIENT_ERROR", "FAILED"],
    ["CANCELED", "CLIENT_ERROR", "FAILED"],
    ["USER_CANCELED", null, "FAILED"],
    ["CANCELED", null, "FAILED"],
    ["MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR", "RETRYABLE_FAILED"],
    ["RUN_EXECUTION_ERROR", "CLIENT_ERROR", "FAILED"],
    ["DRIVER_ERROR", "INTERNAL_ERROR", "RETRYABLE_FAILED"],
    ["CLOUD_FAILURE", "CLOUD_FAILURE", "RETRYABLE_FAILED"]
  ])("that only status tells of, with code %s and type %s, is the phase %s", (code, type, expected) => {
    assert.strictEqual(phase({ status: terminated({ code, type }) }), expected)
  })

  it("whose result is a new word is what its termination says", () => {
    assert.strictEqual(phase(ended("NEW", terminated({ code: "NEW", type: "CLIENT_ERROR" }))), "FAILED")
  })
})

describe("a run that was cancelled in Databricks", () => {
  it("is told from every other", () => {
    for (const run of [ended("CANCELED"), { status: terminated({ code: "USER_CANCELED" }) }]) {
      assert.isTrue(RunState.wasCancelled(run))
    }
    const timedOut = ended("TIMEDOUT", terminated({ code: "CANCELED", type: "CLIENT_ERROR" }))
    for (const run of [{}, ended("FAILED"), ended("UPSTREAM_CANCELED"), timedOut]) {
      assert.isFalse(RunState.wasCancelled(run))
    }
  })

  it.each(["CLOUD_FAILURE", "INTERNAL_ERROR"])(
    "by a user is not worth a retry, though its termination has the type %s",
    (type) => {
      const status = terminated({ code: "USER_CANCELED", type })
      assert.strictEqual(phase(ended("CANCELED", status)), "FAILED")
      assert.strictEqual(phase({ status }), "FAILED")
      for (const life_cycle_state of ["SKIPPED", "INTERNAL_ERROR"]) {
        assert.strictEqual(phase({ state: { life_cycle_state }, status }), "FAILED", life_cycle_state)
      }
    }
  )

  it("has not ended while it is being cancelled", () => {
    const status = { state: "TERMINATING", termination_details: { code: "USER_CANCELED", type: "CLIENT_ERROR" } }
    assert.strictEqual(phase({ state: { life_cycle_state: "TERMINATING" }, status }), "RUNNING")
  })

  it("keeps Databricks' words", () => {
    const status = terminated({ code: "USER_CANCELED", type: "CLIENT_ERROR", message: "Run cancelled by ann" })
    assert.deepStrictEqual(report(ended("CANCELED", status)), {
      phase: "FAILED",
      message: "Run cancelled by ann; terminated with USER_CANCELED, CLIENT_ERROR"
    })
  })

  it("says so where Databricks has no words for it", () => {
    assert.deepStrictEqual(report(ended("CANCELED")), { phase: "FAILED", message: "cancelled in Databricks" })
  })
})

describe("a word that nobody knew", () => {
  it.each([
    ["as life cycle", { state: { life_cycle_state: "HIBERNATING" } }, "HIBERNATING"],
    ["as status", { status: { state: "HIBERNATING" } }, "HIBERNATING"],
    ["as result", ended("DIVIDED"), "DIVIDED"],
    ["as termination type", { status: terminated({ type: "COSMIC_RAY" }) }, "COSMIC_RAY"],
    ["that a prototype knows", { state: { life_cycle_state: "constructor" } }, "constructor"]
  ])("%s is no end: RUNNING, and the word is in the message", (_where, run, word) => {
    const { phase, message } = report(run)
    assert.strictEqual(phase, "RUNNING")
    assert.include(message, word)
    assert.include(message, "does not know")
  })

  it.each([
    [{}],
    [{ state: null, status: null }],
    [{ state: {}, status: {} }],
    [{ state: { life_cycle_state: null } }]
  ])("nor is none at all: %j", (run) => {
    assert.deepStrictEqual(report(run), { phase: "RUNNING", message: "Databricks reports no state for this run" })
  })

  it("says what Databricks said beside it", () => {
    const { message } = report({ state: { life_cycle_state: "HIBERNATING", state_message: "until spring" } })
    assert.match(message, /HIBERNATING.*until spring/)
  })
})

describe("the message", () => {
  it("is what Databricks says, then why the run ended", () => {
    const state = { life_cycle_state: "TERMINATED", result_state: "FAILED", state_message: "Workload failed" }
    const status = terminated({ code: "DRIVER_ERROR", type: "CLIENT_ERROR", message: "The driver is gone" })
    assert.strictEqual(
      report({ state, status }).message,
      "Workload failed; The driver is gone; terminated with DRIVER_ERROR, CLIENT_ERROR"
    )
  })
  it("is why the run waits", () => {
    const queue_details = { code: "ACTIVE_RUNS_LIMIT_REACHED", message: "Too many runs" }
    assert.strictEqual(
      report({ status: { state: "QUEUED", queue_details } }).message,
      "Too many runs; queued because of ACTIVE_RUNS_LIMIT_REACHED"
    )
    const state = { life_cycle_state: "QUEUED", queue_reason: "Queued due to the limit" }
    assert.strictEqual(report({ state }).message, "Queued due to the limit")
  })
  it("says each thing once", () => {
    const state = { life_cycle_state: "TERMINATED", result_state: "CANCELED", state_message: "Cancelled" }
    assert.strictEqual(report({ state, status: terminated({ message: "Cancelled" }) }).message, "Cancelled")
  })
  it("has nothing to add to a success", () => {
    assert.deepStrictEqual(
      report({ ...ended("SUCCESS", terminated({ code: "SUCCESS", type: "SUCCESS", message: "" })) }),
      { phase: "SUCCEEDED", message: "" }
    )
  })
  it("is one line of at most 4096 characters and an ellipsis, without half a character at the cut", () => {
    const { message } = report({
      state: { life_cycle_state: "RUNNING", state_message: `a\n\u0000b${"🚀".repeat(9000)}` }
    })
    assert.isTrue(message.startsWith("a b🚀"))
    assert.isAtMost(message.length, 4097)
    assert.isTrue(message.endsWith("🚀…"))
    assert.isTrue(message.isWellFormed())
    const half = report({ state: { life_cycle_state: "RUNNING", state_message: "half \uD83D" } })
    assert.strictEqual(half.message, "half \uFFFD")
  })
})
