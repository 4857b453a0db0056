/**
 * Where audit events go: standard output, standard error, or a file that is known by its name, so that it may be moved
 * away (rotation). Nothing here waits on the event loop, nor for a reader that does not read.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { constants, fdatasync, write } from "node:fs"
import { type FileHandle, open, stat } from "node:fs/promises"

/** The device takes nothing. The problem is the system's word for it (ENOSPC, EPIPE). */
export class DeviceFault extends Data.TaggedError("DeviceFault")<{ readonly problem: string }> {}

export interface Device {
  /** As errors name it. */
  readonly name: string
  /** How many bytes are written together. What is written to a pipe by others does not come between so many (PIPE_BUF). */
  readonly portion: number
  /** Sees that it is there. The number changes when it is another than before. */
  readonly ready: Effect.Effect<number, DeviceFault>
  /** Writes what can be written now; says how many bytes that was, which may be none. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<number, DeviceFault>
  /** Waits until what was written outlives the machine. */
  readonly sync: Effect.Effect<void, DeviceFault>
}

const faultOf = (error: unknown): DeviceFault =>
  new DeviceFault({ problem: (error as NodeJS.ErrnoException).code ?? "an unknown error" })

const writing = (fd: number, bytes: Uint8Array) =>
  Effect.callback<number, DeviceFault>((resume) =>
    write(fd, bytes, (error, written) => {
      if (error === null) resume(Effect.succeed(written))
      // A pipe whose reader is slow.
      else if (error.code === "EAGAIN") resume(Effect.succeed(0))
      else resume(Effect.fail(faultOf(error)))
    })
  )

const pipeBuffer = 4096

/** A stream of this process. */
export const ofStream = (name: "stdout" | "stderr"): Device => ({
  name,
  portion: pipeBuffer,
  ready: Effect.succeed(0),
  write: (bytes) => writing(name === "stdout" ? 1 : 2, bytes),
  sync: Effect.void
})

// A FIFO that nobody reads is an error, and one that is full takes nothing, where a plain open or write would wait.
const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

interface Opened {
  readonly file: FileHandle
  readonly device: number
  readonly inode: number
  readonly isFile: boolean
  readonly number: number
}

/** A file, made where there is none and then for its owner alone; for as long as the scope is open. */
export const ofFile = Effect.fnUntraced(function* (path: string): Effect.fn.Return<Device, never, Scope.Scope> {
  let opened: Opened | undefined
  let count = 0

  const close = Effect.suspend(() => {
    const file = opened?.file
    opened = undefined
    return file === undefined ? Effect.void : Effect.promise(() => file.close().catch(() => undefined))
  })
  yield* Effect.addFinalizer(() => close)

  const openNew = Effect.tryPromise({
    try: async () => {
      const file = await open(path, flags, 0o600)
      const found = await file.stat()
      return { file, device: found.dev, inode: found.ino, isFile: found.isFile(), number: ++count }
    },
    catch: faultOf
  }).pipe(Effect.tap((now) => Effect.sync(() => (opened = now))))

  const isCurrent = (known: Opened) =>
    Effect.promise(() =>
      stat(path).then(
        ({ dev, ino }) => dev === known.device && ino === known.inode,
        () => false
      )
    )

  const current = Effect.suspend(() => {
    const known = opened
    if (known === undefined) return openNew
    return Effect.flatMap(isCurrent(known), (is) => (is ? Effect.succeed(known) : Effect.andThen(close, openNew)))
  })

  const using = <A>(use: (opened: Opened) => Effect.Effect<A, DeviceFault>) =>
    Effect.suspend(() =>
      opened === undefined ? Effect.fail(new DeviceFault({ problem: "EBADF" })) : use(opened)
    ).pipe(Effect.tapError(() => close))

  return {
    name: path,
    portion: 64 * 1024,
    ready: Effect.map(current, ({ number }) => number),
    write: (bytes) => using(({ file }) => writing(file.fd, bytes)),
    sync: using(({ file, isFile }) =>
      isFile
        ? Effect.callback<void, DeviceFault>((resume) =>
            fdatasync(file.fd, (error) => resume(error === null ? Effect.void : Effect.fail(faultOf(error))))
          )
        : Effect.void
    )
  }
})
