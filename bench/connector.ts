/**
 * CreateTask and GetTask through the connector, beside Flyte's Python connector where its Python is there
 * (`npm run setup:python`): same callers, same requests, same workspace, mode M2M, no Kubernetes.
 */
import { type ChildProcess, fork, spawn } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { createConnection } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { load } from "./support/client.ts"
import { table } from "./support/measure.ts"

const root = join(import.meta.dirname, "..")
const python = process.env["FLYTE_DATABRICKS_PYTHON"] ?? join(root, ".venv/bin/python")
const ports = { typescript: 18_801, python: 18_802 }

const requests: Record<string, string> = JSON.parse(
  readFileSync(join(root, "apps/tour/flytekit/requests.json"), "utf8")
)
// Flyte numbers executions; the bench's single one is created again and again, which the workspace here does not mind.
const createTask = Buffer.from(requests["weekly-report"] ?? "", "base64")

const waitForPort = async (port: number, child: ChildProcess, name: string): Promise<void> => {
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
    const open = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ host: "127.0.0.1", port })
      socket.on("connect", () => (socket.destroy(), resolve(true))).on("error", () => resolve(false))
    })
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${name} did not listen on ${port} within 30 s`)
}

const startWorkspace = async () => {
  const workspace = fork(join(root, "bench/support/workspace.ts"))
  const { port, caPem } = await new Promise<{ port: number; caPem: string }>((resolve) =>
    workspace.once("message", (message: { port: number; caPem: string }) => resolve(message))
  )
  const ca = join(tmpdir(), `flyte-databricks-bench-${process.pid}.pem`)
  writeFileSync(ca, caPem)
  return { workspace, port, ca }
}

export const benchConnector = async (): Promise<void> => {
  const { workspace, port, ca } = await startWorkspace()
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: tmpdir(),
    FLYTE_DATABRICKS_INSTANCE: `127.0.0.1:${port}`,
    FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m",
    DATABRICKS_CLIENT_ID: "client",
    DATABRICKS_CLIENT_SECRET: "secret"
  }
  const connectors: Array<{ name: string; port: number; child: ChildProcess }> = [
    {
      name: "this connector",
      port: ports.typescript,
      child: spawn(
        process.execPath,
        [join(root, "apps/connector/src/main.ts"), "serve", "--host", "127.0.0.1", "--port", String(ports.typescript)],
        { env: { ...env, NODE_EXTRA_CA_CERTS: ca }, stdio: ["ignore", "ignore", "ignore"] }
      )
    }
  ]
  if (existsSync(python)) {
    connectors.push({
      name: "Flyte's Python connector",
      port: ports.python,
      child: spawn(
        python,
        [
          join(python, "../pyflyte"),
          "serve",
          "connector",
          "--port",
          String(ports.python),
          "--modules",
          "flytekitplugins.spark"
        ],
        { env: { ...env, SSL_CERT_FILE: ca }, stdio: ["ignore", "ignore", "ignore"] }
      )
    })
  } else {
    console.log(`\nFlyte's Python connector is left out: there is no ${python} (npm run setup:python).`)
  }
  try {
    const resourceMeta = Buffer.from(
      JSON.stringify({
        databricks_instance: env.FLYTE_DATABRICKS_INSTANCE,
        run_id: "123",
        auth_type: "oauth_m2m",
        client_id: "client"
      })
    )
    const getTask = Buffer.from(
      toBinary(
        Flyte1.GetTaskRequestSchema,
        create(Flyte1.GetTaskRequestSchema, { resourceMeta, taskCategory: { name: "databricks" } })
      )
    )
    fromBinary(Flyte1.CreateTaskRequestSchema, createTask)
    const rows: Array<ReadonlyArray<string>> = []
    for (const connector of connectors) await waitForPort(connector.port, connector.child, connector.name)
    for (const [operation, request] of [
      ["CreateTask", createTask],
      ["GetTask", getTask]
    ] as const) {
      for (const callers of [1, 32, 256]) {
        for (const connector of connectors) {
          const path = `/flyteidl.service.AsyncAgentService/${operation}`
          const result = await load(`127.0.0.1:${connector.port}`, path, request, { callers, seconds: 4 })
          rows.push([
            operation,
            String(callers),
            connector.name,
            result.callsPerSecond.toFixed(0),
            result.p50.toFixed(1),
            result.p99.toFixed(1)
          ])
        }
      }
    }
    table("Calls through the connector", ["operation", "callers", "", "calls/s", "p50 ms", "p99 ms"], rows)
  } finally {
    for (const { child } of connectors) child.kill("SIGKILL")
    workspace.kill()
  }
}
