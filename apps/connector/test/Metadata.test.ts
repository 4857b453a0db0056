/** Job metadata: what the connector keeps of a run, what it takes from others, and which secret may be in it. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import pythonMetadata from "../../../packages/databricks-jobs/test/fixtures/python-job-metadata.json" with { type: "json" }
import { phaseOf } from "./support/FlyteClient.ts"
import { jobsTokens, readMetadata, refusal, tampered, verdict } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import {
  connectorPat,
  connectorPrincipal,
  scenario,
  teamPat,
  teamPrincipal,
  withConnectorPat,
  withConnectorPrincipal
} from "./support/World.ts"

/** As Flyte's Python connector wrote it, for a run of this workspace that this team submitted. */
const written = (name: string, changes: Record<string, unknown>): Uint8Array => {
  const found = pythonMetadata.find((metadata) => metadata.name === name)
  assert.isDefined(found, `no fixture ${name}`)
  return tampered(new TextEncoder().encode(found?.resource_meta), changes)
}

describe("a run that Flyte's Python connector submitted is followed and cancelled", () => {
  const cases = [
    {
      name: "pat",
      by: teamPat.user,
      namespace: "team-pat",
      changes: { auth_token: teamPat.token, namespace: "team-pat" }
    },
    {
      name: "m2m",
      by: connectorPrincipal.id,
      namespace: "team-without",
      env: withConnectorPrincipal,
      changes: { client_id: connectorPrincipal.id, namespace: "team-without" }
    },
    {
      name: "m2m-from-namespace-secret",
      by: teamPrincipal.id,
      namespace: "team-oauth",
      changes: { namespace: "team-oauth" }
    },
    { name: "no-namespace", by: teamPat.user, namespace: "team-pat", changes: { auth_token: teamPat.token } },
    { name: "old-flyte-1", by: connectorPat.user, namespace: "team-without", env: withConnectorPat, changes: {} },
    { name: "multi-tenant-pat", by: teamPat.user, namespace: "team-pat", changes: { auth_token: teamPat.token } },
    {
      name: "draft-with-token-secret-name",
      by: teamPat.user,
      namespace: "team-pat",
      changes: { token_secret_name: "databricks-token", namespace: "team-pat" }
    }
  ]

  for (const { name, by, namespace, env = {}, changes } of cases) {
    scenario(name, ({ workspace, serving }) =>
      serving(env, ({ flyte }) =>
        Effect.gen(function* () {
          const { run_id } = readMetadata(yield* flyte.createTask(tasks.createTask({ namespace })))
          const resourceMeta = written(name, { databricks_instance: workspace.url, run_id, ...changes })
          assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
          yield* flyte.deleteTask(resourceMeta)
          const [run] = yield* workspace.runs
          assert.deepStrictEqual([run?.creator, run?.lifeCycleState], [by, "TERMINATING"])
        })
      )
    )
  }

  for (const name of ["oidc-model-1", "oidc-model-2"]) {
    scenario(`${name}: under no other identity than its own`, ({ workspace, serving }) =>
      serving({ ...withConnectorPat, ...withConnectorPrincipal }, (connector) =>
        Effect.gen(function* () {
          const resourceMeta = written(name, { databricks_instance: workspace.url, namespace: "team-pat" })
          assert.strictEqual((yield* verdict(connector, connector.flyte.getTask(resourceMeta))).phase, "FAILED")
          yield* refusal(connector, connector.flyte.deleteTask(resourceMeta))
          assert.deepStrictEqual(yield* jobsTokens(workspace), [])
        })
      )
    )
  }
})

describe("a PAT in job metadata", () => {
  const run = ["databricks_instance", "run_id"]
  const asFlytesOwn = [...run, "auth_token"]
  const everything = asFlytesOwn.concat(
    ["auth_type", "client_id", "oauth_secret_name", "oidc_token_file", "oidc_service_account", "oidc_audience"],
    "namespace"
  )

  for (const { persist, namespace, token, keys } of [
    { persist: "true", namespace: "team-pat", token: teamPat.token, keys: asFlytesOwn },
    { persist: "true", namespace: "team-without", token: connectorPat.token, keys: run },
    { persist: "false", namespace: "team-pat", token: teamPat.token, keys: everything },
    { persist: "false", namespace: "team-without", token: connectorPat.token, keys: run }
  ]) {
    scenario(`with FLYTE_DATABRICKS_PERSIST_PAT=${persist}, of ${namespace}: ${keys.length} keys`, (world) =>
      world.serving({ FLYTE_DATABRICKS_PERSIST_PAT: persist, ...withConnectorPat }, ({ flyte }) =>
        Effect.gen(function* () {
          const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace }))
          const written = readMetadata(resourceMeta)
          assert.deepStrictEqual(Object.keys(written), keys)
          const isWritten = new TextDecoder().decode(resourceMeta).includes(token)
          assert.strictEqual(isWritten, keys === asFlytesOwn)
          yield* world.workspace.requests.clear
          assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
          assert.deepStrictEqual(yield* jobsTokens(world.workspace), [token])
        })
      )
    )
  }

  scenario("of the connector is in no namespace's Secret, also where one was made since", (world) =>
    world.serving(withConnectorPat, ({ flyte }) =>
      Effect.gen(function* () {
        const { workspace, kubernetes } = world
        const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-without" }))
        const data = { token: teamPat.token }
        yield* kubernetes.setSecret({ namespace: "team-without", name: "databricks-token", data })
        yield* workspace.requests.clear
        yield* kubernetes.requests.clear
        yield* flyte.getTask(resourceMeta)
        yield* flyte.deleteTask(resourceMeta)
        assert.deepStrictEqual([...new Set(yield* jobsTokens(workspace))], [connectorPat.token])
        assert.deepStrictEqual(yield* kubernetes.requests.all(), [])
      })
    )
  )
})

describe("a credential that was rotated while the run goes on", () => {
  scenario(
    "a PAT in the namespace's Secret, where an earlier version of this connector wrote which and the token",
    ({ workspace, kubernetes, serving }) =>
      serving({}, ({ flyte }) =>
        Effect.gen(function* () {
          const resourceMeta = tampered(yield* flyte.createTask(tasks.createTask()), {
            auth_type: "pat",
            oauth_secret_name: "databricks-token",
            namespace: "team-pat"
          })
          yield* workspace.addPat(teamPat.user, "pat-rotated")
          yield* workspace.revokePat(teamPat.token)
          yield* kubernetes.setSecret({
            namespace: "team-pat",
            name: "databricks-token",
            data: { token: "pat-rotated" }
          })
          yield* workspace.requests.clear
          yield* flyte.getTask(resourceMeta)
          yield* flyte.getTask(resourceMeta)
          assert.deepStrictEqual(yield* jobsTokens(workspace), [teamPat.token, "pat-rotated", "pat-rotated"])
        })
      )
  )

  scenario("a PAT in the connector's mounted Secret", ({ workspace, directory, serving }) =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const mounted = `${directory}/mounted`
      const mount = (token: string) => files.writeFileString(`${mounted}/flyte_databricks_access_token`, `${token}\n`)
      yield* files.makeDirectory(mounted)
      yield* mount(connectorPat.token)
      yield* serving({}, ({ flyte }) =>
        Effect.gen(function* () {
          const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-without" }))
          yield* workspace.addPat(connectorPat.user, "pat-rotated")
          yield* workspace.revokePat(connectorPat.token)
          yield* mount("pat-rotated")
          yield* workspace.requests.clear
          yield* flyte.deleteTask(resourceMeta)
          assert.deepStrictEqual(yield* jobsTokens(workspace), [connectorPat.token, "pat-rotated"])
        })
      )
    }).pipe(Effect.provide(NodeServices.layer))
  )

  scenario("a client secret in the namespace's Secret, with its tokens revoked", ({ workspace, kubernetes, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const namespace = "team-oauth"
        const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace }))
        yield* workspace.rotateSecret(teamPrincipal.id, "secret-rotated")
        yield* workspace.revokeTokens()
        const data = { client_id: teamPrincipal.id, client_secret: "secret-rotated" }
        yield* kubernetes.setSecret({ namespace, name: "databricks-oauth", data })
        yield* flyte.getTask(resourceMeta)
        yield* flyte.deleteTask(resourceMeta)
        assert.strictEqual(yield* workspace.requests.count({ path: "/oidc/v1/token" }), 2)
      })
    )
  )

  scenario("a client secret that another principal's took the place of is an error, not another identity", (world) =>
    world.serving({}, (connector) =>
      Effect.gen(function* () {
        const { flyte } = connector
        const { workspace, kubernetes } = world
        const namespace = "team-oauth"
        const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace }))
        yield* workspace.revokeTokens()
        const data = { client_id: connectorPrincipal.id, client_secret: connectorPrincipal.secret }
        yield* kubernetes.setSecret({ namespace, name: "databricks-oauth", data })
        const { phase, message } = yield* verdict(connector, flyte.getTask(resourceMeta))
        assert.strictEqual(phase, "FAILED")
        assert.include(message, `expected ${teamPrincipal.id}`)
        assert.strictEqual(yield* workspace.requests.count({ path: "/oidc/v1/token" }), 1)
      })
    )
  )

  scenario(
    "a PAT that was revoked and not replaced: the error says whose, and nothing is tried in its place",
    (world) =>
      world.serving({ ...withConnectorPat, ...withConnectorPrincipal }, (connector) =>
        Effect.gen(function* () {
          const resourceMeta = yield* connector.flyte.createTask(
            tasks.createTask({ custom: { databricksAuthType: "pat" } })
          )
          yield* world.workspace.revokePat(teamPat.token)
          yield* world.workspace.requests.clear
          const { phase, message } = yield* verdict(connector, connector.flyte.getTask(resourceMeta))
          assert.strictEqual(phase, "FAILED")
          assert.include(message, "owner of the PAT")
          assert.deepStrictEqual(new Set(yield* jobsTokens(world.workspace)), new Set([teamPat.token]))
        })
      )
  )
})
