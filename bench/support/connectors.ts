/**
 * The connectors that are compared, each as it is deployed: this one as its bundle, Flyte's as `pyflyte serve connector`.
 */
import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { callOnce } from "./client.ts"
import type { Box } from "./cgroup.ts"

export const root = join(import.meta.dirname, "../..")
const app = join(root, "apps/connector")

export const python = process.env["FLYTE_DATABRICKS_PYTHON"] ?? join(root, ".venv/bin/python")
export const hasPython = existsSync(python)

export interface Workspace {
  readonly host: string
  readonly caFile: string
  readonly stop: () => void
}

/** The workspace that all of them talk to, a process of its own. */
export const startWorkspace = async (answersAfterMs = 0): Promise<Workspace> => {
  const child = fork(join(root, "bench/support/workspace.ts"), [String(answersAfterMs)])
  const { port, caPem } = await new Promise<{ port: number; caPem: string }>((resolve) =>
    child.once("message", (message: { port: number; caPem: string }) => resolve(message))
  )
  const caFile = join(tmpdir(), `flyte-databricks-bench-${process.pid}.pem`)
  writeFileSync(caFile, caPem)
  return { host: `127.0.0.1:${port}`, caFile, stop: () => child.kill() }
}

export interface Kind {
  readonly name: string
  /** The command that serves on a port, and what its environment has beside what all have. */
  readonly command: (port: number, caFile: string) => readonly [command: string, args: Array<string>, env: object]
}

// What the image starts it with.
const containerfile = readFileSync(join(root, "deploy/Containerfile"), "utf8")
const NODE_OPTIONS = /NODE_OPTIONS="([^"]*)"/.exec(containerfile)?.[1] ?? ""
const MALLOC_ARENA_MAX = /MALLOC_ARENA_MAX=(\d+)/.exec(containerfile)?.[1] ?? ""

const node = (main: string, flags: ReadonlyArray<string>, environment: object = {}): Kind["command"] => {
  return (port, caFile) => [
    process.execPath,
    [...flags, join(app, main), "serve", "--host", "127.0.0.1", "--port", String(port)],
    {
      NODE_OPTIONS,
      MALLOC_ARENA_MAX,
      NODE_EXTRA_CA_CERTS: caFile,
      FLYTE_DATABRICKS_DRAIN_DELAY: "0 seconds",
      ...environment
    }
  ]
}

/** Builds the bundle, and what the image has beside it: what V8 compiled until the connector served once. */
export const bundle = (): Kind => {
  const main = "dist/main.js"
  const compiled = join(app, "dist/compiled")
  execFileSync(process.execPath, [join(app, "tools/build.ts")], { stdio: "inherit" })
  mkdirSync(compiled)
  execFileSync(process.execPath, [join(app, "tools/compiled.ts"), join(app, main), compiled], {
    stdio: "inherit",
    env: { ...process.env, NODE_OPTIONS }
  })
  return { name: "this connector", command: node(main, [], { NODE_COMPILE_CACHE: compiled }) }
}

/** The sources, whose modules can be told apart in a profile. */
export const sources = (...flags: ReadonlyArray<string>): Kind => ({
  name: "this connector's sources",
  command: node("src/main.ts", flags)
})

/** What a connector costs beyond this is its own. */
export const floor: Kind = {
  name: "floor: bare grpc-js and undici",
  command: (port, caFile) => [
    process.execPath,
    [join(root, "bench/support/floor.ts"), String(port)],
    { NODE_EXTRA_CA_CERTS: caFile }
  ]
}

export const flytes: Kind = {
  name: "Flyte's Python connector",
  command: (port, caFile) => [
    python,
    [
      join(dirname(python), "pyflyte"),
      "serve",
      "connector",
      "--port",
      String(port),
      // Its metrics have a port of their own, the same for all unless it is given.
      "--prometheus_port",
      String(port + 100),
      "--modules",
      "flytekitplugins.spark"
    ],
    { SSL_CERT_FILE: caFile }
  ]
}

export interface Running {
  readonly port: number
  /** From the process's start to the first health check that says SERVING, in milliseconds. */
  readonly startMs: number
  /** The CPU time of that. */
  readonly startCpuMs: number
  /** Resident memory, in MB. */
  readonly rss: () => number
  /** The most resident memory that it has had, in MB, where the system is Linux. */
  readonly rssMax: () => number
  /** CPU time so far, in milliseconds, where the system is Linux. */
  readonly cpuMs: () => number
  /** Ends it as Kubernetes would. */
  readonly stop: () => Promise<void>
}

let nextPort = 18_801

const stops = new Set<() => void>()

/** Ends whatever is still running, after a failure. */
export const stopAll = (): void => stops.forEach((stop) => stop())

/** Starts a connector in mode M2M, without Kubernetes, in a box if there is one, and waits until it says SERVING. */
export const start = async ({ name, command }: Kind, { host, caFile }: Workspace, box?: Box): Promise<Running> => {
  const port = nextPort++
  const [program, args, env] = command(port, caFile)
  const [boxed, boxedArgs] = box === undefined ? [program, args] : box.entering(program, args)
  const started = performance.now()
  const child = spawn(boxed, boxedArgs, {
    cwd: tmpdir(),
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: tmpdir(),
      FLYTE_DATABRICKS_INSTANCE: host,
      FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m",
      DATABRICKS_CLIENT_ID: "client",
      DATABRICKS_CLIENT_SECRET: "secret",
      // What the connector can do is measured, and not what a workspace allows.
      FLYTE_DATABRICKS_SUBMITS_PER_SECOND: "1000000",
      FLYTE_DATABRICKS_GETS_PER_SECOND: "1000000",
      ...env
    },
    // Logs are written, as they are in a pod, and read by nobody.
    stdio: "ignore"
  })
  stops.add(() => child.kill("SIGKILL"))
  await serving(port, child, name)
  return {
    port,
    startMs: performance.now() - started,
    startCpuMs: cpuMsOf(child.pid ?? 0),
    rss: () => Number(execFileSync("ps", ["-o", "rss=", "-p", String(child.pid)], { encoding: "utf8" })) / 1024,
    rssMax: () => rssMaxOf(child.pid ?? 0),
    cpuMs: () => cpuMsOf(child.pid ?? 0),
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve())
        child.kill("SIGTERM")
        setTimeout(() => child.kill("SIGKILL"), 5000).unref()
      })
  }
}

// User and system time of all threads, in ticks of 10 ms: fields 14 and 15, after a name that may hold anything.
const cpuMsOf = (pid: number): number => {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return Number.NaN
  const fields = readFileSync(file, "utf8")
    .replace(/^.*\) /, "")
    .split(" ")
  return (Number(fields[11]) + Number(fields[12])) * 10
}

const rssMaxOf = (pid: number): number => {
  const file = `/proc/${pid}/status`
  if (!existsSync(file)) return Number.NaN
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(file, "utf8"))?.[1]) / 1024
}

const serving = async (port: number, child: ChildProcess, name: string): Promise<void> => {
  const deadline = performance.now() + 60_000
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
    // Field 1 of the answer is the status, 1 is SERVING.
    const answer = await callOnce(port, "/grpc.health.v1.Health/Check", new Uint8Array()).catch(() => undefined)
    if (answer?.[1] === 1) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  child.kill("SIGKILL")
  throw new Error(`${name} did not say SERVING within a minute`)
}
