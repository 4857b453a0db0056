/**
 * Lines on their way to a device: in order, one write at a time, and not more than fit into the buffer. Whoever has to
 * know that a line was written waits for it; everybody else goes on at once.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type Device, DeviceFault } from "./Device.ts"

export interface Policy {
  readonly lines: number
  readonly bytes: number
  /** How long is waited for a line to be written. */
  readonly patience: Duration.Input
  /** From a write that failed to the next, where nobody waits for a line. */
  readonly pause: Duration.Input
  /** How long the end waits for lines that are not written yet. */
  readonly end: Duration.Input
}

export const AuditPolicy = Context.Reference<Policy>("@flyte-databricks/connector/audit/AuditPolicy", {
  defaultValue: () => ({
    lines: 20_000,
    bytes: 16 * 1024 * 1024,
    patience: "2 seconds",
    pause: "1 second",
    end: "2 seconds"
  })
})

interface Line {
  readonly bytes: Buffer
  /** Whoever waits for it. */
  readonly written: Deferred.Deferred<void, DeviceFault> | undefined
  readonly lost: () => void
  readonly done: () => void
}

/** What becomes of lines. */
export interface Told {
  /** The device takes nothing, for another reason than before; or it does again, and so many lines were lost meanwhile. */
  readonly changed: (problem: string | undefined, lost: number) => Effect.Effect<void>
}

export interface Writer {
  /** Adds a line. It is lost where there is no room. */
  readonly add: (text: string, done: () => void, lost: () => void) => Effect.Effect<void>
  /** Adds a line, and waits until it is written. Where that fails it is taken back. */
  readonly addAndWait: (text: string, done: () => void) => Effect.Effect<void, DeviceFault>
}

// The shortest pause of those that do not wait for the event loop: between two tries while somebody waits.
const shortestPause = "50 millis"

/** Writes for as long as the scope is open, and what is left at its end. */
export const make = Effect.fnUntraced(function* (
  device: Device,
  told: Told,
  options: { readonly isSynced: boolean }
): Effect.fn.Return<Writer, never, Scope.Scope> {
  const policy = yield* AuditPolicy
  const work = Latch.makeUnsafe(false)
  const hurry = Latch.makeUnsafe(false)
  const empty = Latch.makeUnsafe(true)
  let lines: Array<Line> = []
  let bytes = 0
  // Of the first line, what is written already, and to which file.
  let offset = 0
  let file = 0
  let problem: string | undefined
  let lost = 0

  // Nothing is taken back while it is being written.
  let underWay: ReadonlyArray<Line> = []

  const leave = (gone: ReadonlyArray<Line>) => {
    for (const line of gone) bytes -= line.bytes.length
    if (lines.length > 0) return
    work.closeUnsafe()
    empty.openUnsafe()
  }
  const takeBack = (unwanted: (line: Line) => boolean) => {
    const isFixed = (line: Line, index: number) => underWay.includes(line) || (index === 0 && offset > 0)
    const gone = lines.filter((line, index) => !isFixed(line, index) && unwanted(line))
    const all = new Set(gone)
    lines = lines.filter((line) => !all.has(line))
    leave(gone)
    return gone
  }

  const hasRoom = (line: Line) => lines.length < policy.lines && bytes + line.bytes.length <= policy.bytes

  const push = (line: Line) => {
    lines.push(line)
    bytes += line.bytes.length
    empty.closeUnsafe()
    work.openUnsafe()
    if (line.written !== undefined) hurry.openUnsafe()
  }

  /** The lines that are written together: the first at least. */
  const portion = () => {
    const some: Array<Line> = []
    let size = 0
    for (const line of lines) {
      if (some.length > 0 && size + line.bytes.length > device.portion) break
      some.push(line)
      size += line.bytes.length
    }
    return some
  }

  const writePortion = Effect.gen(function* () {
    const now = yield* device.ready
    // What was begun in a file that is gone is written whole in the next.
    if (now !== file) offset = 0
    file = now
    underWay = portion()
    const written = yield* device.write(Buffer.concat(underWay.map((line) => line.bytes)).subarray(offset))
    offset += written
    let whole = 0
    for (const line of underWay) {
      if (offset < line.bytes.length) break
      offset -= line.bytes.length
      whole += 1
    }
    const done = lines.splice(0, whole)
    leave(done)
    const synced = done.length > 0 && options.isSynced ? yield* Effect.exit(device.sync) : Exit.void
    for (const line of done) {
      line.done()
      if (line.written !== undefined) yield* Deferred.done(line.written, synced)
    }
    yield* synced
    if (done.length > 0) yield* goesWell
    return written
  }).pipe(Effect.ensuring(Effect.sync(() => (underWay = []))))

  const goesWell = Effect.suspend(() => {
    if (problem === undefined && lost === 0) return Effect.void
    const before = lost
    problem = undefined
    lost = 0
    return told.changed(undefined, before)
  })

  const failed = (fault: DeviceFault) =>
    Effect.gen(function* () {
      // What those who wait were about to do is not done, so nothing is to be recorded of it.
      for (const { written } of takeBack((line) => line.written !== undefined)) {
        if (written !== undefined) yield* Deferred.fail(written, fault)
      }
      if (problem === fault.problem) return
      problem = fault.problem
      yield* told.changed(problem, lost)
    })

  const pause = (longest: Duration.Input) =>
    Effect.andThen(Effect.sleep(shortestPause), Effect.timeoutOption(hurry.await, longest))

  const once = Effect.gen(function* () {
    yield* work.await
    hurry.closeUnsafe()
    const exit = yield* Effect.exit(writePortion)
    if (Exit.isSuccess(exit)) return exit.value > 0 ? undefined : yield* Effect.sleep(shortestPause)
    yield* failed(
      Option.getOrElse(Exit.findErrorOption(exit), () => new DeviceFault({ problem: "an unexpected error" }))
    )
    return yield* pause(policy.pause)
  })

  yield* Effect.forkScoped(Effect.forever(once))
  yield* Effect.addFinalizer(() =>
    Effect.timeoutOption(empty.await, policy.end).pipe(
      Effect.interruptible,
      Effect.flatMap(() => {
        for (const line of lines) line.lost()
        return lines.length === 0
          ? Effect.void
          : Effect.logWarning(`${lines.length} audit events were not written to ${device.name} before the end`)
      })
    )
  )

  return {
    add: (text, done, onLost) =>
      Effect.sync(() => {
        const line = { bytes: Buffer.from(text), written: undefined, done, lost: onLost }
        if (hasRoom(line)) return push(line)
        lost += 1
        onLost()
      }),
    addAndWait: Effect.fnUntraced(function* (text, done) {
      const written = Deferred.makeUnsafe<void, DeviceFault>()
      const line = { bytes: Buffer.from(text), written, done, lost: () => undefined }
      if (!hasRoom(line)) return yield* new DeviceFault({ problem: problem ?? "its buffer is full" })
      const begun = yield* Clock.currentTimeMillis
      push(line)
      return yield* Deferred.await(written).pipe(
        Effect.timeoutOrElse({
          duration: policy.patience,
          orElse: () =>
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              Effect.fail(new DeviceFault({ problem: `nothing was taken for ${((now - begun) / 1000).toFixed(1)} s` }))
            )
        }),
        Effect.onError(() => Effect.sync(() => takeBack((one) => one === line)))
      )
    })
  }
})
