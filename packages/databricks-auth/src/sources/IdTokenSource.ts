/**
 * Where an ID token comes from: a JWT by which an issuer that Databricks trusts says who this process is. Federation is
 * the same whatever that is, so each place is a layer: an environment variable, a file, GitHub Actions, the connector's
 * projected token, a ServiceAccount's TokenRequest. A place that is not among them takes `make`:
 *
 *     const vault = IdTokenSource.make({
 *       name: "role databricks of Vault",
 *       absence: "gave no token",
 *       remedy: "Give the role an OIDC key.",
 *       read: (audience) => readFromVault(audience)
 *     })
 *
 * What errors and explanations say of it is its own `name`. A token stays `Redacted` and has at most 64 KiB; it has to be
 * a JWT that has not ended.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import type * as HttpClient from "effect/http/HttpClient"
import type { AuthError } from "../AuthError.ts"
import { broken } from "../internal/broken.ts"
import { nonBlank, shown, variable } from "../internal/settings.ts"
import type * as Jwt from "../Jwt.ts"
import { ConnectorSettings } from "../request/ConnectorSettings.ts"
import * as GitHubActions from "./internal/gitHubActions.ts"
import * as IdToken from "./internal/idToken.ts"
import { describeFile, onDisk, remedyOf, type TokenFile } from "./internal/tokenFiles.ts"
import * as ProjectedToken from "./ProjectedToken.ts"
import { describeServiceAccount, ServiceAccountTokens } from "./ServiceAccountTokens.ts"

/**
 * One place that ID tokens come from.
 */
export class IdTokenSource extends Context.Service<
  IdTokenSource,
  {
    /** What the place is called in identities, explanations and errors: "environment variable DATABRICKS_OIDC_TOKEN". */
    readonly name: string
    /** What is said of it where it has no token: "is not set". */
    readonly absence: string
    /** What somebody is to do who wants it to have one, as a sentence. */
    readonly remedy: string
    /**
     * A token for this audience, read anew each time; none where the place has nothing. Fails with `CredentialsBroken`
     * where what is there cannot be used, and with an error that is `retryable` where the place did not answer.
     * A place that holds a token that is made already (a variable, a file) gives it whatever its audience is.
     */
    readonly get: (audience: string) => Effect.Effect<Option.Option<Jwt.Jwt>, AuthError>
  }
>()("@flyte-databricks/databricks-auth/sources/IdTokenSource") {}

/**
 * A place of one's own, and how its text is read.
 */
export interface Options extends Omit<IdTokenSource["Service"], "get"> {
  /** The token for this audience as text; none where there is none. */
  readonly read: (audience: string) => Effect.Effect<Option.Option<Redacted.Redacted<string>>, AuthError>
}

/**
 * A source over a text: what it gives is a JWT of at most 64 KiB that has not ended, or an error that says what is wrong.
 */
export const make = ({ absence, name, read, remedy }: Options): IdTokenSource["Service"] => {
  const unusable = (problem: string) => broken(capitalized(name), problem, remedy)
  return {
    name,
    absence,
    remedy,
    get: Effect.fnUntraced(function* (audience) {
      const text = yield* read(audience)
      if (Option.isNone(text)) return Option.none()
      const jwt = yield* IdToken.read(Redacted.value(text.value), unusable)
      return Option.some(yield* IdToken.requireUnexpired(jwt, unusable))
    })
  }
}

const capitalized = (name: string): string => `${name.charAt(0).toUpperCase()}${name.slice(1)}`

/**
 * The token of a source that a credential is pinned to; an error where the source has none.
 */
export const require = (source: IdTokenSource["Service"], audience: string): Effect.Effect<Jwt.Jwt, AuthError> =>
  Effect.flatMap(
    source.get(audience),
    Option.match({
      onNone: () => Effect.fail(broken(capitalized(source.name), source.absence, source.remedy)),
      onSome: Effect.succeed
    })
  )

/**
 * An environment variable: the one named, else the one that `DATABRICKS_OIDC_TOKEN_ENV` names, else
 * `DATABRICKS_OIDC_TOKEN`. These are the variables of Databricks' own SDKs. A process cannot be given another value while
 * it runs, so this is for work that is shorter than the token's life.
 */
export const layerEnvironment = (name?: string): Layer.Layer<IdTokenSource, Config.ConfigError> =>
  Layer.effect(
    IdTokenSource,
    Effect.gen(function* () {
      const named = Option.getOrElse(yield* variable("DATABRICKS_OIDC_TOKEN_ENV"), () => "DATABRICKS_OIDC_TOKEN")
      const own = name ?? named
      const environment = yield* Effect.context<never>()
      const value = Config.option(Config.Redacted(own))
      return make({
        name: `environment variable ${shown(own)}`,
        absence: "is not set",
        remedy: "Set it to an ID token whose audience a federation policy takes.",
        // The provider was read without fault while the layer was built; the environment does not fail.
        read: () =>
          Effect.orDie(value).pipe(
            Effect.provideContext(environment),
            Effect.map(Option.filter((text) => Option.isSome(nonBlank(Redacted.value(text)))))
          )
      })
    })
  )

/**
 * A file that whatever runs this process keeps current, read anew for each token.
 */
export const layerFile = (path: string): Layer.Layer<IdTokenSource, never, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    IdTokenSource,
    Effect.map(onDisk([]), (contentOf) => {
      const file: TokenFile = { path, from: "program" }
      return make({
        name: describeFile(file),
        absence: "does not exist",
        remedy: remedyOf(file),
        read: () => Effect.map(contentOf(file), Option.map(Redacted.make))
      })
    })
  )

/**
 * The OIDC provider of GitHub Actions, which gives a token for any audience to a job with `permissions: id-token: write`.
 * It is found by `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`; without either there is none.
 */
export const layerGitHubActions: Layer.Layer<IdTokenSource, Config.ConfigError, HttpClient.HttpClient> = Layer.effect(
  IdTokenSource,
  Effect.map(GitHubActions.make, make)
)

/**
 * The connector's own projected token: the file that `FLYTE_DATABRICKS_OIDC_TOKEN_FILE` or EKS names, else the default
 * path.
 */
export const layerProjectedToken: Layer.Layer<IdTokenSource, never, ProjectedToken.ProjectedToken | ConnectorSettings> =
  Layer.effect(
    IdTokenSource,
    Effect.gen(function* () {
      const tokens = yield* ProjectedToken.ProjectedToken
      return ofFile(tokens, ProjectedToken.filesOf(yield* ConnectorSettings).own)
    })
  )

/**
 * A JWT file of the connector as a source.
 */
export const ofFile = (
  tokens: ProjectedToken.ProjectedToken["Service"],
  file: TokenFile
): IdTokenSource["Service"] => ({
  name: describeFile(file),
  absence: "does not exist",
  remedy: remedyOf(file),
  get: () =>
    Effect.flatMap(
      tokens.read(file),
      Option.match({
        onNone: () => Effect.succeedNone,
        onSome: (jwt) => Effect.asSome(ProjectedToken.requireUnexpired(file, jwt))
      })
    )
})

/**
 * A ServiceAccount, for which Kubernetes mints a token of an hour for any audience (TokenRequest). One that does not exist
 * is an error: it was named.
 */
export const layerServiceAccount = (
  namespace: string,
  serviceAccount: string
): Layer.Layer<IdTokenSource, never, ServiceAccountTokens> =>
  Layer.effect(
    IdTokenSource,
    Effect.map(ServiceAccountTokens, (tokens) => ofServiceAccount(tokens, namespace, serviceAccount))
  )

/**
 * A ServiceAccount as a source.
 */
export const ofServiceAccount = (
  tokens: ServiceAccountTokens["Service"],
  namespace: string,
  serviceAccount: string
): IdTokenSource["Service"] => ({
  name: describeServiceAccount(namespace, serviceAccount),
  absence: "does not exist",
  remedy: "Create it.",
  get: (audience) => Effect.asSome(tokens.mint(namespace, serviceAccount, audience))
})

/**
 * A token in memory, read as the others are; none where none is given. `Testing.jwt` makes one.
 */
export const layerMemory = (token?: string): Layer.Layer<IdTokenSource> =>
  Layer.succeed(
    IdTokenSource,
    make({
      name: "ID token in memory",
      absence: "is not given",
      remedy: "Give IdTokenSource.layerMemory a token.",
      read: () => Effect.succeed(Option.map(Option.fromUndefinedOr(token), Redacted.make))
    })
  )
