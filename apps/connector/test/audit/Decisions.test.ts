/** What is recorded of a connector's decisions, over real gRPC. World.ts looks for secrets in all of it, in every test. */
import { create } from "@bufbuild/protobuf"
import { assert, describe } from "@effect/vitest"
import { TokenPolicy } from "@flyte-databricks/databricks-auth"
import { Fault } from "@flyte-databricks/emulators"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { Duration, Effect, Layer } from "effect"
import * as tasks from "../support/tasks.ts"
import { connectorPrincipal, scenario, teamPrincipal, withConnectorPrincipal } from "../support/World.ts"

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

const ofAnn = () => {
  const fields = tasks.fields({ namespace: "team-oauth", retryAttempt: 2 })
  return create(Flyte1.CreateTaskRequestSchema, {
    ...fields,
    taskExecutionMetadata: {
      ...fields.taskExecutionMetadata,
      k8sServiceAccount: "billing",
      identity: { executionIdentity: "ann@example.com" }
    }
  })
}

describe("the record of a run", () => {
  scenario("says who ran what as whom, and who stopped it", (world) =>
    world.serving({}, ({ flyte, audit }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(ofAnn())
        yield* flyte.deleteTask(resourceMeta)
        const [resolved, issued, intended, submitted, cancelled, ...more] = yield* audit.waitFor(5)
        assert.deepStrictEqual(more, [])
        const flyteFacts = {
          project: "billing",
          domain: "production",
          execution: "f0c1d2e3",
          node: "n0",
          task: "workflows.nightly",
          attempt: 2,
          user: "ann@example.com",
          serviceAccount: "billing"
        }
        const identity = {
          authType: "oauth_m2m" as const,
          principal: teamPrincipal.id,
          origin: "Secret team-oauth/databricks-oauth"
        }
        const instance = world.workspace.url
        const { runId } = submitted ?? {}
        assert.match(runId ?? "", /^\d+$/)
        for (const [event, expected] of [
          [resolved, { event: "identity.resolved", outcome: "ok", flyte: flyteFacts, namespace: "team-oauth" }],
          [issued, { event: "token.issued", outcome: "ok" }],
          [intended, { event: "run.intended", outcome: "pending", flyte: flyteFacts }],
          [submitted, { event: "run.submitted", outcome: "ok", flyte: flyteFacts, submission: intended?.submission }],
          [cancelled, { event: "run.cancelled", outcome: "ok", runId, why: "asked", namespace: "team-oauth" }]
        ] as const) {
          assert.deepInclude(event, { version: 1, identity, instance, ...expected } as never)
          assert.match(event?.caller ?? "", /^127\.0\.0\.1:\d+$/)
          assert.match(event?.time ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
        }
        assert.deepStrictEqual(
          [resolved, issued, intended, submitted, cancelled].map((event) => event?.operation),
          ["CreateTask", "CreateTask", "CreateTask", "CreateTask", "DeleteTask"]
        )
        assert.isTrue(Date.parse(issued?.expires ?? "") > Date.parse(issued?.time ?? ""))
        assert.strictEqual(new Set([resolved, issued, intended, submitted, cancelled].map((e) => e?.uid)).size, 5)
        assert.strictEqual((yield* world.workspace.runs).length, 1)
      })
    )
  )

  scenario("has one submit, however often its answer got lost", (world) =>
    world.serving(withConnectorPrincipal, ({ flyte, audit }) =>
      Effect.gen(function* () {
        yield* world.workspace.faults.add({
          path: "/api/2.1/jobs/runs/submit",
          action: Fault.mergePatch({ run_id: null }),
          times: 2
        })
        yield* flyte.createTask(tasks.createTask({ namespace: "team-without" }))
        const events = (yield* audit.waitFor(4)).map(({ event }) => event)
        assert.deepStrictEqual(events, ["identity.resolved", "token.issued", "run.intended", "run.submitted"])
      })
    )
  )
})

describe("the record of a refusal", () => {
  for (const [event, code, namespace, custom] of [
    ["identity.refused", "FDC201", "team-without", {}],
    ["instance.refused", "FDC005", "team-pat", { databricksInstance: "elsewhere.example.com" }]
  ] as const) {
    scenario(`${event} says why, under its code`, (world) =>
      world.serving({}, ({ flyte, audit }) =>
        Effect.gen(function* () {
          yield* Effect.flip(flyte.createTask(tasks.createTask({ namespace, custom })))
          const [refused, ...more] = yield* audit.waitFor(1)
          assert.deepStrictEqual(more, [])
          assert.deepInclude(refused, { event, outcome: "refused", namespace } as never)
          assert.strictEqual(refused?.refusal?.code, code)
          assert.strictEqual(refused?.flyte?.execution, "f0c1d2e3")
        })
      )
    )
  }

  scenario("has the token that Databricks does not give, and the run that there is not", (world) =>
    world.serving({ ...withConnectorPrincipal, FLYTE_DATABRICKS_CLIENT_SECRET: "another secret" }, ({ flyte, audit }) =>
      Effect.gen(function* () {
        yield* Effect.flip(flyte.createTask(tasks.createTask({ namespace: "team-without" })))
        const [resolved, token, run] = yield* audit.waitFor(3)
        assert.strictEqual(resolved?.event, "identity.resolved")
        assert.deepInclude(token, { event: "token.refused", outcome: "refused" } as never)
        assert.deepInclude(token?.refusal, { code: "FDC405", reason: "TokenRefused" })
        assert.match(token?.requestId ?? "", /\w/)
        assert.deepInclude(run, { event: "run.refused", outcome: "refused" } as never)
        assert.deepInclude(run?.refusal, { code: "FDC405", reason: "TokenRefused" })
      })
    )
  )

  scenario("has the poll and the cancel of a run whose workspace may not be asked", (world) =>
    world.serving({}, ({ flyte, audit }) =>
      Effect.gen(function* () {
        const metadata = bytes({ databricks_instance: "elsewhere.example.com", run_id: "1" })
        yield* flyte.getTask(metadata)
        yield* Effect.flip(flyte.deleteTask(metadata))
        const events = yield* audit.waitFor(2)
        assert.deepStrictEqual(
          events.map(({ event, operation, runId }) => [event, operation, runId]),
          [
            ["instance.refused", "GetTask", "1"],
            ["instance.refused", "DeleteTask", "1"]
          ]
        )
      })
    )
  )

  scenario("is one line, whatever callers write", (world) =>
    world.serving({}, ({ flyte, audit }) =>
      Effect.gen(function* () {
        const hostile = `x\n{"event":"run.submitted"}\r\u2028\u0085${"y".repeat(300_000)}`
        yield* Effect.flip(
          flyte.createTask(tasks.createTask({ namespace: hostile, execution: hostile, node: hostile }))
        )
        const [event] = yield* audit.waitFor(1)
        assert.strictEqual(event?.event, "identity.refused")
        const [line = ""] = yield* audit.lines
        assert.isBelow(line.length, 4000)
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(line, /[\u0000-\u001f\u0085\u2028\u2029]/)
      })
    )
  )
})

describe("tokens", () => {
  const renewedSoon = Layer.succeed(TokenPolicy.TokenPolicy, {
    ...TokenPolicy.defaults,
    expiryBuffer: Duration.zero
  })
  scenario(
    "that are renewed in the background are recorded too",
    (world) =>
      world.serving(
        withConnectorPrincipal,
        ({ flyte, audit }) =>
          Effect.gen(function* () {
            const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-without" }))
            yield* flyte.getTask(resourceMeta)
            const renewed = yield* Effect.repeat(
              Effect.andThen(
                flyte.getTask(resourceMeta),
                Effect.map(audit.events, (all) => all.filter(({ event }) => event === "token.issued"))
              ),
              { until: (all) => all.length >= 2 }
            )
            const asked = yield* world.workspace.requests.all({ path: "/oidc/v1/token" })
            assert.isAtLeast(asked.length, renewed.length)
            for (const { identity } of renewed) assert.strictEqual(identity?.principal, connectorPrincipal.id)
          }),
        { references: renewedSoon }
      ),
    { tokenLifetime: "2 seconds" }
  )
})

describe("a record that has to be", () => {
  const required = { ...withConnectorPrincipal, FLYTE_DATABRICKS_AUDIT_REQUIRED: "true" }
  scenario("keeps tasks from being submitted where it cannot be made, and polls and cancels go on", (world) =>
    Effect.gen(function* () {
      const resourceMeta = yield* world.serving(required, ({ flyte }) =>
        flyte.createTask(tasks.createTask({ namespace: "team-without" }))
      )
      yield* world.serving({ ...required, FLYTE_DATABRICKS_AUDIT: "file:/dev/full" }, ({ flyte, log }) =>
        Effect.gen(function* () {
          const again = tasks.createTask({ namespace: "team-without", execution: "another" })
          const { code, details } = yield* Effect.flip(flyte.createTask(again, { timeout: 3000 }))
          assert.strictEqual(code, "UNAVAILABLE")
          assert.include(details, "could not be written to /dev/full: ENOSPC")
          assert.include(details, "[FDC611, docs/troubleshooting.md#audit-unavailable]")
          assert.lengthOf(yield* world.workspace.runs, 1)
          yield* flyte.getTask(resourceMeta)
          yield* flyte.deleteTask(resourceMeta)
          const problems = log.lines().filter(({ level }) => level === "ERROR")
          assert.lengthOf(problems, 1)
          assert.include(String(problems[0]?.message), "Nothing is submitted while that lasts")
        })
      )
    })
  )
})
