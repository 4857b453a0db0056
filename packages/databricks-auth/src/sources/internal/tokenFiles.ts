/**
 * JWT files on disk. Those that the operator names are read as they are; one that a task names is read only inside of
 * the directories that the operator listed.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import type { AuthError } from "../../AuthError.ts"
import { broken } from "../../internal/broken.ts"
import { shown } from "../../internal/settings.ts"
import { maxIdToken } from "./idToken.ts"

/**
 * A JWT file, and what says that it is this one: a setting, none for the default path, the run that was submitted
 * with it, or the program that embeds this.
 */
export interface TokenFile {
  readonly path: string
  readonly from: keyof typeof why
}

const why = {
  task: "named by databricksOidcTokenFile of the task",
  FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "named by FLYTE_DATABRICKS_OIDC_TOKEN_FILE",
  AWS_WEB_IDENTITY_TOKEN_FILE: "named by AWS_WEB_IDENTITY_TOKEN_FILE",
  default: "the default path",
  run: "pinned when the run was submitted",
  program: "named by this program"
} as const

/**
 * Names a JWT file the way errors and explanations do.
 */
export const describeFile = ({ path, from }: TokenFile): string => `JWT file ${shown(path, 300)} (${why[from]})`

/** Whether a task chose the file, now or when its run was submitted. */
const isOfTask = ({ from }: TokenFile): boolean => from === "task" || from === "run"

// Links to what a process has open.
const openFiles = "/proc/self/fd"

/**
 * What a file holds; none where there is no such file.
 */
export type Read = (file: TokenFile) => Effect.Effect<Option.Option<string>, AuthError>

export const onDisk = Effect.fnUntraced(function* (
  taskDirectories: ReadonlyArray<string>
): Effect.fn.Return<Read, never, FileSystem.FileSystem | Path.Path> {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path

  const orAbsent = <A>(file: TokenFile, effect: Effect.Effect<A, AuthError | PlatformError.PlatformError>) =>
    effect.pipe(
      Effect.asSome,
      Effect.catchTag("PlatformError", ({ reason }) =>
        reason._tag === "NotFound" ? Effect.succeedNone : Effect.fail(unusable(file, `cannot be read (${reason._tag})`))
      )
    )

  // Where a path really is; of one that leads nowhere, as much of it as exists.
  const whereabouts = (file: string): Effect.Effect<string> =>
    fileSystem
      .realPath(file)
      .pipe(
        Effect.catch(() =>
          path.dirname(file) === file
            ? Effect.succeed(file)
            : Effect.map(whereabouts(path.dirname(file)), (directory) => path.join(directory, path.basename(file)))
        )
      )

  // A task may name any path, and a link may lead anywhere: where the file really is decides. That place is then what
  // is read, so that nobody can turn the link in between. What lies outside is not even looked for, and what a link
  // leads to outside gets one answer: whether it exists is nothing a task may learn.
  const admitted = Effect.fnUntraced(function* (file: TokenFile): Effect.fn.Return<Option.Option<string>, AuthError> {
    if (!isOfTask(file)) return Option.some(file.path)
    if (!isInside(path, taskDirectories, file.path)) return yield* refused(file, taskDirectories)
    const directories = yield* Effect.forEach(taskDirectories, whereabouts)
    const real = yield* Effect.result(fileSystem.realPath(file.path))
    const place = Result.isSuccess(real) ? real.success : yield* whereabouts(file.path)
    if (!isInside(path, directories, place)) return yield* refused(file, taskDirectories)
    return yield* orAbsent(file, Effect.fromResult(real))
  })

  // A link can be turned between two looks at a path, but not under a file that is open. Where those are, Linux tells;
  // elsewhere the path is believed. Two that are open may be the same file: then both have to be inside.
  const isOpenInside = Effect.fnUntraced(function* ({ dev, ino }: FileSystem.File.Info) {
    const directories = yield* Effect.forEach(taskDirectories, whereabouts)
    const descriptors = yield* fileSystem.readDirectory(openFiles).pipe(Effect.orElseSucceed(() => []))
    const places = yield* Effect.forEach(descriptors, (descriptor) => {
      const link = path.join(openFiles, descriptor)
      return fileSystem.stat(link).pipe(
        Effect.filterOrFail((info) => info.dev === dev && Equal.equals(info.ino, ino)),
        Effect.andThen(fileSystem.readLink(link)),
        Effect.option
      )
    })
    return places.every((place) => Option.isNone(place) || isInside(path, directories, place.value))
  })

  const readInside = Effect.fnUntraced(function* (file: TokenFile, place: string) {
    const open = yield* fileSystem.open(place, { flag: "r" })
    if (!(yield* isOpenInside(yield* open.stat))) return yield* refused(file, taskDirectories)
    const bytes = yield* open.readAlloc(maxIdToken)
    return new TextDecoder().decode(Option.getOrUndefined(bytes))
  }, Effect.scoped)

  return Effect.fnUntraced(function* (file) {
    const place = yield* admitted(file)
    if (Option.isNone(place)) return Option.none()
    const info = yield* orAbsent(file, fileSystem.stat(place.value))
    if (Option.isNone(info)) return Option.none()
    if (info.value.type !== "File") return yield* unusable(file, `is not a file but a ${info.value.type.toLowerCase()}`)
    if (info.value.size > maxIdToken) return yield* unusable(file, `has ${info.value.size} bytes, which no JWT has`)
    return yield* orAbsent(
      file,
      isOfTask(file) ? readInside(file, place.value) : fileSystem.readFileString(place.value)
    )
  })
})

/**
 * Files in memory, by path.
 */
export const inMemory = Effect.fnUntraced(function* (
  texts: Readonly<Record<string, string>>,
  taskDirectories: ReadonlyArray<string>
): Effect.fn.Return<Read, never, Path.Path> {
  const path = yield* Path.Path
  return (file) =>
    isOfTask(file) && !isInside(path, taskDirectories, file.path)
      ? Effect.fail(refused(file, taskDirectories))
      : Effect.succeed(Record.get(texts, file.path))
})

const isInside = (path: Path.Path, directories: ReadonlyArray<string>, file: string): boolean =>
  path.isAbsolute(file) &&
  directories.some((directory) => {
    const relative = path.relative(directory, file)
    return relative !== ".." && !relative.startsWith(`..${path.sep}`)
  })

/**
 * The error of a file that holds no JWT that could be used.
 */
export const unusable = (file: TokenFile, problem: string): AuthError =>
  broken(describeFile(file), problem, remedyOf(file))

/** What gives a file a JWT. */
export const remedyOf = ({ from }: TokenFile): string =>
  from === "program"
    ? "Write an ID token there whose audience a federation policy takes, or name another file."
    : "Project a ServiceAccount token there (a volume of type projected, with the audience of the federation policy), " +
      "or name another file in FLYTE_DATABRICKS_OIDC_TOKEN_FILE."

const refused = (file: TokenFile, directories: ReadonlyArray<string>): AuthError =>
  broken(
    describeFile(file),
    directories.length === 0
      ? "is refused: tasks may name no file on this connector (FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS is empty)"
      : `is refused: it is not inside ${directories.join(" or ")} (FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS)`,
    file.from === "task"
      ? "Leave it out of the task, or ask the operator to list its directory there."
      : "Name it in FLYTE_DATABRICKS_OIDC_TOKEN_FILE again, or list its directory there, until the run is over."
  )
