/**
 * Where a process's time went, by the package whose code was running.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

interface CpuProfile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly children?: ReadonlyArray<number>
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }>
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

/** Runs a process with the given flags of Node, which has to end in good order, and reads what it left. */
export const profiled = async (run: (flags: ReadonlyArray<string>) => Promise<void>): Promise<CpuProfile> => {
  const directory = mkdtempSync(join(tmpdir(), "flyte-databricks-profile-"))
  try {
    await run(["--cpu-prof", `--cpu-prof-dir=${directory}`, "--cpu-prof-interval=500"])
    const [file = ""] = readdirSync(directory)
    return JSON.parse(readFileSync(join(directory, file), "utf8"))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Shares of the time that the process was neither idle nor loading its modules, greatest first. */
export type Shares = ReadonlyArray<readonly [owner: string, share: number]>

/** Where the time of an operation goes. */
export interface Profiled {
  readonly owners: Shares
  readonly functions: Shares
}

/** The shares of packages. */
export const owners = (profile: CpuProfile): Shares => sharesBy(profile, ownerOf)

/** The shares of the functions of this project, the time of what they call left out. */
export const ownFunctions = (profile: CpuProfile): Shares =>
  sharesBy(profile, ({ functionName, url, lineNumber }) => {
    const file = /\/((?:packages|apps)\/[^/]+\/src\/.+)$/.exec(url)?.[1]
    if (functionName === "(idle)") return "idle"
    return file === undefined || url.includes("node_modules")
      ? "others"
      : `${functionName === "" ? "(no name)" : functionName}, ${file}:${lineNumber + 1}`
  }).filter(([owner]) => owner !== "others")

type CallFrame = CpuProfile["nodes"][number]["callFrame"]

const sharesBy = ({ nodes, samples, timeDeltas }: CpuProfile, by: (frame: CallFrame) => string): Shares => {
  const owners = new Map(nodes.map(({ id, callFrame }) => [id, by(callFrame)]))
  const loading = new Set<number>()
  // A node stands before its children.
  for (const { id, children = [], callFrame } of nodes) {
    if (loading.has(id) || callFrame.url.startsWith("node:internal/modules/"))
      [id, ...children].forEach((node) => loading.add(node))
  }
  // The first half is the warm-up.
  const half = timeDeltas.reduce((sum, time) => sum + time, 0) / 2
  const times = new Map<string, number>()
  let at = 0
  samples.forEach((id, index) => {
    at += timeDeltas[index] ?? 0
    const owner = owners.get(id) ?? "?"
    if (at >= half && owner !== "idle" && !loading.has(id))
      times.set(owner, (times.get(owner) ?? 0) + (timeDeltas[index] ?? 0))
  })
  const total = times.values().reduce((sum, time) => sum + time, 0)
  return [...times].map(([owner, time]) => [owner, time / total] as const).toSorted(([, a], [, b]) => b - a)
}

const ownerOf = ({ functionName, url }: CallFrame): string => {
  if (functionName === "(idle)") return "idle"
  if (functionName === "(garbage collector)") return "garbage collection"
  const dependency = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  if (dependency !== undefined) return dependency
  if (url.startsWith("node:")) return "Node: HTTP/2, TLS, streams, timers"
  const own = /\/((?:packages|apps)\/[^/]+)/.exec(url)?.[1]
  // V8's own and native functions have no file: the system's reads and writes, OpenSSL, JSON.
  return own ?? "native code"
}
