/** Audit events on their way to a file: none is torn, lost unseen or waited for in vain, whatever becomes of the file. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { constants } from "node:fs"
import { execFileSync } from "node:child_process"
import { open } from "node:fs/promises"
import * as Device from "../../src/audit/Device.ts"
import * as Writer from "../../src/audit/Writer.ts"

const policy: Writer.Policy = {
  lines: 1000,
  bytes: 1024 * 1024,
  patience: "300 millis",
  pause: "100 millis",
  end: "300 millis"
}

/** A writer to this path, what it tells, and what becomes of lines. */
const writing = Effect.fnUntraced(function* (path: string, more: Partial<Writer.Policy> = {}) {
  const told: Array<string> = []
  const counts = { written: 0, lost: 0 }
  const writer = yield* Writer.make(
    yield* Device.ofFile(path),
    {
      changed: (problem, lost) =>
        Effect.sync(() => {
          told.push(`${problem ?? "well"}${lost === 0 ? "" : `, ${lost} lost`}`)
        })
    },
    { isSynced: true }
  ).pipe(Effect.provideService(Writer.AuditPolicy, { ...policy, ...more }))
  const written = () => {
    counts.written += 1
  }
  const lost = () => {
    counts.lost += 1
  }
  return {
    told,
    counts,
    add: (text: string) => writer.add(`${text}\n`, written, lost),
    addAndWait: (text: string) => writer.addAndWait(`${text}\n`, written),
    until: (wanted: () => boolean) =>
      Effect.sleep("10 millis").pipe(
        Effect.repeat({ until: () => wanted() }),
        Effect.timeout("5 seconds"),
        Effect.orDie
      )
  }
})

const test = (name: string, run: (directory: string) => Effect.Effect<void, unknown, FileSystem.FileSystem | Scope>) =>
  it.live(name, () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      yield* run(yield* files.makeTempDirectoryScoped())
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
type Scope = import("effect/Scope").Scope

const read = (path: string) =>
  Effect.map(
    FileSystem.FileSystem.use((files) => files.readFileString(path)),
    (text) => text.split("\n").slice(0, -1)
  )

/** Whoever reads a FIFO. */
const reading = (path: string) =>
  Effect.acquireRelease(
    Effect.promise(() => open(path, constants.O_RDONLY | constants.O_NONBLOCK)),
    (file) => Effect.promise(() => file.close().catch(() => undefined))
  )
const fifoIn = (directory: string) => {
  const path = `${directory}/fifo`
  execFileSync("mkfifo", [path])
  return path
}

describe("a file", () => {
  test("is made for its owner alone, and has the lines in order", (directory) =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = `${directory}/audit.jsonl`
      const { add, addAndWait, counts, told } = yield* writing(path)
      const lines = Array.from({ length: 500 }, (_, index) => `${index} ${"x".repeat(index)}`)
      for (const line of lines) yield* add(line)
      yield* addAndWait("last")
      assert.deepStrictEqual(yield* read(path), [...lines, "last"])
      assert.strictEqual((yield* files.stat(path)).mode & 0o777, 0o600)
      assert.deepStrictEqual(counts, { written: 501, lost: 0 })
      assert.deepStrictEqual(told, [])
    }))

  test("that is moved away is made anew, and no line is lost", (directory) =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = `${directory}/audit.jsonl`
      const { addAndWait } = yield* writing(path)
      yield* addAndWait("before")
      yield* files.rename(path, `${path}.1`)
      yield* addAndWait("after")
      yield* files.remove(path)
      yield* addAndWait("removed")
      assert.deepStrictEqual(yield* read(`${path}.1`), ["before"])
      assert.deepStrictEqual(yield* read(path), ["removed"])
    }))

  test("whose directory is gone is an error for who waits; the others' lines come once it is back", (directory) =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = `${directory}/logs/audit.jsonl`
      yield* files.makeDirectory(`${directory}/logs`)
      const { add, addAndWait, told, until } = yield* writing(path)
      yield* addAndWait("before")
      yield* files.remove(`${directory}/logs`, { recursive: true })
      yield* add("kept")
      const { problem } = yield* Effect.flip(addAndWait("taken back"))
      assert.strictEqual(problem, "ENOENT")
      yield* files.makeDirectory(`${directory}/logs`)
      yield* until(() => told.includes("well"))
      yield* addAndWait("after")
      assert.deepStrictEqual(yield* read(path), ["kept", "after"])
      assert.deepStrictEqual(told, ["ENOENT", "well"])
    }))

  test("on a device that is full is an error, and memory has a bound", () =>
    Effect.gen(function* () {
      const { add, addAndWait, counts, told, until } = yield* writing("/dev/full", { lines: 3 })
      for (let index = 0; index < 5; index++) yield* add(String(index))
      yield* until(() => told.length > 0)
      assert.deepStrictEqual(counts, { written: 0, lost: 2 })
      const { problem } = yield* Effect.flip(addAndWait("no room"))
      assert.strictEqual(problem, "ENOSPC")
      assert.strictEqual(told[0]?.split(",")[0], "ENOSPC")
    }))
})

describe("a FIFO", () => {
  test("that nobody reads is an error at once", (directory) =>
    Effect.gen(function* () {
      const { addAndWait } = yield* writing(fifoIn(directory))
      assert.strictEqual((yield* Effect.flip(addAndWait("x"))).problem, "ENXIO")
    }))

  test("whose reader hangs is an error after the patience; nothing is torn once it reads again", (directory) =>
    Effect.gen(function* () {
      const path = fifoIn(directory)
      const reader = yield* reading(path)
      const { add, addAndWait, counts, until } = yield* writing(path)
      // More than a pipe holds.
      const lines = Array.from({ length: 300 }, (_, index) => `${index} ${"x".repeat(1000)}`)
      for (const line of lines) yield* add(line)
      const { problem } = yield* Effect.flip(addAndWait("taken back"))
      assert.match(problem, /^nothing was taken for 0\.[34] s$/)

      let text = ""
      const some = Effect.promise(() =>
        reader.read({ buffer: Buffer.alloc(5000) }).catch(() => ({ bytesRead: 0, buffer: Buffer.alloc(0) }))
      ).pipe(
        Effect.map(({ bytesRead, buffer }) => {
          text += buffer.subarray(0, bytesRead).toString()
        })
      )
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(some, Effect.sleep("1 millis"))))
      yield* until(() => counts.written === 300)
      yield* until(() => text.split("\n").length > 300)
      assert.deepStrictEqual(text.split("\n").slice(0, -1), lines)
    }))

  test("whose reader goes away is an error, until there is another", (directory) =>
    Effect.gen(function* () {
      const path = fifoIn(directory)
      const first = yield* reading(path)
      const { addAndWait } = yield* writing(path)
      yield* addAndWait("one")
      yield* Effect.promise(() => first.close())
      assert.include(["EPIPE", "ENXIO"], (yield* Effect.flip(addAndWait("two"))).problem)
      const second = yield* reading(path)
      yield* addAndWait("three")
      const { buffer, bytesRead } = yield* Effect.promise(() => second.read({ buffer: Buffer.alloc(100) }))
      assert.strictEqual(buffer.subarray(0, bytesRead).toString(), "three\n")
    }))
})
