/**
 * Where OIDC Model 1 gets its JWT, the connector's own, and nothing else: a file that Kubernetes projects into the pod
 * and rotates, so that it is read anew each time.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import type { AuthError } from "../AuthError.ts"
import { applicationId } from "../internal/applicationId.ts"
import * as Jwt from "../Jwt.ts"
import * as ConnectorSettings from "../request/ConnectorSettings.ts"
import * as ConnectorSecrets from "./ConnectorSecrets.ts"
import { inMemory, onDisk, type Read, type TokenFile, unusable } from "./internal/tokenFiles.ts"

export type { TokenFile }

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

type Surroundings = ConnectorSettings.ConnectorSettings | ConnectorSecrets.ConnectorSecrets

const over = <R>(
  files: (taskDirectories: ReadonlyArray<string>) => Effect.Effect<Read, never, R>
): Layer.Layer<ProjectedToken, never, R | Surroundings> =>
  Layer.effect(
    ProjectedToken,
    Effect.gen(function* () {
      const secrets = yield* ConnectorSecrets.ConnectorSecrets
      const contentOf = yield* files((yield* ConnectorSettings.ConnectorSettings).taskTokenFileDirs)
      return ProjectedToken.of({
        read: Effect.fnUntraced(function* (file) {
          const content = yield* contentOf(file)
          if (Option.isNone(content)) return Option.none()
          const text = content.value.trim()
          if (text === "") return yield* unusable(file, "is empty")
          const jwt = Jwt.parse(text)
          return Option.isSome(jwt) ? jwt : yield* unusable(file, "does not hold a JWT")
        }),
        clientId: Effect.gen(function* () {
          const found = Option.firstSomeOf(
            yield* Effect.forEach(["FLYTE_DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_ID"], secrets.find)
          )
          if (Option.isNone(found)) return Option.none()
          const { place, value } = found.value
          const source = `The connector's client id (from ${place})`
          return Option.some(yield* applicationId(source, "looks like a secret", Redacted.value(value)))
        })
      })
    })
  )

export const layer: Layer.Layer<ProjectedToken, never, Surroundings | FileSystem.FileSystem | Path.Path> = over(onDisk)

/**
 * Fails where there is no file, though one was counted on.
 */
export const requireFile = (file: TokenFile, jwt: Option.Option<Jwt.Jwt>): Effect.Effect<Jwt.Jwt, AuthError> =>
  Effect.mapError(Effect.fromOption(jwt), () => unusable(file, "does not exist"))

/**
 * Fails where a token ended: an exchange would only be refused, in words that do not say why.
 */
export const requireUnexpired = Effect.fnUntraced(function* (
  file: TokenFile,
  jwt: Jwt.Jwt
): Effect.fn.Return<Jwt.Jwt, AuthError> {
  const expires = Jwt.expiry(jwt.claims)
  if (Option.isNone(expires) || !Jwt.hasExpired(jwt.claims, yield* Clock.currentTimeMillis)) return jwt
  return yield* unusable(file, `holds a JWT that expired at ${expires.value}: it is no longer rotated`)
})

/**
 * JWTs in memory, by path, for the connector that surrounds them.
 */
export const layerFiles = (
  files: Readonly<Record<string, Jwt.Jwt>>
): Layer.Layer<ProjectedToken, never, Surroundings> => {
  const texts = Record.map(files, ({ token }) => Redacted.value(token))
  return Layer.provide(
    over((taskDirectories) => inMemory(texts, taskDirectories)),
    Path.layer
  )
}

/**
 * JWTs in memory, by path, and the connector's client id.
 */
export const layerMemory = (options: {
  readonly files?: Readonly<Record<string, Jwt.Jwt>>
  readonly clientId?: string
}): Layer.Layer<ProjectedToken> =>
  layerFiles(options.files ?? {}).pipe(
    Layer.provide([
      ConnectorSecrets.layerMemory({ FLYTE_DATABRICKS_CLIENT_ID: options.clientId }),
      Layer.orDie(ConnectorSettings.layer())
    ])
  )
