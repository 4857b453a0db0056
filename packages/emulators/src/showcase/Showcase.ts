/**
 * A whole platform to show things on: a Kubernetes API, a Databricks workspace that trusts its tokens, and namespaces
 * that each log in another way.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { RunPlan } from "../databricks/jobs/RunPlan.ts"
import * as DatabricksWorkspace from "../DatabricksWorkspace.ts"
import * as KubernetesApi from "../KubernetesApi.ts"
import * as Namespaces from "./Namespaces.ts"

/** What can be chosen. */
export interface Options {
  /** The workspace speaks HTTPS, and its CA's PEM is in the directory as `workspace-ca.pem`; else HTTP. */
  readonly tls?: boolean
  /** What becomes of runs. */
  readonly runPlan?: RunPlan
}

const audience = "databricks"
const connectorSubject = "system:serviceaccount:flyte:flyteconnector"
const projectedFor: Duration.Input = "1 hour"

/**
 * Starts both on free ports of loopback. `environment` is what an operator would set for a connector on this platform;
 * the files that it names lie in `directory`, which is gone when the scope closes.
 */
export const make = Effect.fnUntraced(function* ({ tls = false, runPlan }: Options = {}) {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* fileSystem.makeTempDirectoryScoped({ prefix: "flyte-databricks-showcase-" })
  const kubeconfigFile = path.join(directory, "kubeconfig")
  const caFile = path.join(directory, "workspace-ca.pem")
  const tokenFile = path.join(directory, "token")

  const kubernetes = yield* KubernetesApi.make({
    tls: true,
    kubeconfigFile,
    secrets: Namespaces.namespaces.flatMap(({ name: namespace, secrets }) =>
      Object.entries(secrets).map(([name, data]) => ({ namespace, name, data }))
    ),
    serviceAccounts: annotated.map(({ namespace, name, clientId }) => ({
      namespace,
      name,
      labels: { "flyte.org/databricks-enabled": "true" },
      annotations: { "flyte.org/databricks-client-id": clientId }
    }))
  })
  const workspace = yield* DatabricksWorkspace.make({
    tls: tls ? { caFile } : false,
    trustedCas: kubernetes.caPem === undefined ? [] : [kubernetes.caPem],
    users: [{ userName: Namespaces.billingUser.name, pats: [Namespaces.billingUser.secret] }],
    servicePrincipals: Namespaces.servicePrincipals.map(({ name, secret }) => ({
      applicationId: name,
      secrets: [secret],
      federationPolicies: subjectsOf(name).map((subject) => ({
        issuer: kubernetes.issuer,
        audiences: [audience],
        subject
      }))
    })),
    runPlan
  })

  // In a pod, Kubernetes projects this file and rotates it long before the token ends. Renamed into place: whoever reads
  // it finds a whole token, the one before or the new one.
  const project = Effect.gen(function* () {
    const token = yield* kubernetes.mintToken({ sub: connectorSubject, aud: [audience], lifetime: projectedFor })
    yield* fileSystem.writeFileString(`${tokenFile}.new`, Redacted.value(token), { mode: 0o600 })
    yield* fileSystem.rename(`${tokenFile}.new`, tokenFile)
  })
  yield* project
  yield* project.pipe(Effect.delay("30 minutes"), Effect.repeat(Schedule.forever), Effect.forkScoped)

  return {
    kubernetes,
    workspace,
    directory,
    caFile,
    environment: {
      FLYTE_DATABRICKS_INSTANCE: workspace.url.replace("https://", ""),
      FLYTE_DATABRICKS_CLIENT_ID: Namespaces.connectorPrincipal.name,
      FLYTE_DATABRICKS_CLIENT_SECRET: Namespaces.connectorPrincipal.secret,
      FLYTE_DATABRICKS_OIDC_TOKEN_FILE: tokenFile,
      KUBECONFIG: kubeconfigFile
    }
  }
})

const annotated = Namespaces.namespaces.flatMap(({ name: namespace, serviceAccounts }) =>
  Object.entries(serviceAccounts).map(([name, clientId]) => ({ namespace, name, clientId }))
)

// Who may be this service principal: the ServiceAccounts annotated with it, and the connector's pod.
const subjectsOf = (applicationId: string): ReadonlyArray<string> => [
  ...annotated
    .filter(({ clientId }) => clientId === applicationId)
    .map(({ namespace, name }) => `system:serviceaccount:${namespace}:${name}`),
  ...(applicationId === Namespaces.connectorPrincipal.name ? [connectorSubject] : [])
]
