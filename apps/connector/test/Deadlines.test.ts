/**
 * Time: a caller hears why it waited before its own deadline, and a caller that goes away is not worked for, except
 * that a submit is seen to.
 */
import { assert, describe } from "@effect/vitest"
import { Fault } from "@flyte-databricks/emulators"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { silentHost } from "@flyte-databricks/emulators/testing/SilentHost"
import { create, toBinary } from "@bufbuild/protobuf"
import { Effect, Fiber, Layer } from "effect"
import * as Call from "../src/call/Call.ts"
import type { CallFailed, CallOptions, FlyteClient } from "./support/FlyteClient.ts"
import * as Http2 from "./support/Http2.ts"
import { refusal } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import { scenario, teamPat, teamPrincipal, withConnectorPat } from "./support/World.ts"

const getPath = "/flyteidl.service.AsyncAgentService/GetTask"

type Make = (flyte: FlyteClient, resourceMeta: Uint8Array, options: CallOptions) => Effect.Effect<unknown, CallFailed>

interface Case {
  readonly what: string
  readonly at: "workspace" | "kubernetes"
  readonly path: string
  readonly namespace: string
  readonly call: Make
  /** What the caller hears was being waited for. */
  readonly waitingFor: (instance: string) => string
}

const createIn =
  (namespace: string): Make =>
  (flyte, _, options) =>
    flyte.createTask(tasks.createTask({ namespace, execution: "late" }), options)
const del: Make = (flyte, resourceMeta, options) => flyte.deleteTask(resourceMeta, options)

const token = (instance: string) => `a token of ${teamPrincipal.id} for ${instance}`
const silent = (instance: string) =>
  `${token(instance)}: ${instance}/oidc/v1/token was asked once and has not answered.`

const hangs: ReadonlyArray<Case> = [
  {
    what: "Kubernetes, at create",
    at: "kubernetes",
    path: "*/secrets/*",
    namespace: "team-other",
    call: createIn("team-other"),
    waitingFor: () => "an identity"
  },
  {
    what: "the token endpoint, at create",
    at: "workspace",
    path: "/oidc/v1/token",
    namespace: "team-oauth",
    call: createIn("team-oauth"),
    waitingFor: silent
  },
  {
    what: "the Jobs API, at create",
    at: "workspace",
    path: "/api/2.1/jobs/runs/submit",
    namespace: "team-pat",
    call: createIn("team-pat"),
    waitingFor: (instance) => `${instance} to take the job`
  },
  {
    what: "the Jobs API, at delete",
    at: "workspace",
    path: "/api/2.1/jobs/runs/cancel",
    namespace: "team-pat",
    call: del,
    waitingFor: (instance) => `${instance} to cancel run 9007199254740993`
  }
]

/** A run of the namespace, submitted by a connector that is gone: nothing is cached any more. */
const submitted = (serving: Parameters<Parameters<typeof scenario>[1]>[0]["serving"], namespace: string) =>
  namespace === "team-other"
    ? Effect.succeed(new Uint8Array())
    : serving({}, ({ flyte }) => flyte.createTask(tasks.createTask({ namespace })))

describe("a caller with two seconds hears within it that it waited for", () => {
  for (const { what, at, path, namespace, call, waitingFor } of hangs) {
    scenario(what, (world) =>
      Effect.gen(function* () {
        const resourceMeta = yield* submitted(world.serving, namespace)
        const gate = yield* world[at].faults.hold({ path })
        yield* world.serving({}, (connector) =>
          Effect.gen(function* () {
            const answer = yield* refusal(connector, call(connector.flyte, resourceMeta, { timeout: 2000 }))
            assert.strictEqual(answer.code, "DEADLINE_EXCEEDED")
            // The words are the connector's; a client that gives up by itself has others.
            assert.match(
              answer.details,
              /^\w+Task was given up after 1\.\d s, the caller's deadline, while waiting for /
            )
            assert.include(answer.details, waitingFor(world.workspace.url))
            assert.strictEqual(answer.line?.annotations["outcome"], "DeadlinePassed")
            yield* gate.arrived

            // Others are served while that hangs, and so is the same call afterwards.
            assert.strictEqual((yield* connector.flyte.listAgents).agents.length, 1)
            yield* gate.release
            if (namespace !== "team-other") yield* call(connector.flyte, resourceMeta, {})
          })
        )
      })
    )
  }
})

describe("a caller with three seconds", () => {
  scenario(
    "hears which token endpoint failed, how often it was asked, and what it answered",
    ({ workspace, serving }) =>
      serving({}, (connector) =>
        Effect.gen(function* () {
          yield* workspace.faults.add({ path: "/oidc/v1/token", action: Fault.status(503) })
          const call = createIn("team-oauth")(connector.flyte, new Uint8Array(), { timeout: 3000 })
          const { details } = yield* refusal(connector, call)
          assert.match(details, /oidc\/v1\/token was (tried|asked) \d times.*; the last answer: status 503\./)
        })
      )
  )
})

describe("a caller without a deadline", () => {
  scenario("is bounded all the same, and hears what it waited for", ({ workspace, serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          yield* workspace.faults.hold({ path: "/api/*" })
          const call = connector.flyte.createTask(tasks.createTask(), { timeout: Infinity })
          const { code, details } = yield* refusal(connector, call)
          assert.strictEqual(code, "DEADLINE_EXCEEDED")
          assert.include(details, "after 0.5 s")
          assert.include(details, `${workspace.url} to take the job`)
          assert.include(details, "the connector's deadline")
        }),
      { references: Layer.succeed(Call.UnboundedCallTimeout, "500 millis") }
    )
  )
})

describe("a caller that goes away", () => {
  const meta = (instance: string) =>
    new TextEncoder().encode(JSON.stringify({ databricks_instance: instance, run_id: "5" }))

  scenario("ends the request to Databricks that was made for it", ({ serving }) =>
    Effect.gen(function* () {
      const host = yield* silentHost
      yield* serving({ FLYTE_DATABRICKS_INSTANCE: host.url, ...withConnectorPat }, ({ flyte, log }) =>
        Effect.gen(function* () {
          const call = yield* Effect.forkChild(flyte.getTask(meta(host.url)))
          assert.include(yield* host.asked, "GET /api/2.1/jobs/runs/get")
          yield* Fiber.interrupt(call)
          yield* host.givenUp
          const { level, annotations } = yield* log.waitFor(({ annotations }) => "outcome" in annotations)
          assert.deepStrictEqual([level, annotations["outcome"]], ["INFO", "cancelled by the caller"])
          assert.strictEqual(annotations["runId"], "5")
        })
      )
    }).pipe(Effect.scoped)
  )

  scenario("with its whole connection, too", ({ serving }) =>
    Effect.gen(function* () {
      const host = yield* silentHost
      yield* serving({ FLYTE_DATABRICKS_INSTANCE: host.url, ...withConnectorPat }, ({ port, log }) =>
        Effect.gen(function* () {
          const open = yield* Http2.session(port)
          const request = create(Flyte1.GetTaskRequestSchema, {
            resourceMeta: meta(host.url),
            taskCategory: { name: "databricks" }
          })
          Http2.send(open, getPath, toBinary(Flyte1.GetTaskRequestSchema, request))
          yield* host.asked
          open.destroy()
          yield* host.givenUp
          const { annotations } = yield* log.waitFor(({ annotations }) => "outcome" in annotations)
          assert.strictEqual(annotations["outcome"], "cancelled by the caller")
        })
      )
    }).pipe(Effect.scoped)
  )

  scenario("does not end the token request that another waits for", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const path = "/oidc/v1/token"
        const gate = yield* workspace.faults.hold({ path })
        const createNode = (node: string) => flyte.createTask(tasks.createTask({ namespace: "team-oauth", node }))
        const first = yield* Effect.forkChild(createNode("n0"))
        const second = yield* Effect.forkChild(createNode("n1"))
        yield* gate.arrived
        yield* Fiber.interrupt(first)
        yield* gate.release
        yield* Fiber.join(second)
        assert.strictEqual(yield* workspace.requests.count({ path }), 1)
        assert.include(
          (yield* workspace.runs).map(({ creator }) => creator),
          teamPrincipal.id
        )
      })
    )
  )

  scenario("leaves the connector as it was", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const gate = yield* workspace.faults.hold({ path: "/api/*" })
        for (let n = 0; n < 20; n++) {
          const call = yield* Effect.forkChild(flyte.createTask(tasks.createTask({ node: `n${n}` })))
          yield* workspace.requests.waitFor({ path: "/api/*" }, n + 1)
          yield* Fiber.interrupt(call)
        }
        yield* gate.release
        yield* workspace.requests.clear
        yield* flyte.createTask(tasks.createTask({ execution: "next" }))
        const [request] = yield* workspace.requests.all()
        assert.strictEqual(request?.headers["authorization"], `Bearer ${teamPat.token}`)
      })
    )
  )
})
