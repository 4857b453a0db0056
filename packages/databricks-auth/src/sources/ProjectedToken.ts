/**
 * Where OIDC Model 1 gets its JWT, the connector's own, and nothing else: a file that Kubernetes projects into the pod
 * and rotates, so that it is read anew each time.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { AuthError, CredentialsBroken } from "../AuthError.ts"
import * as ConnectorSecrets from "./ConnectorSecrets.ts"
import * as ConnectorSettings from "../request/ConnectorSettings.ts"
import { applicationId } from "../internal/applicationId.ts"
import { shown } from "../internal/settings.ts"
import * as Jwt from "../Jwt.ts"

/**
 * A JWT file, and what says that it is this one: a setting, none for the default path, or the run that was submitted
 * with it.
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
  run: "pinned when the run was submitted"
} as const

/**
 * The narrow source of mode OIDC Model 1.
 */
export class ProjectedToken extends Context.Service<
  ProjectedToken,
  {
    /** The JWT in a file; none where there is no such file. */
    readonly read: (file: TokenFile) => Effect.Effect<Option.Option<Jwt.Jwt>, AuthError>
    /** The connector's client id. */
    readonly clientId: Effect.Effect<Option.Option<string>, AuthError>
  }
>()("@flyte-databricks/databricks-auth/sources/ProjectedToken") {}

/**
 * Names a JWT file the way errors and explanations do.
 */
export const describeFile = ({ path, from }: TokenFile): string => `JWT file ${shown(path, 300)} (${why[from]})`

// A projected token has some 1 KB; a file of this size is something else.
const maxBytes = 64 * 1024

// Links to what a process has open.
const openFiles = "/proc/self/fd"

export const layer: Layer.Layer<
  ProjectedToken,
  never,
  ConnectorSettings.ConnectorSettings | ConnectorSecrets.ConnectorSecrets | FileSystem.FileSystem | Path.Path
> = Layer.effect(
  ProjectedToken,
  Effect.gen(function* () {
    const fileSystem = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const secrets = yield* ConnectorSecrets.ConnectorSecrets
    const { taskTokenFileDirs } = yield* ConnectorSettings.ConnectorSettings

    const orAbsent = <A, R = never>(file: TokenFile, effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
      effect.pipe(
        Effect.asSome,
        Effect.catch((error) =>
          error.reason._tag === "NotFound"
            ? Effect.succeedNone
            : Effect.fail(broken(file, `cannot be read (${error.reason._tag})`))
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

    const inside = (directories: ReadonlyArray<string>, file: string): boolean =>
      directories.some((directory) => {
        const relative = path.relative(directory, file)
        return relative !== ".." && !relative.startsWith(`..${path.sep}`)
      })

    // A task may name any path, and a link may lead anywhere: where the file really is decides. That place is then what
    // is read, so that nobody can turn the link in between. What lies outside is not even looked for, and what a link
    // leads to outside gets one answer: whether it exists is nothing a task may learn.
    const admitted = Effect.fnUntraced(function* (file: TokenFile): Effect.fn.Return<Option.Option<string>, AuthError> {
      if (file.from !== "task" && file.from !== "run") return Option.some(file.path)
      if (!path.isAbsolute(file.path) || !inside(taskTokenFileDirs, file.path))
        return yield* refused(file, taskTokenFileDirs)
      const directories = yield* Effect.forEach(taskTokenFileDirs, whereabouts)
      const real = yield* Effect.result(fileSystem.realPath(file.path))
      const place = Result.isSuccess(real) ? real.success : yield* whereabouts(file.path)
      if (!inside(directories, place)) return yield* refused(file, taskTokenFileDirs)
      return yield* orAbsent(file, Effect.fromResult(real))
    })

    // A link can be turned between two looks at a path, but not under a file that is open. Where those are, Linux tells;
    // elsewhere the path is believed. Two that are open may be the same file: then both have to be inside.
    const isOpenInside = Effect.fnUntraced(function* ({ dev, ino }: FileSystem.File.Info) {
      const directories = yield* Effect.forEach(taskTokenFileDirs, whereabouts)
      const descriptors = yield* fileSystem.readDirectory(openFiles).pipe(Effect.orElseSucceed(() => []))
      const places = yield* Effect.forEach(descriptors, (descriptor) => {
        const link = path.join(openFiles, descriptor)
        return fileSystem.stat(link).pipe(
          Effect.filterOrFail((info) => info.dev === dev && Equal.equals(info.ino, ino)),
          Effect.andThen(fileSystem.readLink(link)),
          Effect.option
        )
      })
      return places.every((place) => Option.isNone(place) || inside(directories, place.value))
    })

    const contentOf = (file: TokenFile, place: string) =>
      file.from !== "task" && file.from !== "run"
        ? orAbsent(file, fileSystem.readFileString(place))
        : Effect.gen(function* () {
            const open = yield* orAbsent(file, fileSystem.open(place, { flag: "r" }))
            if (Option.isNone(open)) return Option.none()
            const info = yield* orAbsent(file, open.value.stat)
            if (Option.isNone(info) || !(yield* isOpenInside(info.value)))
              return yield* refused(file, taskTokenFileDirs)
            const bytes = yield* orAbsent(file, open.value.readAlloc(maxBytes))
            return Option.map(bytes, (found) => new TextDecoder().decode(Option.getOrUndefined(found)))
          }).pipe(Effect.scoped)

    const read = Effect.fnUntraced(function* (file: TokenFile) {
      const place = yield* admitted(file)
      if (Option.isNone(place)) return Option.none()
      const info = yield* orAbsent(file, fileSystem.stat(place.value))
      if (Option.isNone(info)) return Option.none()
      if (info.value.type !== "File") return yield* broken(file, `is not a file but a ${info.value.type.toLowerCase()}`)
      if (info.value.size > maxBytes) return yield* broken(file, `has ${info.value.size} bytes, which no JWT has`)
      const content = yield* contentOf(file, place.value)
      if (Option.isNone(content)) return Option.none()
      const text = content.value.trim()
      if (text === "") return yield* broken(file, "is empty")
      const jwt = Jwt.parse(text)
      return Option.isSome(jwt) ? jwt : yield* broken(file, "does not hold a JWT")
    })

    const clientId = Effect.gen(function* () {
      const found = Option.firstSomeOf(
        yield* Effect.forEach(["FLYTE_DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_ID"], secrets.find)
      )
      if (Option.isNone(found)) return Option.none()
      const { place, value } = found.value
      const source = `The connector's client id (from ${place})`
      return Option.some(yield* applicationId(source, "looks like a secret", Redacted.value(value)))
    })

    return ProjectedToken.of({
      read,
      clientId
    })
  })
)

const broken = (file: TokenFile, problem: string): AuthError =>
  new AuthError({
    reason: new CredentialsBroken({
      source: describeFile(file),
      problem,
      remedy:
        "Project a ServiceAccount token there (a volume of type projected, with the audience of the federation policy), " +
        "or name another file in FLYTE_DATABRICKS_OIDC_TOKEN_FILE."
    })
  })

const refused = (file: TokenFile, directories: ReadonlyArray<string>): AuthError =>
  new AuthError({
    reason: new CredentialsBroken({
      source: describeFile(file),
      problem:
        directories.length === 0
          ? "is refused: tasks may name no file on this connector (FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS is empty)"
          : `is refused: it is not inside ${directories.join(" or ")} (FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS)`,
      remedy:
        file.from === "task"
          ? "Leave it out of the task, or ask the operator to list its directory there."
          : "Name it in FLYTE_DATABRICKS_OIDC_TOKEN_FILE again, or list its directory there, until the run is over."
    })
  })

/**
 * Fails where there is no file, though one was counted on.
 */
export const requireFile = (file: TokenFile, jwt: Option.Option<Jwt.Jwt>): Effect.Effect<Jwt.Jwt, AuthError> =>
  Effect.mapError(Effect.fromOption(jwt), () => broken(file, "does not exist"))

/**
 * Fails where a token ended: an exchange would only be refused, in words that do not say why.
 */
export const requireUnexpired = Effect.fnUntraced(function* (
  file: TokenFile,
  jwt: Jwt.Jwt
): Effect.fn.Return<Jwt.Jwt, AuthError> {
  const expires = Jwt.expiry(jwt.claims)
  if (Option.isNone(expires) || !Jwt.hasExpired(jwt.claims, yield* Clock.currentTimeMillis)) return jwt
  return yield* broken(file, `holds a JWT that expired at ${expires.value}: it is no longer rotated`)
})

/**
 * JWTs in memory, by path, for the connector that surrounds them.
 */
export const layerFiles = (
  files: Readonly<Record<string, Jwt.Jwt>>
): Layer.Layer<ProjectedToken, never, ConnectorSettings.ConnectorSettings | ConnectorSecrets.ConnectorSecrets> => {
  const find = <A>(path: string, found: (text: string) => A) => {
    const file = files[path]
    return file === undefined
      ? Effect.fail(
          PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "read", pathOrDescriptor: path })
        )
      : Effect.succeed(found(Redacted.value(file.token)))
  }
  const disk = FileSystem.layerNoop({
    realPath: (path) => find(path, () => path),
    stat: (path) => find(path, ({ length }) => ({ type: "File", size: BigInt(length) }) as FileSystem.File.Info),
    readFileString: (path) => find(path, (text) => text),
    open: (path) => find(path, openInMemory)
  })
  return layer.pipe(Layer.provide([disk, Path.layer]))
}

// As much of an open file as a JWT is read by.
const openInMemory = (text: string) =>
  ({
    stat: Effect.succeed({ type: "File" }),
    readAlloc: () => Effect.succeed(Option.some(new TextEncoder().encode(text)))
  }) as unknown as FileSystem.File

/**
 * JWTs in memory, by path, and the connector's client id.
 */
export const layerMemory = (options: {
  readonly files?: Readonly<Record<string, Jwt.Jwt>>
  readonly clientId?: string
}): Layer.Layer<ProjectedToken> =>
  layerFiles(options.files ?? {}).pipe(
    Layer.provide([
      ConnectorSecrets.layerMemory(
        options.clientId === undefined ? {} : { FLYTE_DATABRICKS_CLIENT_ID: options.clientId }
      ),
      Layer.orDie(ConnectorSettings.layer())
    ])
  )
