/**
 * The box that Flyte's charts give a connector: a control group with 300 MiB and half a core. Both versions of control groups
 * are made by hand, since there may be no systemd.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const mebibyte = 1024 * 1024
const limits = { bytes: 300 * mebibyte, quotaUs: 50_000, periodUs: 100_000 }

export interface Box {
  /** The command that moves into the box and becomes another one. */
  readonly entering: (program: string, args: ReadonlyArray<string>) => readonly [string, Array<string>]
  /** The most memory that it held, what the kernel keeps of files for it included, in MB. */
  readonly memoryMax: () => number
  /** How often somebody in it was killed for memory. */
  readonly kills: () => number
  /** Takes it away, once nobody is in it. */
  readonly remove: () => void
}

const mount = "/sys/fs/cgroup"

/** Makes a box; it fails where control groups cannot be made, which needs root. */
export const makeBox = (): Box => {
  const name = `flyte-databricks-bench-${process.pid}`
  const isFirst = existsSync(join(mount, "memory"))
  const [memory, cpu] = isFirst
    ? [join(mount, "memory", name), join(mount, "cpu", name)]
    : [join(mount, name), join(mount, name)]
  if (!isFirst) writeFileSync(join(mount, "cgroup.subtree_control"), "+memory +cpu")
  for (const directory of new Set([memory, cpu])) mkdirSync(directory)
  if (isFirst) {
    writeFileSync(join(memory, "memory.limit_in_bytes"), String(limits.bytes))
    writeFileSync(join(cpu, "cpu.cfs_period_us"), String(limits.periodUs))
    writeFileSync(join(cpu, "cpu.cfs_quota_us"), String(limits.quotaUs))
  } else {
    writeFileSync(join(memory, "memory.max"), String(limits.bytes))
    writeFileSync(join(cpu, "cpu.max"), `${limits.quotaUs} ${limits.periodUs}`)
  }
  const peak = join(memory, isFirst ? "memory.max_usage_in_bytes" : "memory.peak")
  const events = join(memory, isFirst ? "memory.oom_control" : "memory.events")
  return {
    entering: (program, args) => [
      "/bin/sh",
      ["-c", `echo $$ >${memory}/cgroup.procs; echo $$ >${cpu}/cgroup.procs; exec "$@"`, "sh", program, ...args]
    ],
    memoryMax: () => Number(readFileSync(peak, "utf8")) / mebibyte,
    kills: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(events, "utf8"))?.[1] ?? 0),
    remove: () => {
      for (const directory of new Set([memory, cpu])) rmdirSync(directory)
    }
  }
}
