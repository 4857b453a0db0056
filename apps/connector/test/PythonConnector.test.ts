/** A deployment that switches between Flyte's Python connector and this one while runs go on. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { DatabricksWorkspace, KubernetesApi, RunPlan } from "@flyte-databricks/emulators"
import * as Python from "@flyte-databricks/emulators/testing/Python"
import { Context, Effect, FileSystem, Layer, Option, Redacted } from "effect"
import * as ConnectorProcess from "./support/ConnectorProcess.ts"
import * as FlyteClient from "./support/FlyteClient.ts"
import { readMetadata } from "./support/outcomes.ts"
import { flyte1PodRequest } from "./support/podRequests.ts"
import * as PythonConnector from "./support/PythonConnector.ts"
import * as tasks from "./support/tasks.ts"
import {
  connectorPat,
  connectorPrincipal,
  namespaceSecrets,
  teamPat,
  teamPrincipal,
  workspaceOptions
} from "./support/World.ts"

const python = await Effect.runPromise(Python.find("grpc", "kubernetes", "flytekitplugins.spark.connector"))

const namespacePrincipal = "sp-of-team-oidc"

/** Who a task's runs belong to, by where it comes from and what it says. */
const modes = [
  { mode: "a PAT of the namespace", namespace: "team-pat", authType: "pat", principal: teamPat.user },
  { mode: "a PAT of the connector", namespace: "team-without", authType: "pat", principal: connectorPat.user },
  {
    mode: "client credentials of the namespace",
    namespace: "team-oauth",
    authType: "oauth_m2m",
    principal: teamPrincipal.id
  },
  {
    mode: "client credentials of the connector",
    namespace: "team-without",
    authType: "oauth_m2m",
    principal: connectorPrincipal.id
  },
  {
    mode: "the connector's own JWT (Model 1)",
    namespace: "team-without",
    authType: "oidc_federation",
    principal: connectorPrincipal.id
  },
  {
    mode: "a ServiceAccount of the namespace (Model 2)",
    namespace: "team-oidc",
    authType: "oidc_federation",
    principal: namespacePrincipal
  }
]

/** Both connectors, with the same settings, before the same workspace and cluster. */
class Both extends Context.Service<
  Both,
  {
    readonly workspace: DatabricksWorkspace.DatabricksWorkspace["Service"]
    readonly host: string
    readonly python: FlyteClient.FlyteClient
    readonly ours: FlyteClient.FlyteClient
  }
>()("@flyte-databricks/connector/test/Both") {}

const both = Layer.effect(
  Both,
  Effect.gen(function* () {
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
    const jwt = yield* kubernetes.mintToken({
      sub: "system:serviceaccount:flyte:connector",
      aud: ["databricks"]
    })
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
    const { port } = yield* ConnectorProcess.serve({ ...environment, NODE_EXTRA_CA_CERTS: caFile })
    return {
      workspace,
      host,
      ours: yield* FlyteClient.make(`127.0.0.1:${port}`, []),
      python: yield* PythonConnector.serve(
        Option.getOrElse(python, () => ""),
        { ...environment, SSL_CERT_FILE: caFile }
      )
    }
  })
).pipe(Layer.provide(NodeServices.layer))

const request = (who: (typeof modes)[number], execution: string) =>
  tasks.createTask({ namespace: who.namespace, execution, custom: { databricksAuthType: who.authType } })

/** What there is to say about a run that one of the two submitted and the other is asked about. */
const handedOver = Effect.fnUntraced(function* (
  from: FlyteClient.FlyteClient,
  to: FlyteClient.FlyteClient,
  who: (typeof modes)[number],
  execution: string
) {
  const { workspace } = yield* Both
  const resourceMeta = yield* from.createTask(request(who, execution))
  const { run_id: runId } = readMetadata(resourceMeta)
  const run = Effect.map(workspace.runs, (runs) => runs.find((each) => String(each.runId) === runId))
  const phase = Effect.map(to.getTask(resourceMeta), FlyteClient.phaseOf)
  return {
    workspace,
    resourceMeta,
    run,
    phase,
    runId: BigInt(runId ?? 0),
    link: Effect.map(to.getTask(resourceMeta), ({ logLinks }) => logLinks[0]?.uri)
  }
})

describe.skipIf(Option.isNone(python))("beside Flyte's Python connector,", () => {
  layer(both, { excludeTestServices: true, timeout: "2 minutes" })((it) => {
    for (const direction of ["Python submitted", "this one submitted"] as const) {
      describe(`what ${direction}, the other`, () => {
        for (const who of modes) {
          it.effect(`follows to its end, as ${who.mode}`, () =>
            Effect.gen(function* () {
              const { ours, python: theirs, host } = yield* Both
              const [from, to] = direction === "Python submitted" ? [theirs, ours] : [ours, theirs]
              const { workspace, run, phase, link, runId } = yield* handedOver(
                from,
                to,
                who,
                `${direction} ${who.mode}, followed`
              )
              assert.strictEqual((yield* run)?.creator, who.principal)
              assert.strictEqual(yield* phase, "INITIALIZING")
              assert.strictEqual(yield* link, `https://${host}/#job/${(yield* run)?.jobId}/run/${runId}`)
              yield* workspace.setRunPlan(runId, { phases: [{ lifeCycleState: "RUNNING" }] })
              assert.strictEqual(yield* phase, "RUNNING")
              yield* workspace.setRunPlan(runId, RunPlan.plan("succeeds", { pending: 0, running: 0 }))
              assert.strictEqual(yield* phase, "SUCCEEDED")
            })
          )

          it.effect(`cancels, as ${who.mode}`, () =>
            Effect.gen(function* () {
              const { ours, python: theirs } = yield* Both
              const [from, to] = direction === "Python submitted" ? [theirs, ours] : [ours, theirs]
              const { resourceMeta, run } = yield* handedOver(from, to, who, `${direction} ${who.mode}, cancelled`)
              yield* to.deleteTask(resourceMeta)
              assert.strictEqual((yield* run)?.lifeCycleState, "TERMINATING")
            })
          )
        }
      })
    }

    it.effect("a run that somebody cancels in Databricks is FAILED, in Databricks' words", () =>
      Effect.gen(function* () {
        const { workspace, ours, python: theirs } = yield* Both
        const resourceMeta = yield* ours.createTask(request(modes[0]!, "cancelled in Databricks"))
        const { run_id: runId } = readMetadata(resourceMeta)
        const message = "Run cancelled by ann@example.com"
        const cancelled = { lifeCycleState: "TERMINATED", resultState: "CANCELED", message }
        yield* workspace.setRunPlan(BigInt(runId ?? 0), { phases: [cancelled] })
        for (const connector of [ours, theirs]) {
          const resource = yield* connector.getTask(resourceMeta)
          assert.strictEqual(FlyteClient.phaseOf(resource), "FAILED")
          assert.include(resource.message, message)
        }
      })
    )

    it.effect("a task with a pod template runs, which Python raises on", () =>
      Effect.gen(function* () {
        const { workspace, ours, python: theirs } = yield* Both
        const request = flyte1PodRequest("pod-image-env-placement")
        const { code, details } = yield* Effect.flip(theirs.createTask(request))
        assert.strictEqual(code, "INTERNAL")
        assert.include(details, "'NoneType' object has no attribute 'env'")
        const { run_id: runId } = readMetadata(yield* ours.createTask(request))
        assert.isTrue((yield* workspace.runs).some((run) => String(run.runId) === runId))
      })
    )
  })
})
