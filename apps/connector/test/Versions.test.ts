/** The same scenarios, asked by both versions of Flyte through their own clients. */
import { assert, describe } from "@effect/vitest"
import { Fault, type RunPlan } from "@flyte-databricks/emulators"
import { Effect } from "effect"
import { jobsTokens, readMetadata, refusal, tampered } from "./support/outcomes.ts"
import { type Caller, versions } from "./support/versions.ts"
import {
  type Connector,
  scenario,
  teamPat,
  teamPrincipal,
  withConnectorPat,
  withConnectorPrincipal,
  type World
} from "./support/World.ts"

const phase = (lifeCycleState: string, resultState?: string, message?: string): RunPlan.RunPhase => ({
  lifeCycleState,
  ...(resultState === undefined ? {} : { resultState }),
  ...(message === undefined ? {} : { message })
})

/** The only run there is. */
const theRun = Effect.fnUntraced(function* ({ workspace }: World) {
  const [run, ...more] = yield* workspace.runs
  assert(run !== undefined)
  assert.deepStrictEqual(more, [])
  return run
})

const enter = (world: World, entered: RunPlan.RunPhase) =>
  Effect.flatMap(theRun(world), ({ runId }) => world.workspace.setRunPlan(runId, { phases: [entered] }))

describe.each(versions)("$name", ({ env, tenant, connect, services, taskTypes, jobVariables, ofNamespacePat }) => {
  const task = tenant("team-pat")

  /** A scenario with a connector that this version calls. */
  const calling = (
    what: string,
    variables: Readonly<Record<string, string>>,
    run: (caller: Caller, world: World, connector: Connector) => Effect.Effect<void, unknown>
  ) =>
    scenario(what, (world) =>
      world.serving({ ...env, ...variables }, (connector) => run(connect(connector.flyte), world, connector))
    )

  describe("finds the connector", () => {
    calling("by its name and the types of tasks that it serves", {}, (caller) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* caller.served, [["Databricks Connector", taskTypes]])
      })
    )

    scenario(
      "while Databricks, Kubernetes and every credential are out of reach",
      ({ kubernetes, workspace, serving }) =>
        Effect.gen(function* () {
          yield* kubernetes.faults.add({ action: Fault.connectionReset })
          const held = yield* workspace.faults.hold({})
          yield* serving({ FLYTE_DATABRICKS_CLIENT_ID: "half-a-pair" }, ({ flyte }) =>
            Effect.gen(function* () {
              assert.strictEqual((yield* connect(flyte).served).length, 1)
            })
          )
          yield* held.release
        })
    )

    calling("healthy, each service by its name", {}, (_caller, _world, { flyte }) =>
      Effect.gen(function* () {
        for (const service of services) assert.strictEqual(yield* flyte.health(service), "SERVING", service)
      })
    )
  })

  calling("follows a run from its creation to its end", {}, (caller, world) =>
    Effect.gen(function* () {
      const { workspace } = world
      const resourceMeta = yield* caller.createTask(task)
      const { runId, jobId } = yield* theRun(world)
      assert.strictEqual(readMetadata(resourceMeta)["run_id"], String(runId))
      const seen: Array<string> = []
      for (const entered of [
        phase("QUEUED", undefined, "Queued behind others"),
        phase("PENDING", undefined, "Waiting for cluster"),
        phase("RUNNING"),
        phase("TERMINATED", "SUCCESS")
      ]) {
        yield* enter(world, entered)
        const run = yield* caller.getTask(resourceMeta)
        seen.push(run.phase)
        assert.include(run.message, entered.message ?? "")
        assert.deepStrictEqual(run.links, [["Databricks Console", `${workspace.url}/#job/${jobId}/run/${runId}`]])
        assert.deepInclude(run.info, { run_id: String(runId), job_id: String(jobId), auth_type: "pat" })
      }
      assert.deepStrictEqual(seen, ["QUEUED", "INITIALIZING", "RUNNING", "SUCCEEDED"])
    })
  )

  describe("hears of a failure", () => {
    for (const [expected, entered] of [
      ["FAILED", phase("TERMINATED", "FAILED", "Workload failed, see run output for details")],
      // By somebody in the workspace: of an ABORTED one Flyte would drop the message.
      ["FAILED", phase("TERMINATED", "CANCELED", "Run cancelled by ann@example.com")],
      ["RETRYABLE_FAILED", phase("INTERNAL_ERROR", undefined, "The cluster could not be started")]
    ] as const) {
      calling(`${expected}, with the cause in the message: ${entered.message}`, {}, (caller, world) =>
        Effect.gen(function* () {
          const resourceMeta = yield* caller.createTask(task)
          yield* enter(world, entered)
          const run = yield* caller.getTask(resourceMeta)
          assert.strictEqual(run.phase, expected)
          assert.include(run.message, entered.message ?? "")
        })
      )
    }
  })

  describe("cancels", () => {
    calling("a run, twice", {}, (caller, world) =>
      Effect.gen(function* () {
        const resourceMeta = yield* caller.createTask(task)
        yield* caller.deleteTask(resourceMeta)
        yield* caller.deleteTask(resourceMeta)
        assert.strictEqual((yield* theRun(world)).lifeCycleState, "TERMINATING")
        yield* enter(world, phase("TERMINATED", "CANCELED"))
        assert.strictEqual((yield* caller.getTask(resourceMeta)).phase, "FAILED")
        yield* caller.deleteTask(resourceMeta)
      })
    )

    calling("a run that Databricks does not know, and is told so", {}, (caller) =>
      Effect.gen(function* () {
        const resourceMeta = tampered(yield* caller.createTask(task), { run_id: "404" })
        yield* caller.deleteTask(resourceMeta)
        const run = yield* caller.getTask(resourceMeta)
        // Once is not enough to give up a run.
        assert.strictEqual(run.phase, "RUNNING")
        assert.include(run.message, "knows no run 404")
      })
    )
  })

  describe("brings metadata", () => {
    const cases: ReadonlyArray<readonly [what: string, of: (own: Uint8Array) => Uint8Array, says: string]> = [
      ["that is cut off", (own) => own.slice(0, -20), "it is not JSON"],
      ["of another plugin", () => new TextEncoder().encode('{"job_id":"bq-1"}'), "databricks_instance"],
      ["without a run", (own) => tampered(own, { run_id: null }), "run_id"],
      ["of a host that is not listed", (own) => tampered(own, { databricks_instance: "evil.example.com" }), "refused"],
      [
        "of a host that is not listed, and nothing else",
        () => new TextEncoder().encode('{"databricks_instance":"evil.example.com","run_id":"1"}'),
        "refused"
      ]
    ]
    for (const [what, of, says] of cases) {
      calling(`${what}: the task fails, and nobody hears a credential`, withConnectorPat, (caller, world, connector) =>
        Effect.gen(function* () {
          const resourceMeta = of(yield* caller.createTask(task))
          yield* world.workspace.requests.clear
          const run = yield* caller.getTask(resourceMeta)
          assert.strictEqual(run.phase, "FAILED")
          assert.include(run.message, says)
          const { code, details } = yield* refusal(connector, caller.deleteTask(resourceMeta))
          assert.strictEqual(code, "INVALID_ARGUMENT")
          assert.include(details, says)
          assert.deepStrictEqual(yield* world.workspace.requests.all(), [])
        })
      )
    }
  })

  describe("gives each tenant an identity of its own", () => {
    const tenants = [
      { namespace: "team-pat", creator: teamPat.user, recorded: ofNamespacePat },
      {
        namespace: "team-oauth",
        creator: teamPrincipal.id,
        recorded: { auth_type: "oauth_m2m", namespace: "team-oauth" }
      }
    ]

    calling("from a run's creation to its end", { ...withConnectorPat }, (caller, { workspace }) =>
      Effect.gen(function* () {
        for (const { namespace, recorded } of tenants) {
          const resourceMeta = yield* caller.createTask({ ...tenant(namespace), execution: namespace })
          assert.deepInclude(readMetadata(resourceMeta), recorded)
          // The workspace lets nobody but the creator see a run.
          assert.strictEqual((yield* caller.getTask(resourceMeta)).phase, "INITIALIZING")
          yield* caller.deleteTask(resourceMeta)
        }
        assert.deepStrictEqual(
          (yield* workspace.runs).map(({ creator, lifeCycleState }) => [creator, lifeCycleState]),
          tenants.map(({ creator }) => [creator, "TERMINATING"])
        )
      })
    )

    scenario("that its runs keep when the operator sets another auth type", (world) =>
      Effect.gen(function* () {
        const resourceMeta = yield* world.serving(env, ({ flyte }) => connect(flyte).createTask(task))
        const now = { ...env, ...withConnectorPrincipal, FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m" }
        yield* world.serving(now, ({ flyte }) =>
          Effect.gen(function* () {
            const caller = connect(flyte)
            assert.strictEqual((yield* caller.getTask(resourceMeta)).phase, "INITIALIZING")
            yield* caller.deleteTask(resourceMeta)
          })
        )
        assert.strictEqual((yield* theRun(world)).lifeCycleState, "TERMINATING")
        assert.deepStrictEqual([...new Set(yield* jobsTokens(world.workspace))], [teamPat.token])
      })
    )

    calling("that is never another's when Databricks refuses it", withConnectorPat, (caller, world, connector) =>
      Effect.gen(function* () {
        const { workspace } = world
        const resourceMeta = yield* caller.createTask(task)
        yield* workspace.revokePat(teamPat.token)
        const run = yield* caller.getTask(resourceMeta)
        assert.strictEqual(run.phase, "FAILED")
        assert.include(run.message, "refused the token")
        const another = caller.createTask({ ...task, execution: "another" })
        const { code, details } = yield* refusal(connector, another)
        assert.strictEqual(code, "UNAUTHENTICATED")
        assert.include(details, "refused the token")
        assert.strictEqual((yield* refusal(connector, caller.deleteTask(resourceMeta))).code, "UNAUTHENTICATED")
        assert.deepStrictEqual([...new Set(yield* jobsTokens(workspace))], [teamPat.token])
        assert.strictEqual((yield* workspace.runs).length, 1)
      })
    )
  })

  describe("with two seconds' time", () => {
    const timeout = 2000

    calling("hears why nothing was created", {}, (caller, { workspace }, connector) =>
      Effect.gen(function* () {
        const held = yield* workspace.faults.hold({ path: "/api/2.1/jobs/runs/submit" })
        const { code, details } = yield* refusal(connector, caller.createTask(task, { timeout }))
        assert.strictEqual(code, "DEADLINE_EXCEEDED")
        assert.include(details, `${workspace.url} to take the job`)
        yield* held.release
      })
    )

    calling("hears that its run goes on, and where", {}, (caller, { workspace }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* caller.createTask(task)
        const before = yield* caller.getTask(resourceMeta)
        const held = yield* workspace.faults.hold({ path: "/api/2.1/jobs/runs/get" })
        const run = yield* caller.getTask(resourceMeta, { timeout })
        assert.deepStrictEqual([run.phase, run.links], ["RUNNING", before.links])
        assert.include(run.message, "No news of run")
        yield* held.release
      })
    )
  })

  describe("creates", () => {
    calling("one run for an attempt, however often it asks", {}, (caller, world) =>
      Effect.gen(function* () {
        const asked = yield* Effect.all([caller.createTask(task), caller.createTask(task)], { concurrency: 2 })
        const again = yield* caller.createTask(task)
        assert.deepStrictEqual(asked, [again, again])
        yield* theRun(world)
      })
    )

    calling("another run for another attempt, run or node", {}, (caller, { workspace }) =>
      Effect.gen(function* () {
        for (const other of [{}, { retryAttempt: 1 }, { execution: "another" }, { node: "n1" }]) {
          yield* caller.createTask({ ...task, ...other })
        }
        assert.strictEqual((yield* workspace.runs).length, 4)
      })
    )

    calling("nothing without an execution id, or of an unknown type", {}, (caller, { workspace }, connector) =>
      Effect.gen(function* () {
        const anonymous = yield* refusal(connector, caller.createTask({ ...task, execution: "" }))
        assert.strictEqual(anonymous.code, "INVALID_ARGUMENT")
        const unknown = yield* refusal(connector, caller.createTask({ ...task, type: "snowflake" }))
        assert.strictEqual(unknown.code, "NOT_FOUND")
        assert.include(unknown.details, "Cannot find connector for task type: snowflake.")
        assert.deepStrictEqual(yield* workspace.requests.all(), [])
      })
    )

    calling("serverless jobs", {}, (caller, world) =>
      Effect.gen(function* () {
        yield* caller.createTask({ ...task, databricksConf: { environment_key: "own" } })
        assert.deepInclude((yield* theRun(world)).request, {
          environments: [{ environment_key: "own", spec: { client: "1", environment_vars: jobVariables } }]
        })
      })
    )
  })
})
