/** One fault, met by each operation in each mode: cells of a table, all at once. */
import { NodeServices } from "@effect/platform-node"
import type { JsonObject } from "@bufbuild/protobuf"
import { Circuit, RetryPolicy, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { JobsClient } from "@flyte-databricks/databricks-jobs"
import { DatabricksWorkspace, type FaultAction, KubernetesApi } from "@flyte-databricks/emulators"
import { KubernetesClient } from "@flyte-databricks/kubernetes"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import { Duration, Effect, FileSystem, Layer, Redacted, Schedule } from "effect"
import { BackOff } from "../../src/call/Faults.ts"
import { phaseOf } from "./FlyteClient.ts"
import { readMetadata, tampered } from "./outcomes.ts"
import * as tasks from "./tasks.ts"
import { start } from "./World.ts"

const modes = ["PAT", "OAuth M2M", "OIDC Model 1", "OIDC Model 2"] as const
export const operations = ["submit", "get", "cancel"] as const
export type Mode = (typeof modes)[number]
export type Operation = (typeof operations)[number]

/** Where the fault is met, by the paths that lead there. */
export const places = { "token endpoint": "/oidc/v1/token", "Jobs API": "/api/*", "Kubernetes API": "/api/*" } as const
export type Place = keyof typeof places

/** A fault of the emulators; or silence; or a host whose name leads nowhere. */
export type Met = FaultAction | "hang" | "no such host"

// Retries come at once, and a breaker is tested elsewhere: each cell meets the fault itself.
const promptly = Layer.mergeAll(
  Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(1)),
  Layer.succeed(BackOff, Schedule.recurs(1)),
  Layer.succeed(Circuit.CircuitPolicy, { clients: 1000, openFor: Schedule.spaced("1 second") })
)

// For faults that take their time.
const impatient = Layer.mergeAll(
  promptly,
  Layer.succeed(BackOff, Schedule.recurs(0)),
  Layer.succeed(RetryPolicy.TryTimeout, "700 millis"),
  Layer.succeed(TokenEndpoint.TotalTimeout, "1500 millis"),
  Layer.succeed(JobsClient.RequestTimeout, "1500 millis"),
  Layer.succeed(KubernetesClient.RequestTimeout, Duration.millis(1500))
)

const connectorSubject = "system:serviceaccount:flyte:flyteconnector"
const nowhere = "gone.invalid"

/** What each mode's every operation comes to, as `<mode> <operation>`. */
export const cells = Effect.fnUntraced(function* (place: Place, met: Met) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped()
  const kubeconfig = `${directory}/kubeconfig`
  const kubernetes = yield* KubernetesApi.make({ tls: true, kubeconfigFile: kubeconfig })
  const workspace = yield* DatabricksWorkspace.make({
    trustedCas: [kubernetes.caPem ?? ""],
    runPlan: { phases: [{ lifeCycleState: "PENDING" }] }
  })
  const jwtFile = `${directory}/jwt`
  const jwt = yield* kubernetes.mintToken({ sub: connectorSubject, aud: "databricks" })
  yield* files.writeFileString(jwtFile, Redacted.value(jwt))

  /** Gives a namespace the credentials of the mode, and says what its tasks set. */
  const provision = Effect.fnUntraced(function* (mode: Mode, namespace: string) {
    const applicationId = `sp-${namespace}`
    const federated = (subject: string) =>
      workspace.addServicePrincipal({
        applicationId,
        secrets: [],
        federationPolicies: [{ issuer: kubernetes.issuer, subject, audiences: ["databricks"] }]
      })
    switch (mode) {
      case "PAT":
        yield* workspace.addUser({ userName: applicationId, pats: [`pat-${namespace}`] })
        yield* kubernetes.setSecret({ namespace, name: "databricks-token", data: { token: `pat-${namespace}` } })
        return { databricksAuthType: "pat" } satisfies JsonObject
      case "OAuth M2M":
        yield* workspace.addServicePrincipal({ applicationId, secrets: [`secret-${namespace}`] })
        yield* kubernetes.setSecret({
          namespace,
          name: "databricks-oauth",
          data: { client_id: applicationId, client_secret: `secret-${namespace}` }
        })
        return { databricksAuthType: "oauth_m2m" } satisfies JsonObject
      case "OIDC Model 1":
        yield* federated(connectorSubject)
        return { databricksAuthType: "oidc_federation", databricksClientId: applicationId } satisfies JsonObject
      case "OIDC Model 2":
        yield* federated(`system:serviceaccount:${namespace}:spark`)
        yield* kubernetes.setServiceAccount({
          namespace,
          name: "spark",
          labels: { "flyte.org/databricks-enabled": "true" },
          annotations: { "flyte.org/databricks-client-id": applicationId }
        })
        return { databricksAuthType: "oidc_federation" } satisfies JsonObject
    }
  })

  const env = {
    FLYTE_DATABRICKS_INSTANCE: workspace.url,
    FLYTE_DATABRICKS_ALLOWED_INSTANCES: `${workspace.url},${nowhere}`,
    FLYTE_DATABRICKS_OIDC_TOKEN_FILE: jwtFile,
    FLYTE_SECRETS_DEFAULT_DIR: `${directory}/mounted`,
    KUBECONFIG: kubeconfig
  }
  const elsewhere = `${directory}/elsewhere`
  yield* files.writeFileString(elsewhere, kubernetes.kubeconfig.replaceAll(kubernetes.url, `https://${nowhere}:6443`))

  // What is polled and cancelled was submitted by a connector that is gone: this one has no token of it.
  const before = yield* start(env, { references: promptly }, [])
  const prepared = yield* Effect.forEach(
    modes.flatMap((mode) => operations.map((operation) => ({ mode, operation }))),
    Effect.fnUntraced(function* ({ mode, operation }, index) {
      const namespace = `team-${index}`
      const task = { namespace, execution: `execution-${index}`, custom: yield* provision(mode, namespace) }
      const resourceMeta =
        operation === "submit" ? new Uint8Array() : yield* before.flyte.createTask(tasks.createTask(task))
      return { mode, operation, namespace, task, resourceMeta }
    })
  )

  const slow = met === "hang" || met === "no such host" || met.type === "slow-body"
  const { flyte, log } = yield* start(
    met === "no such host" && place === "Kubernetes API" ? { ...env, KUBECONFIG: elsewhere } : env,
    { references: slow ? impatient : promptly },
    []
  )
  if (place === "Jobs API" && met !== "no such host") {
    // Where the token is there already, and the run's phase is known.
    yield* Effect.forEach(prepared, ({ operation, resourceMeta }) =>
      operation === "submit" ? Effect.void : flyte.getTask(resourceMeta)
    )
  }
  const server = place === "Kubernetes API" ? kubernetes : workspace
  if (met === "hang") yield* server.faults.hold({ path: places[place] })
  else if (met !== "no such host") yield* server.faults.add({ path: places[place], action: met })

  const lost = met === "no such host" && place !== "Kubernetes API"
  const linesBefore = log.texts.length
  const answers = yield* Effect.forEach(
    prepared,
    ({ operation, task, resourceMeta }) => {
      const meta =
        lost && operation !== "submit" ? tampered(resourceMeta, { databricks_instance: nowhere }) : resourceMeta
      const custom = { ...task.custom, ...(lost ? { databricksInstance: nowhere } : {}) }
      const call =
        operation === "submit"
          ? Effect.as(flyte.createTask(tasks.createTask({ ...task, custom })), "ok")
          : operation === "get"
            ? Effect.map(flyte.getTask(meta), phaseOf)
            : Effect.as(flyte.deleteTask(meta), "ok")
      return Effect.match(call, { onSuccess: (value) => value, onFailure: ({ code }) => code })
    },
    { concurrency: "unbounded" }
  )
  const lines = log.texts.slice(linesBefore).map((text) => Log.read(text))
  const cells = prepared.map(({ mode, operation, namespace, resourceMeta }, index) => {
    // A run is known by its number: the metadata of a PAT's names no namespace.
    const [key, value] =
      operation === "submit" ? ["namespace", namespace] : ["runId", readMetadata(resourceMeta)["run_id"]]
    const line = lines.find(({ annotations }) => annotations[key] === value && "outcome" in annotations)
    const outcome = line?.annotations["outcome"]
    return { mode, operation, came: `${answers[index]}${outcome === "ok" ? "" : ` ${String(outcome)}`}` }
  })
  // Nothing that goes wrong on the way may show a credential, nor be a defect.
  return { cells, shown: log.texts.join("\n"), secrets: [Redacted.value(jwt), "secret-team-", "pat-team-"] }
}, Effect.provide(NodeServices.layer))
