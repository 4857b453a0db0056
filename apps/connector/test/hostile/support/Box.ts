/**
 * A memory cgroup of the size that Flyte's charts give the connector, and what a process in it has cost. Both versions
 * of cgroups are made by hand, since whoever runs the tests may have no systemd.
 */
import { Config, ConfigProvider, Console, Data, Effect, FileSystem, Path, Schedule } from "effect"
import { rmdir } from "node:fs/promises"

/** What the charts set as the limit. */
const limitBytes = 300 * 1024 * 1024

/** A group for one connector. */
export interface Box {
  /** The file that a process writes its id into to move in. */
  readonly procs: string
  /** How often the kernel has killed somebody in it for memory. */
  readonly kills: Effect.Effect<number>
}

class NoCgroup extends Data.TaggedError("NoCgroup")<{ readonly problem: string }> {
  override get message() {
    return `No memory cgroup can be made here, which needs root: ${this.problem}`
  }
}

const mount = "/sys/fs/cgroup"

// Version 1 has a folder for each resource, and version 2 one for all, in which a group that has processes may not have
// groups below it: there the parent is asked too.
const parents = Effect.fnUntraced(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const own = yield* files.readFileString("/proc/self/cgroup")
  const of = (pattern: RegExp) => pattern.exec(own)?.[1] ?? "/"
  const root = (yield* files.exists(`${mount}/memory`)) ? `${mount}/memory` : mount
  const group = path.join(root, of(root === mount ? /^0::(.*)$/m : /^\d+:memory:(.*)$/m))
  return [group, path.dirname(group), root]
})

const makeBelow = Effect.fnUntraced(function* (parent: string) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = path.join(parent, `flyte-databricks-hostile-${process.pid}`)
  yield* Effect.acquireRelease(files.makeDirectory(directory), () =>
    // The kernel takes a moment to see that the last process has gone.
    Effect.tryPromise(() => rmdir(directory)).pipe(
      Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 200 }),
      Effect.ignore
    )
  )
  const version2 = path.join(directory, "memory.max")
  const version1 = path.join(directory, "memory.limit_in_bytes")
  const limit = (yield* files.exists(version2)) ? version2 : version1
  yield* files.writeFileString(limit, String(limitBytes))
  const counter = path.join(directory, limit === version2 ? "memory.events" : "memory.oom_control")
  return {
    procs: path.join(directory, "cgroup.procs"),
    kills: files.readFileString(counter).pipe(
      Effect.map((text) => Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0)),
      Effect.orDie
    )
  } satisfies Box
})

/** A group, for as long as the scope is open. */
export const make = Effect.flatMap(parents(), (all) => Effect.firstSuccessOf(all.map(makeBelow))).pipe(
  Effect.mapError(({ message }) => new NoCgroup({ problem: message }))
)

const inCi = Config.Boolean("CI").pipe(
  Config.withDefault(false),
  Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv()))
)

/**
 * Whether groups can be made, for tests that are skipped where they cannot. Then the console says so; with `CI=true` it
 * fails.
 */
export const isAvailable = Effect.scoped(make).pipe(
  Effect.as(true),
  Effect.catch((error) =>
    Effect.flatMap(inCi, (ci) =>
      ci ? Effect.fail(error) : Effect.as(Console.warn(`SKIPPED: ${error.message}`), false)
    )
  )
)
