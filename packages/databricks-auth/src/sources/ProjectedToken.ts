/**
 * Where OIDC Model 1 gets its JWT, the connector's own, and nothing else: a file that Kubernetes projects into the pod
 * and rotates, so that it is read anew each time.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { AuthError } from "../AuthError.ts"
import { applicationId } from "../internal/applicationId.ts"
import type * as Jwt from "../Jwt.ts"
import * as ConnectorSettings from "../request/ConnectorSettings.ts"
import * as ConnectorSecrets from "./ConnectorSecrets.ts"
import * as IdToken from "./internal/idToken.ts"
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
          return Option.some(yield* IdToken.read(content.value, (problem) => unusable(file, problem)))
        }),
        clientId: Effect.gen(function* () {
          const ofFlyte = yield* secrets.find("FLYTE_DATABRICKS_CLIENT_ID")
          const ofDatabricks = yield* secrets.find("DATABRICKS_CLIENT_ID")
          const clientId = Result.transposeMapOption(
            Option.orElse(ofFlyte, () => ofDatabricks),
            ({ place, value }) =>
              applicationId(`The connector's client id (from ${place})`, "looks like a secret", Redacted.value(value))
          )
          return yield* Effect.fromResult(clientId)
        })
      })
    })
  )

/**
 * The files of this machine, each read anew.
 */
export const layer: Layer.Layer<ProjectedToken, never, Surroundings | FileSystem.FileSystem | Path.Path> = over(onDisk)

/**
 * Fails where there is no file, though one was counted on.
 */
export const requireFile = (file: TokenFile, jwt: Option.Option<Jwt.Jwt>): Effect.Effect<Jwt.Jwt, AuthError> =>
  Effect.mapError(Effect.fromOption(jwt), () => unusable(file, "does not exist"))

/**
 * Fails where a token ended: an exchange would only be refused, in words that do not say why.
 */
export const requireUnexpired = (file: TokenFile, jwt: Jwt.Jwt): Effect.Effect<Jwt.Jwt, AuthError> =>
  IdToken.requireUnexpired(jwt, (problem) => unusable(file, problem))

/**
 * The files of a connector with these settings: what the operator named, what EKS did, and the default path. `own` is the
 * one that counts where no task names another.
 */
export const filesOf = ({ awsTokenFile, oidcTokenFile }: ConnectorSettings.ConnectorSettings["Service"]) => {
  const named = Option.map(oidcTokenFile, fileFrom("FLYTE_DATABRICKS_OIDC_TOKEN_FILE"))
  const aws = Option.map(awsTokenFile, fileFrom("AWS_WEB_IDENTITY_TOKEN_FILE"))
  const standard = fileFrom("default")(ConnectorSettings.defaultTokenFile)
  const own = Option.getOrElse(Option.firstSomeOf([named, aws]), () => standard)
  return { named, aws, standard, own }
}

/** A file, and what says that it is this one. */
export const fileFrom =
  (from: TokenFile["from"]) =>
  (path: string): TokenFile => ({ path, from })

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
