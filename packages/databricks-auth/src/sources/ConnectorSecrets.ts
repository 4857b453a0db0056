/**
 * Secrets configured on the connector, looked up as Flyte's own connector does it, so that a deployment's mounted
 * Secret works unchanged: the variable with Flyte's prefix, the variable as it is named, then a file.
 */
import * as Cache from "effect/Cache"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import type { AuthError } from "../AuthError.ts"
import { broken } from "../internal/broken.ts"
import { nonBlank, variable } from "../internal/settings.ts"

/**
 * A secret and the place it was found in, which is shown to operators.
 */
export interface ConnectorSecret {
  /** The secret itself. */
  readonly value: Redacted.Redacted<string>
  /** The variable or file that it is from. */
  readonly place: string
}

/**
 * Looks a secret up by the name of its setting.
 */
export class ConnectorSecrets extends Context.Service<
  ConnectorSecrets,
  {
    /** The secret of a setting; none where no place has it. Fails with `CredentialsBroken` where one cannot be read. */
    readonly find: (name: string) => Effect.Effect<Option.Option<ConnectorSecret>, AuthError>
    /** Forgets what was found, so that the next look-up sees what is there now. */
    readonly forget: Effect.Effect<void>
  }
>()("@flyte-databricks/databricks-auth/sources/ConnectorSecrets") {}

const lookUp = Config.all({
  prefix: variable("FLYTE_SECRETS_ENV_PREFIX").pipe(Config.map(Option.getOrElse(() => "_FSEC_"))),
  directory: variable("FLYTE_SECRETS_DEFAULT_DIR").pipe(Config.map(Option.getOrElse(() => "/etc/secrets"))),
  filePrefix: variable("FLYTE_SECRETS_FILE_PREFIX").pipe(Config.map(Option.getOrElse(() => "")))
})

/**
 * How long what a look-up found counts as current: tasks come in bursts, and a look-up reads files, most of which are
 * not there. Kubernetes itself takes up to a minute to change a mounted Secret. A failure is never kept.
 */
export const ConnectorSecretTimeToLive = Context.Reference<Duration.Input>(
  "@flyte-databricks/databricks-auth/ConnectorSecretTimeToLive",
  { defaultValue: () => "1 second" }
)

/**
 * Secrets of the environment and of mounted files. Files are read anew all the time, because a mounted Secret changes in
 * place; the environment is that of the layer's construction.
 */
export const layer: Layer.Layer<ConnectorSecrets, Config.ConfigError, FileSystem.FileSystem | Path.Path> = Layer.effect(
  ConnectorSecrets,
  Effect.gen(function* () {
    const fileSystem = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { prefix, directory, filePrefix } = yield* lookUp
    const environment = yield* Effect.context<never>()

    const fromVariable = (name: string) =>
      // The provider was read without fault while the layer was built; the environment does not fail.
      Effect.orDie(variable(name)).pipe(
        Effect.provideContext(environment),
        Effect.map(Option.map((value) => secret(value, name, name)))
      )

    const fromFile = Effect.fnUntraced(function* (name: string) {
      const file = path.join(directory, `${filePrefix}${name.toLowerCase()}`)
      const content = yield* fileSystem.readFileString(file).pipe(
        Effect.asSome,
        Effect.catch((error) =>
          error.reason._tag === "NotFound" ? Effect.succeedNone : Effect.fail(unreadable(file, error.reason._tag))
        )
      )
      return Option.map(Option.flatMap(content, nonBlank), (value) => secret(value, name, file))
    })

    const find = Effect.fnUntraced(function* (name: string) {
      const places = [fromVariable(`${prefix}${name}`), fromVariable(name), fromFile(name)]
      for (const place of places) {
        const found = yield* place
        if (Option.isSome(found)) return found
      }
      return Option.none()
    })
    const timeToLive = yield* ConnectorSecretTimeToLive
    const cache = yield* Cache.makeWith(find, {
      // Names are those of settings, of which there are a few.
      capacity: 100,
      timeToLive: (exit) => (Exit.isFailure(exit) ? 0 : timeToLive)
    })
    return ConnectorSecrets.of({ find: (name) => Cache.get(cache, name), forget: Cache.invalidateAll(cache) })
  })
)

const secret = (value: string, label: string, place: string): ConnectorSecret => ({
  value: Redacted.make(value, { label }),
  place
})

const unreadable = (file: string, what: string): AuthError =>
  broken(
    `The mounted Secret ${file}`,
    `exists but cannot be read (${what})`,
    "Make it a file that the connector's user may read, or remove it."
  )

/**
 * Secrets in memory, by the name of their setting.
 */
export const layerMemory = (
  secrets: Readonly<Record<string, string | undefined>> = {}
): Layer.Layer<ConnectorSecrets> =>
  Layer.succeed(
    ConnectorSecrets,
    ConnectorSecrets.of({
      forget: Effect.void,
      find: (name) =>
        Effect.succeed(
          Option.map(Option.flatMap(Option.fromUndefinedOr(secrets[name]), nonBlank), (value) =>
            secret(value, name, name)
          )
        )
    })
  )
