/** Who made a run: what Databricks says is held against what the metadata says, and all of it is told. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Identity, NamespaceSecrets, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { Fault } from "@flyte-databricks/emulators"
import { Effect, Layer, Option } from "effect"
import { somebodyElse } from "../../src/runs/Creator.ts"
import { phaseOf } from "../support/FlyteClient.ts"
import { readMetadata, verdict } from "../support/outcomes.ts"
import * as tasks from "../support/tasks.ts"
import { connectorPrincipal, scenario, teamPat, teamPrincipal, withConnectorPrincipal } from "../support/World.ts"

const instance = WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com")
const app = "0f4b8c1e-52a7-4a52-9d55-6c1d2f3a4b5c"
const other = "7a6b5c4d-1111-2222-3333-444455556666"
const origin = { _tag: "NamespaceSecret", namespace: "team-a", name: "databricks-oauth" } as const
const m2m = (clientId: Option.Option<string>) => new Identity.OAuthM2MIdentity({ instance, clientId, origin })
const identities = {
  m2m: m2m(Option.some(app)),
  "m2m without a client id": m2m(Option.none()),
  pat: new Identity.PatIdentity({ instance, origin }),
  connector: new Identity.OidcConnectorIdentity({
    instance,
    clientId: app,
    tokenFile: "/token",
    audience: "databricks"
  }),
  namespace: new Identity.OidcNamespaceIdentity({
    instance,
    clientId: app,
    namespace: "team-a",
    serviceAccount: "spark",
    audience: "databricks"
  })
}

describe("a creator is somebody else than", () => {
  const service = ["m2m", "connector", "namespace"] as const
  it.each([
    ["another application id", other, service],
    ["a user", "ann@example.com", service],
    ["itself", app, []],
    ["itself in capitals, with blanks around", ` ${app.toUpperCase()} `, []],
    ["a display name, of which nobody knows whose it is", "nightly jobs", []],
    ["part of itself", app.slice(0, 8), []],
    ["nobody: Databricks leaves out who was deleted", undefined, []],
    ["null", null, []],
    ["blank", " ", []]
  ] as const)("%s, where that is certain", (_, creator_user_name, expected) => {
    const found = Object.entries(identities).filter(([, identity]) =>
      Option.isSome(somebodyElse(identity, creator_user_name === undefined ? {} : { creator_user_name }))
    )
    assertEquals(
      found.map(([name]) => name),
      [...expected]
    )
  })

  it("a client id that is no application id is not held against one", () => {
    assertEquals(somebodyElse(m2m(Option.some("sp-of-tests")), { creator_user_name: other }), Option.none())
    const user = { creator_user_name: "ann@example.com" }
    assertEquals(somebodyElse(m2m(Option.some("sp-of-tests")), user), Option.some("ann@example.com"))
  })
})

/** Whoever makes this run lets the team's principal see and manage it. */
const sharedWithTeam = {
  existing_cluster_id: "c",
  access_control_list: [{ service_principal_name: teamPrincipal.id, permission_level: "CAN_MANAGE_RUN" }]
}

describe("a run that somebody else made", () => {
  scenario("under the attempt's token ends the task at the first poll, and is not cancelled", (world) =>
    Effect.gen(function* () {
      yield* world.serving({}, ({ flyte }) =>
        flyte.createTask(tasks.createTask({ namespace: "team-pat", databricksConf: sharedWithTeam }))
      )
      // Nothing is known to this connector of what another one submitted.
      yield* world.serving({}, (connector) =>
        Effect.gen(function* () {
          const { flyte, log } = connector
          const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-oauth" }))
          const { phase, message, outcome } = yield* verdict(connector, flyte.getTask(resourceMeta))
          assert.deepStrictEqual([phase, outcome], ["FAILED", "RunOfAnother"])
          const [run, ...more] = yield* world.workspace.runs
          assert.deepStrictEqual(more, [])
          assert.include(message, `Run ${run?.runId} was made by ${teamPat.user}`)
          assert.include(message, `submitted as ${teamPrincipal.id} (Secret team-oauth/databricks-oauth)`)
          assert.deepInclude(log.calls().at(-1)?.annotations, { creator: teamPat.user, identity: teamPrincipal.id })
          yield* flyte.deleteTask(resourceMeta)
          assert.strictEqual((yield* world.workspace.runs)[0]?.lifeCycleState, "PENDING")
        })
      )
    })
  )

  scenario("is no mismatch where Databricks does not say who, or runs it as somebody else", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        for (const answer of [
          { creator_user_name: "nightly jobs" },
          { creator_user_name: null },
          { creator_user_name: teamPrincipal.id, run_as_user_name: "ann@example.com" }
        ]) {
          const execution = JSON.stringify(answer)
          const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-oauth", execution }))
          yield* workspace.faults.add({
            path: "/api/2.1/jobs/runs/get",
            times: 1,
            action: Fault.json({ state: { life_cycle_state: "PENDING" }, ...answer })
          })
          assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING", execution)
        }
      })
    )
  )
})

describe("an attempt that is created again after its credential was replaced", () => {
  const readEachTime = {
    references: Layer.succeed(NamespaceSecrets.SecretTimeToLive, { present: 0, absent: 0 })
  }

  scenario("goes on as who made its run, as log and metadata say", ({ workspace, kubernetes, serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const { flyte, log } = connector
          const create = flyte.createTask(tasks.createTask({ namespace: "team-oauth" }))
          const first = yield* create
          yield* flyte.getTask(first)
          const data = { client_id: connectorPrincipal.id, client_secret: connectorPrincipal.secret }
          yield* kubernetes.setSecret({ namespace: "team-oauth", name: "databricks-oauth", data })
          const again = yield* create
          assert.lengthOf(yield* workspace.runs, 1)
          assert.deepStrictEqual(readMetadata(again), readMetadata(first))
          const line = log.calls().at(-1)
          assert.deepInclude(line?.annotations, { outcome: "RunOfAnother", identity: teamPrincipal.id })
          assert.strictEqual(line?.level, "WARN")
          assert.include(String(line?.message), `was made by ${teamPrincipal.id}`)
          assert.include(String(line?.message), `by now it would be ${connectorPrincipal.id}`)
          assert.strictEqual(phaseOf(yield* flyte.getTask(again)), "INITIALIZING")
        }),
      readEachTime
    )
  )

  scenario("says so where it was a PAT, whose owner nobody knows", ({ workspace, kubernetes, serving }) =>
    serving(
      {},
      ({ flyte, log }) =>
        Effect.gen(function* () {
          const create = flyte.createTask(tasks.createTask())
          yield* flyte.getTask(yield* create)
          yield* create
          assert.strictEqual(log.calls().at(-1)?.annotations["outcome"], "ok")
          yield* workspace.addPat(teamPat.user, "pat-rotated")
          const data = { token: "pat-rotated" }
          yield* kubernetes.setSecret({ namespace: "team-pat", name: "databricks-token", data })
          const again = yield* create
          assert.lengthOf(yield* workspace.runs, 1)
          const line = log.calls().at(-1)
          assert.strictEqual(line?.annotations["outcome"], "RunOfAnother")
          assert.include(String(line?.message), "was made by the owner of another PAT")
          // It is the same user's, so that the run goes on.
          assert.strictEqual(phaseOf(yield* flyte.getTask(again)), "INITIALIZING")
        }),
      readEachTime
    )
  )
})

describe("run_as of a task", () => {
  scenario("is in the log of its create and polls, and in custom info", ({ serving }) =>
    serving(withConnectorPrincipal, ({ flyte, log }) =>
      Effect.gen(function* () {
        const run_as = { service_principal_name: connectorPrincipal.id }
        const resourceMeta = yield* flyte.createTask(
          tasks.createTask({ namespace: "team-oauth", databricksConf: { existing_cluster_id: "c", run_as } })
        )
        const facts = { identity: teamPrincipal.id, runAs: connectorPrincipal.id }
        assert.deepInclude(log.calls().at(-1)?.annotations, facts)
        const { customInfo } = yield* flyte.getTask(resourceMeta)
        assert.deepInclude(log.calls().at(-1)?.annotations, { ...facts, creator: teamPrincipal.id, outcome: "ok" })
        assert.deepInclude(customInfo, { run_as: connectorPrincipal.id, creator: teamPrincipal.id })
      })
    )
  )
})
