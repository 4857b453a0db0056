/** What becomes of runs, for scenarios. */
import type { RunPlan } from "@flyte-databricks/emulators"
import { Duration } from "effect"

const pending = (seconds: number): RunPlan.RunPhase => ({
  lifeCycleState: "PENDING",
  for: Duration.seconds(seconds)
})
const running = (seconds: number): RunPlan.RunPhase => ({
  lifeCycleState: "RUNNING",
  message: "In run",
  for: Duration.seconds(seconds)
})
const success: RunPlan.RunPhase = { lifeCycleState: "TERMINATED", resultState: "SUCCESS" }

/** A minute and two thirds, most of it RUNNING. */
export const succeeds: RunPlan.RunPlan = { phases: [pending(10), running(90), success] }

/** PENDING for two minutes, as clusters are. */
export const slowStart: RunPlan.RunPlan = { phases: [pending(120), running(30), success] }

/** Back in the queue in the midst of it. */
export const goesBack: RunPlan.RunPlan = {
  phases: [pending(10), running(20), { lifeCycleState: "QUEUED", for: Duration.seconds(20) }, running(30), success]
}

/** It fails, takes too long, could not be started, and is cancelled by somebody. */
export const badEnds: ReadonlyArray<RunPlan.RunPlan> = [
  { lifeCycleState: "TERMINATED", resultState: "FAILED", message: "Workload failed, see run output for details" },
  { lifeCycleState: "TERMINATED", resultState: "TIMEDOUT", message: "Timed out" },
  { lifeCycleState: "INTERNAL_ERROR", resultState: "FAILED", message: "The cluster could not be started" },
  { lifeCycleState: "TERMINATED", resultState: "CANCELED", message: "Run cancelled by ann@example.com" }
].map((last) => ({ phases: [pending(10), running(30), last] }))
