/** A connector that is served as in a pod, with what Prometheus reads of it. */
import { expect } from "@effect/vitest"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import { Effect, FileSystem } from "effect"
import * as Audit from "../../support/Audit.ts"
import * as ConnectorProcess from "../../support/ConnectorProcess.ts"
import * as FlyteClient from "../../support/FlyteClient.ts"
import * as Ports from "../../support/ports.ts"
import * as tasks from "../../support/tasks.ts"
import * as World from "../../support/World.ts"

/** Holds a text against a file, which `vitest -u` writes. */
export const golden = (text: string, file: string) => Effect.promise(() => expect(text).toMatchFileSnapshot(file))

/** Values by series. */
export type Scrape = ReadonlyMap<string, number>

const scrape = (port: number) =>
  Effect.map(
    Effect.promise(() => fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text())),
    (text): Scrape =>
      new Map(
        text
          .split("\n")
          .filter((line) => line.startsWith("flyte_"))
          .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))])
      )
  )

const teams = ["a", "b", "c"].map((name) => ({ id: `sp-of-${name}`, secret: `secret-of-team-${name}` }))

/** A connector that is served as in a pod, and its surroundings. */
export const running = Effect.fnUntraced(function* (env: (directory: string) => Readonly<Record<string, string>>) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped()
  const kubeconfig = `${directory}/kubeconfig`
  const workspace = yield* DatabricksWorkspace.make({
    ...World.workspaceOptions,
    servicePrincipals: teams.map(({ id, secret }) => ({ applicationId: id, secrets: [secret] }))
  })
  yield* KubernetesApi.make({
    tls: true,
    kubeconfigFile: kubeconfig,
    secrets: [
      ...World.namespaceSecrets.filter(({ namespace }) => namespace === "team-pat"),
      ...teams.map(({ id, secret }) => ({
        namespace: id.replace("sp-of", "team"),
        name: "databricks-oauth",
        data: { client_id: id, client_secret: secret }
      }))
    ]
  })
  const port = yield* Ports.free
  const audit = Audit.of(`${directory}/audit.jsonl`)
  const connector = yield* ConnectorProcess.serve(
    {
      FLYTE_DATABRICKS_INSTANCE: workspace.url,
      FLYTE_DATABRICKS_AUDIT: `file:${audit.path}`,
      KUBECONFIG: kubeconfig,
      ...env(directory)
    },
    ["--prometheus_port", String(port)]
  )
  const flyte = yield* FlyteClient.make(`127.0.0.1:${connector.port}`, [])
  let creates = 0
  const create = (namespace: string, timeout = 4000) =>
    Effect.exit(flyte.createTask(tasks.createTask({ namespace, execution: `execution-${++creates}` }), { timeout }))
  return { workspace, audit, create, creates: () => creates, scrape: scrape(port) }
})
