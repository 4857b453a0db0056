/**
 * Workspaces that share a host, as they do behind an account's own address: each run is in its workspace, as its
 * principal, in every mode, and Databricks is told which workspace is meant by each call that is for one, and by no other.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe } from "@effect/vitest"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import { Effect, FileSystem, Redacted } from "effect"
import { phaseOf } from "./support/FlyteClient.ts"
import { readMetadata, refusal } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import { connectorPrincipal, scenario, type World, withConnectorPat, withConnectorPrincipal } from "./support/World.ts"

const unified = { unifiedWorkspaces: ["11", "22"] }

/** The operator's workspace is the first; every one of the host may be named. */
const atHost = ({ workspace }: World) => ({
  FLYTE_DATABRICKS_INSTANCE: `${workspace.url}/?o=11`,
  FLYTE_DATABRICKS_ALLOWED_INSTANCES: workspace.url
})

/** A team of a namespace, and the workspace that its principal is in. */
interface Team {
  readonly namespace: string
  readonly principal: string
  readonly workspaceId: string
  readonly custom: Readonly<Record<string, string>>
}

/** The first says nothing, and has the operator's workspace; the second names one. */
const teams: ReadonlyArray<Team> = [
  { namespace: "team-one", principal: "sp-one", workspaceId: "11", custom: {} },
  { namespace: "team-two", principal: "sp-two", workspaceId: "22", custom: { databricksWorkspaceId: "22" } }
]

const connectorSubject = "system:serviceaccount:flyte:flyteconnector"

/** What makes each team somebody in a mode, and what a task of it says beside its workspace. */
const modes: Readonly<
  Record<
    string,
    {
      readonly env: (world: World) => Record<string, string>
      readonly bring: (world: World, team: Team) => Effect.Effect<void, unknown>
      readonly custom?: (team: Team) => Record<string, string>
    }
  >
> = {
  "the PATs of namespaces": {
    env: () => ({}),
    bring: ({ kubernetes, workspace }, { namespace, principal, workspaceId }) =>
      Effect.gen(function* () {
        yield* workspace.addServicePrincipal({
          applicationId: principal,
          pats: [`pat-${principal}`],
          workspaces: [workspaceId]
        })
        yield* kubernetes.setSecret({ namespace, name: "databricks-token", data: { token: `pat-${principal}` } })
      })
  },
  "the client credentials of namespaces": {
    env: () => ({}),
    bring: ({ kubernetes, workspace }, { namespace, principal, workspaceId }) =>
      Effect.gen(function* () {
        const secret = `secret-of-${principal}`
        yield* workspace.addServicePrincipal({ applicationId: principal, secrets: [secret], workspaces: [workspaceId] })
        const data = { client_id: principal, client_secret: secret }
        yield* kubernetes.setSecret({ namespace, name: "databricks-oauth", data })
      })
  },
  "the connector's ServiceAccount (Model 1)": {
    env: ({ directory }) => ({
      FLYTE_DATABRICKS_CLIENT_ID: connectorPrincipal.id,
      FLYTE_DATABRICKS_OIDC_TOKEN_FILE: `${directory}/token`
    }),
    bring: ({ directory, kubernetes, workspace }, { principal, workspaceId }) =>
      Effect.gen(function* () {
        yield* workspace.trustCa(kubernetes.caPem ?? "")
        yield* workspace.addServicePrincipal({
          applicationId: principal,
          secrets: [],
          workspaces: [workspaceId],
          federationPolicies: [{ issuer: kubernetes.issuer, subject: connectorSubject, audiences: ["databricks"] }]
        })
        const token = yield* kubernetes.mintToken({ sub: connectorSubject, aud: "databricks" })
        yield* FileSystem.FileSystem.use((files) =>
          files.writeFileString(`${directory}/token`, Redacted.value(token))
        ).pipe(Effect.provide(NodeServices.layer))
      }),
    custom: ({ principal }) => ({ databricksClientId: principal })
  },
  "ServiceAccounts of namespaces (Model 2)": {
    env: () => ({}),
    bring: ({ kubernetes, workspace }, { namespace, principal, workspaceId }) =>
      Effect.gen(function* () {
        yield* workspace.trustCa(kubernetes.caPem ?? "")
        const subject = `system:serviceaccount:${namespace}:spark`
        yield* workspace.addServicePrincipal({
          applicationId: principal,
          secrets: [],
          workspaces: [workspaceId],
          federationPolicies: [{ issuer: kubernetes.issuer, subject, audiences: ["databricks"] }]
        })
        yield* kubernetes.setServiceAccount({
          namespace,
          name: "spark",
          labels: { "flyte.org/databricks-enabled": "true" },
          annotations: { "flyte.org/databricks-client-id": principal }
        })
      })
  }
}

/** What was sent to Databricks: of APIs and of OAuth, in order. */
const sentTo = ({ workspace }: World) =>
  Effect.map(workspace.requests.all(), (all) => ({
    all,
    ofApis: all.filter(({ path }) => path.startsWith("/api/")),
    ofOAuth: all.filter(({ path }) => !path.startsWith("/api/"))
  }))

const workspaceIdOf = ({ headers }: { readonly headers: Readonly<Record<string, string>> }) =>
  headers["x-databricks-workspace-id"]

describe("two workspaces of one host, side by side as two principals, by", () => {
  for (const [name, { env, bring, custom = () => ({}) }] of Object.entries(modes)) {
    scenario(
      name,
      (world) =>
        Effect.gen(function* () {
          const { serving, workspace } = world
          for (const team of teams) yield* bring(world, team)
          yield* serving({ ...atHost(world), ...env(world) }, ({ flyte, log }) =>
            Effect.gen(function* () {
              const created = yield* Effect.forEach(
                teams,
                (team) =>
                  Effect.map(
                    flyte.createTask(
                      tasks.createTask({ namespace: team.namespace, custom: { ...team.custom, ...custom(team) } })
                    ),
                    (resourceMeta) => ({ team, resourceMeta })
                  ),
                { concurrency: "unbounded" }
              )
              for (const { team, resourceMeta } of created) {
                assert.strictEqual(
                  readMetadata(resourceMeta)["databricks_instance"],
                  `${workspace.url}?o=${team.workspaceId}`
                )
                const resource = yield* flyte.getTask(resourceMeta)
                assert.strictEqual(phaseOf(resource), "INITIALIZING")
                assert.match(resource.logLinks[0]?.uri ?? "", new RegExp(`^http://[^/]+/\\?o=${team.workspaceId}#job/`))
                yield* flyte.deleteTask(resourceMeta)
              }
              for (const { annotations } of log.calls()) {
                assert.match(String(annotations["instance"]), /\?o=(11|22)$/)
              }
            })
          )
          assert.sameDeepMembers(
            (yield* workspace.runs).map((run) => [run.workspaceId, run.creator, run.lifeCycleState]),
            teams.map(({ principal, workspaceId }) => [workspaceId, principal, "TERMINATING"])
          )
          const { all, ofApis, ofOAuth } = yield* sentTo(world)
          assert.sameMembers(
            ofApis.map(workspaceIdOf),
            teams.flatMap(({ workspaceId }) => [workspaceId, workspaceId, workspaceId])
          )
          assert.deepStrictEqual([...new Set(ofOAuth.map(workspaceIdOf))], ofOAuth.length === 0 ? [] : [undefined])
          const ofToken = new Map(
            ofApis.map(({ headers }) => [headers["authorization"], new Set<string | undefined>()])
          )
          for (const request of ofApis) ofToken.get(request.headers["authorization"])?.add(workspaceIdOf(request))
          assert.isTrue(
            [...ofToken.values()].every(({ size }) => size === 1),
            "a token went to two workspaces"
          )
          for (const { headers } of all) assert.match(headers["user-agent"] ?? "", /^flyte-databricks\/\S+ lang\/js /)
          for (const { headers } of ofApis)
            assert.match(headers["user-agent"] ?? "", / auth\/(pat|oauth_m2m|oidc_federation)$/)
        }),
      unified
    )
  }

  scenario(
    "the connector's one secret: a token for each",
    (world) =>
      world.serving({ ...atHost(world), ...withConnectorPrincipal }, ({ flyte }) =>
        Effect.gen(function* () {
          let node = 0
          for (const { namespace, custom } of [...teams, ...teams]) {
            yield* flyte.createTask(tasks.createTask({ namespace, custom, node: `n${node++}` }))
          }
          const { ofApis, ofOAuth } = yield* sentTo(world)
          assert.deepStrictEqual(
            ofOAuth.map(({ method, path }) => `${method} ${path}`),
            [
              "GET /.well-known/databricks-config",
              `GET /oidc/accounts/${world.workspace.accountId}/.well-known/oauth-authorization-server`,
              `POST /oidc/accounts/${world.workspace.accountId}/v1/token`,
              `POST /oidc/accounts/${world.workspace.accountId}/v1/token`
            ]
          )
          const tokens = ofApis.map((request) => `${workspaceIdOf(request)} ${request.headers["authorization"]}`)
          assert.strictEqual(new Set(tokens).size, 2)
          assert.strictEqual(new Set(ofApis.map(({ headers }) => headers["authorization"])).size, 2)
        })
      ),
    unified
  )
})

describe("a workspace with a host of its own", () => {
  scenario("is asked for a token and for a run, and for nothing else", (world) =>
    world.serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-oauth" }))
        assert.strictEqual(readMetadata(resourceMeta)["databricks_instance"], world.workspace.url)
        assert.deepStrictEqual(
          (yield* sentTo(world)).all.map((request) => [request.method, request.path, workspaceIdOf(request)]),
          [
            ["POST", "/oidc/v1/token", undefined],
            ["POST", "/api/2.1/jobs/runs/submit", undefined]
          ]
        )
      })
    )
  )
})

describe("a task at a host that serves several workspaces", () => {
  scenario(
    "is refused, with the command that helps, where its principal is not in the workspace",
    (world) =>
      Effect.gen(function* () {
        const [one] = teams
        const mode = modes["the client credentials of namespaces"]
        if (one === undefined || mode === undefined) return assert.fail("nothing to try")
        yield* mode.bring(world, one)
        yield* world.serving(atHost(world), (connector) =>
          Effect.gen(function* () {
            const elsewhere = tasks.createTask({ namespace: one.namespace, custom: { databricksWorkspaceId: "22" } })
            const { code, details } = yield* refusal(connector, connector.flyte.createTask(elsewhere))
            assert.strictEqual(code, "PERMISSION_DENIED")
            for (const words of [
              `${world.workspace.url}?o=22 does not let sp-one submit a run: 403 PERMISSION_DENIED`,
              "is not in this workspace or lacks a permission there",
              `\ndatabricks account workspace-assignment update 22 "$SP_ID" --json '{"permissions": ["USER"]}'\n`
            ]) {
              assert.include(details, words)
            }
          })
        )
      }),
    unified
  )

  scenario(
    "is refused where its host names another one for tokens: no credential leaves",
    (world) =>
      Effect.gen(function* () {
        const other = yield* DatabricksWorkspace.make({})
        for (const patch of [
          { oidc_endpoint: `${other.url}/oidc` },
          { oidc_endpoint: "https://evil.example.com/oidc" }
        ]) {
          yield* world.workspace.faults.clear
          yield* world.workspace.faults.add({
            path: "/.well-known/databricks-config",
            action: { type: "merge-patch", patch }
          })
          yield* world.serving({ ...atHost(world), ...withConnectorPrincipal }, (connector) =>
            Effect.gen(function* () {
              const { code, details } = yield* refusal(
                connector,
                connector.flyte.createTask(tasks.createTask({ namespace: "team-without" }))
              )
              assert.strictEqual(code, "INVALID_ARGUMENT")
              assert.include(details, "names it as oidc_endpoint, and it is not on the allow-list")
            })
          )
        }
        assert.deepStrictEqual(yield* other.requests.all(), [])
        const { ofApis, ofOAuth } = yield* sentTo(world)
        assert.deepStrictEqual(ofApis, [])
        for (const { headers, method } of ofOAuth)
          assert.deepStrictEqual([method, headers["authorization"]], ["GET", undefined])
      }).pipe(Effect.scoped),
    unified
  )

  scenario(
    "is refused where it does not say which, and where two ids differ",
    (world) =>
      world.serving({ FLYTE_DATABRICKS_INSTANCE: world.workspace.url, ...withConnectorPat }, (connector) =>
        Effect.gen(function* () {
          const create = (custom: Record<string, string>) =>
            Effect.map(
              refusal(connector, connector.flyte.createTask(tasks.createTask({ namespace: "team-without", custom }))),
              ({ details }) => details
            )
          const without = yield* create({})
          assert.include(without, "Credential was not sent or was of an unsupported type for this API.")
          assert.include(without, `serves several workspaces, add the id of one: ${world.workspace.url}/?o=1234567890.`)
          const both = { databricksInstance: `${world.workspace.url}/?o=11`, databricksWorkspaceId: "22" }
          assert.include(
            yield* create(both),
            "its address says workspace 11, and databricksWorkspaceId of the task says 22"
          )
        })
      ),
    unified
  )
})
