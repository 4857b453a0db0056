/**
 * What a connector lives among: a workspace and a Kubernetes API on loopback, and namespaces with and without
 * credentials of their own.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import { ConfigProvider, Context, Duration, Effect, FileSystem, Layer, Logger, Redacted } from "effect"
import * as ConnectorServer from "../../src/cli/ConnectorServer.ts"
import * as Server from "../../src/grpc/Server.ts"
import { SubmissionTimes } from "../../src/runs/Submission.ts"
import * as FlyteClient from "./FlyteClient.ts"
import * as Audit from "./Audit.ts"

// None of them looks like a secret of Databricks: whatever keeps them out of sight does not go by their looks.
export const teamPat = { user: "ann@example.com", token: "pat-of-team-pat" }
export const teamPrincipal = { id: "sp-of-team-oauth", secret: "secret+of/team=oauth" }
export const connectorPat = { user: "shared@example.com", token: "pat-of-connector" }
export const connectorPrincipal = { id: "sp-of-connector", secret: "secret of connector" }

/** What an operator sets so that the connector has credentials of its own. */
export const withConnectorPat = { FLYTE_DATABRICKS_ACCESS_TOKEN: connectorPat.token }
export const withConnectorPrincipal = {
  FLYTE_DATABRICKS_CLIENT_ID: connectorPrincipal.id,
  FLYTE_DATABRICKS_CLIENT_SECRET: connectorPrincipal.secret
}

export const workspaceOptions: DatabricksWorkspace.Options = {
  users: [teamPat, connectorPat].map(({ user, token }) => ({ userName: user, pats: [token] })),
  servicePrincipals: [teamPrincipal, connectorPrincipal].map(({ id, secret }) => ({
    applicationId: id,
    secrets: [secret]
  })),
  // Runs go on only when a test says so.
  runPlan: { phases: [{ lifeCycleState: "PENDING" }] }
}

export const namespaceSecrets = [
  { namespace: "team-pat", name: "databricks-token", data: { token: teamPat.token } },
  {
    namespace: "team-oauth",
    name: "databricks-oauth",
    data: { client_id: teamPrincipal.id, client_secret: teamPrincipal.secret }
  }
]

interface ServingOptions extends Partial<Server.Options> {
  /** Overrides of settings that are no variables. */
  readonly references?: Layer.Layer<never>
}

// What is left behind is another test's business.
const endsSoon = Layer.succeed(SubmissionTimes, { ...SubmissionTimes.defaultValue(), end: "100 millis" })

/** Starts a connector with this environment and no other; what it says to callers is added to `said`. */
export const start = Effect.fnUntraced(function* (
  env: Readonly<Record<string, string>>,
  { references = Layer.empty, ...options }: ServingOptions,
  said: Array<string>
) {
  const log = Log.make()
  const audit = env["FLYTE_DATABRICKS_AUDIT"]?.replace(/^file:/, "") ?? ""
  const environment = ConfigProvider.fromEnv({ env })
  const layer = ConnectorServer.layer({
    host: "127.0.0.1",
    port: 0,
    maxMessageBytes: 4 * 1024 * 1024,
    maxConcurrentStreams: 1000,
    maxConnectionAge: Duration.minutes(5),
    drainDelay: Duration.zero,
    drainTimeout: Duration.seconds(5),
    ...options
  }).pipe(
    Layer.provide([ConfigProvider.layer(environment), Logger.layer([log.logger]), Log.everyLine, endsSoon, references])
  )
  // A connector that starts again shares nothing with the one before.
  const context = yield* Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), yield* Effect.scope)
  const { port } = Context.get(context, Server.Server)
  return { port, log, audit: Audit.of(audit), flyte: yield* FlyteClient.make(`127.0.0.1:${port}`, said) }
})

const make = Effect.fnUntraced(function* (options: DatabricksWorkspace.Options) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped()
  const kubeconfig = `${directory}/kubeconfig`
  const workspace = yield* DatabricksWorkspace.make({ ...workspaceOptions, ...options })
  const kubernetes = yield* KubernetesApi.make({ tls: true, kubeconfigFile: kubeconfig, secrets: namespaceSecrets })
  const said: Array<string> = []
  const logs: Array<Log.Log> = []
  const audits: Array<Audit.Audit> = []

  const serve = (env: Readonly<Record<string, string>>, options: ServingOptions) =>
    Effect.tap(
      start(
        {
          FLYTE_DATABRICKS_INSTANCE: workspace.url,
          FLYTE_SECRETS_DEFAULT_DIR: `${directory}/mounted`,
          KUBECONFIG: kubeconfig,
          FLYTE_DATABRICKS_AUDIT: `file:${directory}/audit-${audits.length}.jsonl`,
          ...env
        },
        options,
        said
      ),
      ({ log, audit }) =>
        Effect.sync(() => {
          logs.push(log)
          audits.push(audit)
        })
    )

  return {
    workspace,
    kubernetes,
    directory,
    /** Starts a connector with these variables, and stops it at the end. */
    serving: <A, E, R>(
      env: Readonly<Record<string, string>>,
      use: (connector: Connector) => Effect.Effect<A, E, R>,
      options: ServingOptions = {}
    ) => Effect.scoped(Effect.flatMap(serve(env, options), use)),
    /** Everything that connectors said to people: log lines, errors, messages, audit events. */
    shown: Effect.map(
      Effect.forEach(audits, ({ lines }) => lines),
      (events) => [...said, ...logs.flatMap(({ texts }) => texts), ...events.flat()]
    ),
    /** All events are such as docs/audit.schema.json has them. */
    readAudits: Effect.forEach(audits, ({ events }) => events)
  }
})

export type World = Effect.Success<ReturnType<typeof make>>

/** A service principal that lets in what the cluster says this subject is. */
export const federated = ({ workspace, kubernetes }: World, applicationId: string, subject: string) =>
  Effect.andThen(
    workspace.trustCa(kubernetes.caPem ?? ""),
    workspace.addServicePrincipal({
      applicationId,
      secrets: [],
      federationPolicies: [{ issuer: kubernetes.issuer, subject, audiences: ["databricks"] }]
    })
  )

export interface Connector {
  readonly port: number
  readonly log: Log.Log
  readonly audit: Audit.Audit
  readonly flyte: FlyteClient.FlyteClient
}

/** Every credential that was configured, or that went over the wire, in clear and as it was sent. */
const credentials = Effect.fnUntraced(function* ({ workspace, kubernetes }: World) {
  const requests = [...(yield* workspace.requests.all()), ...(yield* kubernetes.requests.all())]
  const sent = requests.flatMap(({ headers }) => headers["authorization"]?.replace(/^\w+ /, "") ?? [])
  const configured = [teamPat.token, connectorPat.token, teamPrincipal.secret, connectorPrincipal.secret]
  return new Set([...configured, Redacted.value(kubernetes.token), ...sent].filter((secret) => secret !== ""))
})

/** A test in a world of its own. Whatever it is about, no secret may show. */
export const scenario = (
  name: string,
  run: (world: World) => Effect.Effect<void, unknown>,
  workspace: DatabricksWorkspace.Options = {},
  timeout = 30_000
) =>
  it.live(
    name,
    () =>
      Effect.gen(function* () {
        const world = yield* make(workspace)
        yield* run(world)
        yield* world.readAudits
        const shown = (yield* world.shown).join("\n")
        for (const secret of yield* credentials(world)) assert.notInclude(shown, secret)
      }).pipe(Effect.provide(NodeServices.layer)),
    timeout
  )
