/** What Flyte's own connector makes of the same run or task, where docs/ say that this one differs, or does not. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Beside, layer as besideLayer } from "./support/beside.ts"
import * as FlyteClient from "./support/FlyteClient.ts"
import { readMetadata } from "./support/outcomes.ts"
import { flyte1PodRequest } from "./support/podRequests.ts"
import * as PythonConnector from "./support/PythonConnector.ts"
import * as tasks from "./support/tasks.ts"

const python = await Effect.runPromise(PythonConnector.find())

describe.skipIf(Option.isNone(python))("beside Flyte's own connector", () => {
  const executable = Option.getOrElse(python, () => "")
  layer(besideLayer(executable, [PythonConnector.current]), { excludeTestServices: true, timeout: "2 minutes" })(
    (it) => {
      const connectors = Effect.gen(function* () {
        const { ours, python } = yield* Beside
        return {
          ours: yield* FlyteClient.make(`127.0.0.1:${ours[0]}`, []),
          theirs: yield* FlyteClient.make(`127.0.0.1:${python(PythonConnector.current)}`, [])
        }
      })

      it.effect("a run that somebody cancels in Databricks is FAILED, in Databricks' words", () =>
        Effect.gen(function* () {
          const { workspace } = yield* Beside
          const { ours, theirs } = yield* connectors
          const resourceMeta = yield* ours.createTask(tasks.createTask())
          const message = "Run cancelled by ann@example.com"
          const cancelled = { lifeCycleState: "TERMINATED", resultState: "CANCELED", message }
          yield* workspace.setRunPlan(BigInt(readMetadata(resourceMeta)["run_id"] ?? 0), { phases: [cancelled] })
          for (const connector of [ours, theirs]) {
            const resource = yield* connector.getTask(resourceMeta)
            assert.strictEqual(FlyteClient.phaseOf(resource), "FAILED")
            assert.include(resource.message, message)
          }
        })
      )

      it.effect("a task with a pod template runs, which Python raises on", () =>
        Effect.gen(function* () {
          const { workspace } = yield* Beside
          const { ours, theirs } = yield* connectors
          const request = flyte1PodRequest("pod-image-env-placement")
          const { code, details } = yield* Effect.flip(theirs.createTask(request))
          assert.strictEqual(code, "INTERNAL")
          assert.include(details, "'NoneType' object has no attribute 'env'")
          const { run_id: runId } = readMetadata(yield* ours.createTask(request))
          assert.isTrue((yield* workspace.runs).some((run) => String(run.runId) === runId))
        })
      )
    }
  )
})
