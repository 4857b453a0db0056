/** A container, as an OCI runtime runs it: runc, with the cgroup, the namespaces and the mounts that a kubelet asks for. */
import { Deferred, Effect, FileSystem, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { existsSync, readFileSync } from "node:fs"
import { run } from "../../support/commands.ts"

/** What the container is made from. */
export interface Options {
  readonly id: string
  /** A folder for its files, on a file system of its own. */
  readonly directory: string
  /** The image's files, which stay as they are. */
  readonly rootfs: string
  readonly readOnlyRoot: boolean
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: ReadonlyArray<number> }
  readonly capabilities: ReadonlyArray<string>
  readonly noNewPrivileges: boolean
  readonly mounts: ReadonlyArray<{ readonly source: string; readonly destination: string }>
  readonly hosts: string
  readonly network: string
  /** Gets what it writes, line by line. */
  readonly said: Array<string>
  readonly memory: number
  readonly processors: number
}

const period = 100_000

const configOf = (options: Options, root: string) => ({
  ociVersion: "1.0.2",
  hostname: options.id,
  process: {
    terminal: false,
    cwd: "/",
    user: options.user,
    args: options.args,
    env: Object.entries(options.env).map((pair) => pair.join("=")),
    noNewPrivileges: options.noNewPrivileges,
    capabilities: Object.fromEntries(
      ["bounding", "effective", "permitted"].map((set) => [set, options.capabilities] as const)
    )
  },
  root: { path: root, readonly: options.readOnlyRoot },
  mounts: [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755"] },
    // Node.js reads its limits there.
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["nosuid", "noexec", "nodev", "relatime", "ro"]
    },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "nodev", "mode=1777"] },
    ...options.mounts.map(({ destination, source }) => ({
      destination,
      source,
      type: "bind",
      options: ["rbind", "ro"]
    }))
  ],
  linux: {
    cgroupsPath: `/flytebox/${options.id}`,
    resources: {
      memory: { limit: options.memory },
      cpu: { quota: Math.round(options.processors * period), period }
    },
    namespaces: [
      ...["pid", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type })),
      { type: "network", path: options.network }
    ]
  }
})

/** The cgroup's files, of the first version or the second. */
const cgroup = (id: string, first: string, second: string): string | undefined =>
  [`/sys/fs/cgroup/${first.replace("*", `flytebox/${id}`)}`, `/sys/fs/cgroup/flytebox/${id}/${second}`].find((file) =>
    existsSync(file)
  )

/** Starts the container; it is killed when the scope closes. */
export const start = Effect.fnUntraced(function* (options: Options) {
  const files = yield* FileSystem.FileSystem
  const { directory, id } = options
  const [upper, work, root] = ["upper", "work", "root"].map((name) => `${directory}/${name}`) as [
    string,
    string,
    string
  ]
  for (const folder of [`${upper}/etc`, work, root]) yield* files.makeDirectory(folder, { recursive: true })
  yield* files.writeFileString(`${upper}/etc/hosts`, options.hosts)
  yield* Effect.acquireRelease(
    run("mount", [
      "-t",
      "overlay",
      "overlay",
      "-o",
      `lowerdir=${options.rootfs},upperdir=${upper},workdir=${work}`,
      root
    ]),
    () => Effect.ignore(run("umount", ["--lazy", root]))
  )
  yield* files.writeFileString(`${directory}/config.json`, JSON.stringify(configOf(options, root)))

  const runc = (...args: ReadonlyArray<string>) => run("runc", ["--root", `${directory}/runc`, ...args])
  yield* Effect.addFinalizer(() => Effect.ignore(runc("delete", "--force", id)))
  const handle = yield* ChildProcess.make("runc", ["--root", `${directory}/runc`, "run", "--bundle", directory, id], {
    forceKillAfter: "5 seconds"
  })
  const lines: Array<string> = []
  const ended = yield* Deferred.make<number>()
  yield* handle.all.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) =>
      Effect.sync(() => {
        lines.push(line)
        options.said.push(`${id}: ${line}`)
      })
    ),
    Effect.andThen(handle.exitCode),
    Effect.flatMap((code) => Deferred.succeed(ended, Number(code))),
    Effect.forkScoped
  )

  const read = (first: string, second: string) =>
    Effect.sync(() => {
      const file = cgroup(id, first, second)
      return file === undefined ? "" : readFileSync(file, "utf8")
    })
  return {
    lines,
    exitCode: Deferred.await(ended),
    /** Runs a command beside it, as `kubectl exec` does; the answer is what it printed. */
    exec: (...command: ReadonlyArray<string>) => runc("exec", id, ...command),
    kill: (signal: "TERM" | "KILL") => Effect.ignore(runc("kill", id, signal)),
    /** The most memory that it had, of what counts against its limit, in bytes. */
    memory: Effect.map(read("memory/*/memory.max_usage_in_bytes", "memory.peak"), Number),
    /** How many of its processes were killed because the memory did not do. */
    kills: Effect.map(read("memory/*/memory.oom_control", "memory.events"), (text) =>
      Number(/oom_kill (\d+)/.exec(text)?.[1])
    )
  }
})

export type Container = Effect.Success<ReturnType<typeof start>>
