/** The connector as Flyte's own libraries see it: a stock gRPC client, and tasks that flytekit serialises. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { DatabricksWorkspace, KubernetesApi, RunPlan } from "@flyte-databricks/emulators"
import * as Python from "@flyte-databricks/emulators/testing/Python"
import { Effect, FileSystem, Option, Schema } from "effect"
import { fileURLToPath } from "node:url"
import * as ConnectorProcess from "./support/ConnectorProcess.ts"
import * as World from "./support/World.ts"

const python = await Effect.runPromise(Python.find("grpc", "flyteidl.service", "flytekitplugins.spark.connector"))

// flytekit reads the source of its tasks, so they have to be in a file.
const support = fileURLToPath(new URL("support", import.meta.url))
const program = "import flyte_client"

const Followed = Schema.fromJsonString(
  Schema.Struct({
    phases: Schema.Array(Schema.String),
    links: Schema.Array(Schema.Array(Schema.String)),
    same: Schema.Boolean,
    metadata: Schema.Record(Schema.String, Schema.NullOr(Schema.String)),
    rewritten: Schema.String,
    written: Schema.String
  })
)

describe.skipIf(Option.isNone(python))("flytekit and flyteidl, in Python,", () => {
  it.live(
    "create a task, follow it to its end and delete it, and read its metadata as their own",
    () =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const directory = yield* files.makeTempDirectoryScoped()
        const [caFile, kubeconfig] = [`${directory}/ca.pem`, `${directory}/kubeconfig`]
        const workspace = yield* DatabricksWorkspace.make({ ...World.workspaceOptions, tls: { caFile } })
        yield* KubernetesApi.make({ tls: true, kubeconfigFile: kubeconfig, secrets: World.namespaceSecrets })
        const { host } = new URL(workspace.url)
        const connector = yield* ConnectorProcess.serve({
          FLYTE_DATABRICKS_INSTANCE: host,
          KUBECONFIG: kubeconfig,
          NODE_EXTRA_CA_CERTS: caFile
        })

        // A run goes on once it was seen to wait. Each is created twice before it is followed, and submitted once.
        const [submit, get] = [{ path: "/api/2.1/jobs/runs/submit" }, { path: "/api/2.1/jobs/runs/get" }] as const
        const goOn = Effect.gen(function* () {
          for (let index = 0; index < 2; index++) {
            yield* workspace.requests.waitFor(submit, index + 1)
            yield* workspace.requests.waitFor(get, (yield* workspace.requests.count(get)) + 2)
            const run = (yield* workspace.runs)[index]
            yield* workspace.setRunPlan(run?.runId ?? 0n, RunPlan.plan("succeeds", { pending: 0, running: 0 }))
          }
        })
        yield* Effect.forkChild(goOn)
        const { exitCode, stderr, stdout } = yield* Python.run(
          Option.getOrElse(python, () => ""),
          program,
          {
            CONNECTOR: `127.0.0.1:${connector.port}`,
            PYTHONPATH: support,
            PYTHONDONTWRITEBYTECODE: "1"
          }
        )
        assert.strictEqual(exitCode, 0, stderr)

        const runs = yield* workspace.runs
        assert.deepStrictEqual(
          runs.map(({ runName, creator }) => [runName, creator]),
          [
            ["own-pat", World.teamPat.user],
            ["own-principal", World.teamPrincipal.id]
          ]
        )
        const common = {
          databricks_instance: host,
          oidc_token_file: null,
          oidc_service_account: null,
          oidc_audience: null
        }
        const expected = [
          {
            ...common,
            auth_token: World.teamPat.token,
            auth_type: null,
            client_id: null,
            oauth_secret_name: null,
            namespace: null
          },
          {
            ...common,
            auth_token: null,
            auth_type: "oauth_m2m",
            client_id: World.teamPrincipal.id,
            oauth_secret_name: "databricks-oauth",
            namespace: "team-oauth"
          }
        ]
        const followed = stdout
          .trim()
          .split("\n")
          .map((line) => Schema.decodeUnknownSync(Followed)(line))
        assert.strictEqual(followed.length, 2)
        for (const [index, { phases, links, same, metadata, rewritten, written }] of followed.entries()) {
          const [run, fields] = [runs[index], expected[index]]
          assert.deepStrictEqual(phases, ["INITIALIZING", "SUCCEEDED"])
          const uri = `https://${host}/#job/${run?.jobId}/run/${run?.runId}`
          assert.deepStrictEqual(links, [["Databricks Console", uri]])
          assert.isTrue(same)
          assert.deepStrictEqual(metadata, { ...fields, run_id: String(run?.runId) })
          // Key for key in Python's order, so that what it passes on begins with what it was given.
          const given = Object.entries(JSON.parse(written))
          assert.deepStrictEqual(Object.entries(JSON.parse(rewritten)).slice(0, given.length), given)
        }
        const calls = yield* connector.calls
        assert.deepStrictEqual([...new Set(calls.map(({ annotations }) => annotations["outcome"]))], ["ok"])
      }).pipe(Effect.provide(NodeServices.layer)),
    180_000
  )
})
