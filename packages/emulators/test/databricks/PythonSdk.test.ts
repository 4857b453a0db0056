import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Option, Redacted } from "effect"
import { DatabricksWorkspace, KubernetesApi, RunPlan } from "../../src/index.ts"
import * as Python from "../../src/testing/Python.ts"

/** What the SDK is told in its environment; the program itself is the same for every way to log in. */
const program = `
import datetime
from databricks.sdk import WorkspaceClient
from databricks.sdk.service import jobs

client = WorkspaceClient()
print(client.config.auth_type, client.current_user.me().user_name)
task = jobs.SubmitTask(
    task_key="main",
    existing_cluster_id="0801-1",
    spark_python_task=jobs.SparkPythonTask(python_file="dbfs:/main.py"),
)
waiter = client.jobs.submit(run_name="from-python", tasks=[task], idempotency_token="once")
run = waiter.result(timeout=datetime.timedelta(seconds=60))
print(run.run_id, run.creator_user_name, run.state.result_state.value, run.status.termination_details.code.value)
print(client.jobs.get_run_output(run.tasks[0].run_id).logs)
client.jobs.cancel_run(run.run_id)
`

/** A home without a profile, so that the SDK sees only what the test gives it. */
const run = Effect.fnUntraced(
  function* (python: string, text: string, env: Record<string, string>) {
    const files = yield* FileSystem.FileSystem
    const HOME = yield* files.makeTempDirectoryScoped()
    return yield* Python.run(python, text, { HOME, ...env })
  },
  Effect.scoped,
  Effect.provide(NodeServices.layer)
)

const python = await Effect.runPromise(Python.find("databricks.sdk"))

describe.skipIf(Option.isNone(python))("the official Python SDK", () => {
  const executable = Option.getOrElse(python, () => "")
  const pat = "dapi0123456789abcdef"
  const applicationId = "5f0c2f3e-0000-4000-a000-000000000001"
  const secret = "dose0123456789abcdef"
  const options: DatabricksWorkspace.Options = {
    servicePrincipals: [{ applicationId, secrets: [secret] }],
    users: [{ userName: "ann@example.com", pats: [pat] }],
    runPlan: RunPlan.plan("never-ends", { pending: 0 })
  }

  const logins = [
    { login: "pat", env: { DATABRICKS_TOKEN: pat }, name: "ann@example.com", tls: false },
    {
      login: "oauth-m2m",
      env: { DATABRICKS_CLIENT_ID: applicationId, DATABRICKS_CLIENT_SECRET: secret },
      name: applicationId,
      tls: true
    }
  ]

  it.live.each(logins)(
    "logs in ($login, https: $tls), submits, polls until the run is over, reads its output and cancels",
    ({ env, login, name, tls }) =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const caFile = `${yield* files.makeTempDirectoryScoped()}/ca.pem`
        const workspace = yield* DatabricksWorkspace.make({ ...options, tls: tls ? { caFile } : false })
        const ends = Effect.gen(function* () {
          yield* workspace.requests.waitFor({ path: "/api/2.2/jobs/runs/get" }, 2)
          const [run] = yield* workspace.runs
          const plan = RunPlan.plan("succeeds", { pending: 0, running: 0, output: { logs: "done" } })
          yield* workspace.setRunPlan(run?.runId ?? 0n, plan)
        })
        yield* Effect.forkChild(ends)
        const { exitCode, stderr, stdout } = yield* run(executable, program, {
          ...env,
          DATABRICKS_HOST: workspace.url,
          DATABRICKS_AUTH_TYPE: login,
          ...(tls ? { REQUESTS_CA_BUNDLE: caFile } : {})
        })
        assert.strictEqual(exitCode, 0, stderr)
        assert.deepStrictEqual(stdout.trim().split("\n"), [
          `${login} ${name}`,
          `9007199254740993 ${name} SUCCESS SUCCESS`,
          "done"
        ])
        assert.isAtLeast(yield* workspace.requests.count({ path: "/api/2.2/jobs/runs/get" }), 2)
        assert.strictEqual(yield* workspace.requests.count({ path: "/api/2.2/jobs/runs/cancel" }), 1)
      }).pipe(Effect.provide(NodeServices.layer)),
    60_000
  )

  const login = `
from databricks.sdk import WorkspaceClient
client = WorkspaceClient()
print(client.config.auth_type, client.current_user.me().user_name)
`

  interface Federated {
    readonly options?: DatabricksWorkspace.Options
    readonly env?: Record<string, string>
    readonly text?: string
  }

  /** Logs in with the token of a file, as whoever the workspace takes its subject for. */
  const federated = Effect.fnUntraced(function* (
    policy: { readonly subject?: string },
    clientId?: string,
    { options = {}, env = {}, text = login }: Federated = {}
  ) {
    const files = yield* FileSystem.FileSystem
    const dir = yield* files.makeTempDirectoryScoped()
    const api = yield* KubernetesApi.make({ tls: true })
    const workspace = yield* DatabricksWorkspace.make({
      servicePrincipals: [{ applicationId, secrets: [] }],
      tls: { caFile: `${dir}/ca.pem` },
      trustedCas: [api.caPem ?? ""],
      ...options
    })
    const audiences = [workspace.accountId]
    yield* workspace.addFederationPolicy({ issuer: api.issuer, audiences, ...policy }, clientId)
    const sub = clientId === undefined ? applicationId : "system:serviceaccount:flyte:flyteconnector"
    const token = yield* api.mintToken({ sub, aud: audiences })
    yield* files.writeFileString(`${dir}/token`, Redacted.value(token))
    const result = yield* run(executable, text, {
      ...env,
      DATABRICKS_HOST: workspace.url,
      DATABRICKS_AUTH_TYPE: "file-oidc",
      DATABRICKS_OIDC_TOKEN_FILEPATH: `${dir}/token`,
      REQUESTS_CA_BUNDLE: `${dir}/ca.pem`,
      ...(clientId === undefined ? {} : { DATABRICKS_CLIENT_ID: clientId })
    })
    return { ...result, refusals: yield* workspace.refusals, runs: yield* workspace.runs }
  }, Effect.provide(NodeServices.layer))

  it.live(
    "logs in (file-oidc) with a ServiceAccount's token, by the service principal's policy and by an account-wide one",
    () =>
      Effect.gen(function* () {
        const subject = "system:serviceaccount:flyte:flyteconnector"
        const own = yield* federated({ subject }, applicationId)
        assert.strictEqual(own.stdout, `file-oidc ${applicationId}\n`, own.stderr)
        const wide = yield* federated({})
        assert.strictEqual(wide.stdout, `file-oidc ${applicationId}\n`, wide.stderr)
      }),
    60_000
  )

  const unified: DatabricksWorkspace.Options = {
    unifiedWorkspaces: ["11", "22"],
    servicePrincipals: [{ applicationId, secrets: [secret], workspaces: ["11"] }],
    users: [{ userName: "ann@example.com", pats: [pat], workspaces: ["22"] }],
    runPlan: RunPlan.plan("succeeds", { pending: 0, running: 0, output: { logs: "done" } })
  }

  it.live.each([
    { ...logins[0]!, workspaceId: "22", elsewhere: "11" },
    { ...logins[1]!, workspaceId: "11", elsewhere: "22" }
  ])(
    "logs in to one of several workspaces behind a host, and to no other ($login)",
    ({ elsewhere, env, login, name, workspaceId }) =>
      Effect.gen(function* () {
        const workspace = yield* DatabricksWorkspace.make(unified)
        const inside = (id: string) =>
          run(executable, program, {
            ...env,
            DATABRICKS_HOST: workspace.url,
            DATABRICKS_WORKSPACE_ID: id,
            DATABRICKS_AUTH_TYPE: login
          })
        const { exitCode, stderr, stdout } = yield* inside(workspaceId)
        assert.strictEqual(exitCode, 0, stderr)
        assert.match(stdout, new RegExp(`^${login} ${name}\n\\d+ ${name} SUCCESS SUCCESS\ndone\n$`))
        assert.deepStrictEqual(
          (yield* workspace.runs).map((run) => [run.workspaceId, run.creator]),
          [[workspaceId, name]]
        )
        const sent = yield* workspace.requests.all()
        const ofOAuth = sent.filter(({ path }) => path.startsWith("/oidc/"))
        assert.isTrue(ofOAuth.every(({ headers }) => headers["x-databricks-workspace-id"] === undefined))
        const { stderr: refused } = yield* inside(elsewhere)
        assert.include(refused, `PermissionDenied: ${name} is not a member of this workspace.`)
      }),
    60_000
  )

  it.live(
    "logs in (file-oidc) to one of several workspaces behind a host, and runs there",
    () =>
      Effect.gen(function* () {
        const { exitCode, runs, stderr } = yield* federated(
          { subject: "system:serviceaccount:flyte:flyteconnector" },
          applicationId,
          {
            text: program,
            env: { DATABRICKS_WORKSPACE_ID: "22" },
            options: {
              ...unified,
              servicePrincipals: [{ applicationId, secrets: [], workspaces: ["22"] }]
            }
          }
        )
        assert.strictEqual(exitCode, 0, stderr)
        assert.deepStrictEqual(
          runs.map(({ creator, workspaceId }) => [creator, workspaceId]),
          [[applicationId, "22"]]
        )
      }),
    60_000
  )

  it.live(
    "names the error of the token endpoint when no policy takes the token",
    () =>
      Effect.gen(function* () {
        const { exitCode, refusals, stderr } = yield* federated({ subject: "someone else" }, applicationId)
        assert.strictEqual(exitCode, 1)
        assert.include(stderr, "invalid_grant: Failed to process token: TOKEN_INVALID")
        assert.match(`${refusals[0]?.reason}`, /sub is ".*flyteconnector", not "someone else"/)
      }),
    60_000
  )

  it.live(
    "names the error of the token endpoint and of the Jobs API",
    () =>
      Effect.gen(function* () {
        const { url } = yield* DatabricksWorkspace.make(options)
        const failure = (text: string, env: Record<string, string>) =>
          Effect.map(run(executable, text, { DATABRICKS_HOST: url, ...env }), ({ stderr }) =>
            stderr.trim().split("\n").at(-1)
          )
        assert.include(
          yield* failure(program, { DATABRICKS_CLIENT_ID: applicationId, DATABRICKS_CLIENT_SECRET: "wrong" }),
          "invalid_client: Client authentication failed"
        )
        const missing = "from databricks.sdk import WorkspaceClient\nWorkspaceClient().jobs.get_run(5)"
        assert.include(yield* failure(missing, { DATABRICKS_TOKEN: pat }), "Run 5 does not exist.")
        assert.match(
          `${yield* failure(missing, { DATABRICKS_TOKEN: "dapi-unknown" })}`,
          /Unauthenticated: Invalid access token\./
        )
      }),
    60_000
  )
})
