/** Flyte's own connector, in several versions, and this one, side by side before one workspace and one cluster. */
import { create } from "@bufbuild/protobuf"
import { NodeServices } from "@effect/platform-node"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import { Flyte1, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Context, Effect, FileSystem, Layer, Redacted } from "effect"
import * as ConnectorProcess from "./ConnectorProcess.ts"
import * as FlyteClient from "./FlyteClient.ts"
import * as PythonConnector from "./PythonConnector.ts"
import * as tasks from "./tasks.ts"
import {
  connectorPat,
  connectorPrincipal,
  namespaceSecrets,
  teamPat,
  teamPrincipal,
  workspaceOptions
} from "./World.ts"

const namespacePrincipal = "sp-of-team-oidc"

/** Who a task's runs belong to, by where it comes from and what it says. */
export interface Identity {
  readonly name: string
  readonly namespace: string
  readonly authType: string
  readonly principal: string
}

/** By their names in docs/versions.md. */
export const identities: ReadonlyArray<Identity> = [
  { name: "PAT of the connector", namespace: "team-without", authType: "pat", principal: connectorPat.user },
  { name: "PAT of the namespace", namespace: "team-pat", authType: "pat", principal: teamPat.user },
  {
    name: "OAuth M2M of the namespace",
    namespace: "team-oauth",
    authType: "oauth_m2m",
    principal: teamPrincipal.id
  },
  {
    name: "OAuth M2M of the connector",
    namespace: "team-without",
    authType: "oauth_m2m",
    principal: connectorPrincipal.id
  },
  {
    name: "OIDC federation, Model 1",
    namespace: "team-without",
    authType: "oidc_federation",
    principal: connectorPrincipal.id
  },
  {
    name: "OIDC federation, Model 2",
    namespace: "team-oidc",
    authType: "oidc_federation",
    principal: namespacePrincipal
  }
]

// As Flyte configures it for a name with several addresses.
const takingTurns = { "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }) }

/** Replicas of a connector behind one name, as Flyte calls them. */
const connect = Effect.fnUntraced(function* (host: string, taskType: string, ports: ReadonlyArray<number>) {
  const address = `ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(",")}`
  const { call } = yield* FlyteClient.make(address, [], takingTurns)
  const agent = grpcServiceDefinition(Flyte1.AsyncAgentService)
  const taskCategory = create(Flyte1.TaskCategorySchema, { name: taskType, version: 0 })
  return {
    create: ({ namespace, authType }: Identity, execution: string) =>
      Effect.map(
        call(
          agent.createTask,
          tasks.createTask({
            type: taskType,
            namespace,
            execution,
            // The oldest version takes the workspace from the task alone.
            custom: { databricksAuthType: authType, databricksInstance: host }
          })
        ),
        ({ resourceMeta }) => resourceMeta
      ),
    get: (resourceMeta: Uint8Array) =>
      Effect.map(
        call(agent.getTask, create(Flyte1.GetTaskRequestSchema, { resourceMeta, taskCategory })),
        ({ resource }) => resource ?? create(Flyte1.ResourceSchema)
      ),
    delete: (resourceMeta: Uint8Array) =>
      call(agent.deleteTask, create(Flyte1.DeleteTaskRequestSchema, { resourceMeta, taskCategory }))
  }
})

/** All of them, with the same settings. */
export class Beside extends Context.Service<
  Beside,
  {
    readonly workspace: DatabricksWorkspace.DatabricksWorkspace["Service"]
    readonly host: string
    /** Two replicas of this connector. */
    readonly ours: readonly [number, number]
    /** This connector, with these variables beside those that all have. */
    readonly serve: (env: Readonly<Record<string, string>>) => ReturnType<typeof ConnectorProcess.serve>
    readonly python: (version: string) => number
    readonly connect: (taskType: string, ...ports: ReadonlyArray<number>) => ReturnType<typeof connect>
  }
>()("@flyte-databricks/connector/test/Beside") {}

const make = Effect.fnUntraced(function* (python: string, versions: ReadonlyArray<string>) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped()
  const [caFile, kubeconfig, tokenFile] = [`${directory}/ca.pem`, `${directory}/kubeconfig`, `${directory}/token`]
  const kubernetes = yield* KubernetesApi.make({
    tls: true,
    kubeconfigFile: kubeconfig,
    secrets: namespaceSecrets,
    serviceAccounts: [
      {
        namespace: "team-oidc",
        name: "spark",
        labels: { "flyte.org/databricks-enabled": "true" },
        annotations: { "flyte.org/databricks-client-id": namespacePrincipal }
      }
    ]
  })
  const federated = (namespace: string, name: string) => ({
    issuer: kubernetes.issuer,
    audiences: ["databricks"],
    subject: `system:serviceaccount:${namespace}:${name}`
  })
  const workspace = yield* DatabricksWorkspace.make({
    ...workspaceOptions,
    tls: { caFile },
    trustedCas: [kubernetes.caPem ?? ""],
    servicePrincipals: [
      { applicationId: teamPrincipal.id, secrets: [teamPrincipal.secret] },
      {
        applicationId: connectorPrincipal.id,
        secrets: [connectorPrincipal.secret],
        federationPolicies: [federated("flyte", "connector")]
      },
      { applicationId: namespacePrincipal, secrets: [], federationPolicies: [federated("team-oidc", "spark")] }
    ]
  })
  const jwt = yield* kubernetes.mintToken({ sub: "system:serviceaccount:flyte:connector", aud: ["databricks"] })
  yield* files.writeFileString(tokenFile, Redacted.value(jwt))

  const { host } = new URL(workspace.url)
  const environment = {
    FLYTE_DATABRICKS_INSTANCE: host,
    _FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN: connectorPat.token,
    FLYTE_DATABRICKS_OIDC_TOKEN_FILE: tokenFile,
    DATABRICKS_CLIENT_ID: connectorPrincipal.id,
    DATABRICKS_CLIENT_SECRET: connectorPrincipal.secret,
    KUBECONFIG: kubeconfig
  }
  const serve = (env: Readonly<Record<string, string>>) =>
    ConnectorProcess.serve({ ...environment, NODE_EXTRA_CA_CERTS: caFile, ...env })
  const [one, other] = yield* Effect.all([serve({}), serve({})], { concurrency: 2 })
  const ports = yield* Effect.forEach(
    versions,
    (version) => PythonConnector.serve(python, { ...environment, SSL_CERT_FILE: caFile }, version),
    { concurrency: 2 }
  )
  return Beside.of({
    workspace,
    host,
    ours: [one.port, other.port],
    serve,
    python: (version) => ports[versions.indexOf(version)] ?? 0,
    connect: (taskType, ...ports) => connect(host, taskType, ports)
  })
})

export const layer = (python: string, versions: ReadonlyArray<string>) =>
  Layer.effect(Beside, make(python, versions)).pipe(Layer.provide(NodeServices.layer))
