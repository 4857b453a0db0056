/**
 * What stands in for the world: a Kubernetes API and a Databricks workspace that trusts its tokens, seeded for the
 * tour's namespaces.
 */
import { DatabricksWorkspace, KubernetesApi, RunPlan } from "@flyte-databricks/emulators"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import * as Scenario from "./Scenario.ts"

/** Where the files lie that tell the connector about the stand-ins. */
export interface Files {
  readonly kubeconfig: string
  readonly ca: string
  readonly token: string
  readonly log: string
}

/** Files of this tour alone, gone when it ends. */
export const makeFiles = Effect.gen(function* () {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* fileSystem.makeTempDirectoryScoped({ prefix: "flyte-databricks-tour-" })
  return {
    kubeconfig: path.join(directory, "kubeconfig"),
    ca: path.join(directory, "workspace-ca.pem"),
    token: path.join(directory, "token"),
    log: path.join(directory, "connector.log")
  } satisfies Files
})

const audience = "databricks"
const serviceAccount = "spark"
const connectorSubject = "system:serviceaccount:flyte:flyteconnector"

/** Both stand-ins, on free ports of loopback. */
export const start = Effect.fnUntraced(function* (files: Files) {
  const fileSystem = yield* FileSystem.FileSystem
  const kubernetes = yield* KubernetesApi.make({
    tls: true,
    kubeconfigFile: files.kubeconfig,
    secrets: Scenario.scenarios.flatMap(({ namespace, secrets }) =>
      Object.entries(secrets).map(([name, data]) => ({ namespace, name, data }))
    ),
    serviceAccounts: annotated.map(({ namespace, clientId }) => ({
      namespace,
      name: serviceAccount,
      labels: { "flyte.org/databricks-enabled": "true" },
      annotations: { "flyte.org/databricks-client-id": clientId }
    }))
  })
  const workspace = yield* DatabricksWorkspace.make({
    tls: { caFile: files.ca },
    trustedCas: kubernetes.caPem === undefined ? [] : [kubernetes.caPem],
    users: [{ userName: Scenario.billingUser.name, pats: [Scenario.billingUser.secret] }],
    servicePrincipals: Scenario.servicePrincipals.map(({ name, secret }) => ({
      applicationId: name,
      secrets: [secret],
      federationPolicies: subjectsOf(name).map((subject) => ({
        issuer: kubernetes.issuer,
        audiences: [audience],
        subject
      }))
    })),
    runPlan: RunPlan.plan("succeeds", { queued: "300 millis", pending: "700 millis", running: "2 seconds" })
  })
  // In a pod, Kubernetes projects this file and rotates it.
  const token = yield* kubernetes.mintToken({ sub: connectorSubject, aud: [audience], lifetime: "1 hour" })
  yield* fileSystem.writeFileString(files.token, Redacted.value(token), { mode: 0o600 })
  return { kubernetes, workspace }
})

const annotated = Scenario.scenarios.flatMap(({ namespace, serviceAccountOf }) =>
  serviceAccountOf === undefined ? [] : [{ namespace, clientId: serviceAccountOf }]
)

// Who may be this service principal: the ServiceAccounts annotated with it, and the connector's pod.
const subjectsOf = (applicationId: string): ReadonlyArray<string> => [
  ...annotated
    .filter(({ clientId }) => clientId === applicationId)
    .map(({ namespace }) => `system:serviceaccount:${namespace}:${serviceAccount}`),
  ...(applicationId === Scenario.connectorPrincipal.name ? [connectorSubject] : [])
]
