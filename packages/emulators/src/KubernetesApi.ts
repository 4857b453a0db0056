/**
 * A stand-in for a Kubernetes API server: bearer tokens, rules for who may do what, and Secrets, over HTTP or HTTPS on
 * loopback. All time is Effect's `Clock`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { EmulatorError } from "./EmulatorError.ts"
import * as EmulatorServer from "./EmulatorServer.ts"
import { adminRoutes } from "./kubernetes/adminRoutes.ts"
import { kubeconfig } from "./kubernetes/Kubeconfig.ts"
import * as Rbac from "./kubernetes/Rbac.ts"
import type { Target } from "./kubernetes/Resource.ts"
import * as Secrets from "./kubernetes/Secrets.ts"
import { bodyForStatus } from "./kubernetes/Status.ts"
import * as Users from "./kubernetes/Users.ts"

/** What a Kubernetes API can be started with; everything can be left out. */
export interface Options extends EmulatorServer.ServerOptions {
  /** Further users, beside the one that `token` belongs to. */
  readonly users?: ReadonlyArray<Users.UserOptions> | undefined
  /** The name of the user that `token` belongs to; by default `system:serviceaccount:flyte:flyteconnector`. */
  readonly username?: string | undefined
  /** Who may do what; by default every authenticated user may do everything. */
  readonly rules?: ReadonlyArray<Rbac.Rule> | undefined
  readonly secrets?: ReadonlyArray<Secrets.SecretOptions> | undefined
  /** Whether a request without a token is taken as `system:anonymous` (then usually 403); `false`: 401. */
  readonly anonymousAuth?: boolean | undefined
  /** Where to write a kubeconfig for this API. */
  readonly kubeconfigFile?: string | undefined
}

/** A running Kubernetes API. */
export class KubernetesApi extends Context.Service<
  KubernetesApi,
  EmulatorServer.RunningServer & {
    /** The user that the kubeconfig is for. */
    readonly username: string
    /** Its bearer token. */
    readonly token: Redacted.Redacted
    /** The text of a kubeconfig file for this API. */
    readonly kubeconfig: string

    readonly users: Effect.Effect<ReadonlyArray<Users.User>>
    readonly addUser: (options: Users.UserOptions) => Effect.Effect<Users.AddedUser, EmulatorError>
    readonly revokeToken: (token: string | Redacted.Redacted) => Effect.Effect<boolean>

    readonly rules: Effect.Effect<ReadonlyArray<Rbac.Rule>>
    /** Adds a rule; one that denies beats those that allow. */
    readonly addRule: (rule: Rbac.Rule) => Effect.Effect<void>
    /** Replaces all rules. */
    readonly setRules: (rules: ReadonlyArray<Rbac.Rule>) => Effect.Effect<void>

    /** The Secrets there are, as `namespace/name`. */
    readonly secrets: Effect.Effect<ReadonlyArray<string>>
    readonly setSecret: (secret: Secrets.SecretOptions) => Effect.Effect<void, EmulatorError>
    /** Deletes a Secret; says whether it was there. */
    readonly deleteSecret: (target: Target) => Effect.Effect<boolean>
  }
>()("@flyte-databricks/emulators/KubernetesApi") {}

/** Starts a Kubernetes API; it stops when the scope closes. */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<KubernetesApi["Service"], EmulatorError, Scope.Scope> {
  const users = Users.make(options)
  const rbac = Rbac.make(options.rules ?? [Rbac.allowAuthenticated])
  const secrets = Secrets.make()

  const own = yield* users.add({ username: options.username ?? "system:serviceaccount:flyte:flyteconnector" })
  yield* Effect.forEach(options.users ?? [], users.add)
  yield* Effect.forEach(options.secrets ?? [], secrets.set)

  const service = (server: EmulatorServer.RunningServer): KubernetesApi["Service"] => ({
    ...server,
    username: own.username,
    token: own.token,
    kubeconfig: kubeconfig({ ...server, ...own }),
    users: users.all,
    addUser: users.add,
    revokeToken: users.revokeToken,
    rules: rbac.all,
    addRule: rbac.add,
    setRules: rbac.set,
    secrets: secrets.names,
    setSecret: secrets.set,
    deleteSecret: secrets.delete
  })

  const server = yield* EmulatorServer.start({
    ...options,
    routes: () => [...secrets.routes({ users, rbac })],
    adminRoutes: (server) => adminRoutes(service(server)),
    notFound: () => HttpServerResponse.jsonUnsafe(bodyForStatus(404), { status: 404 }),
    errorBody: bodyForStatus
  })
  const running = service(server)
  if (options.kubeconfigFile !== undefined) {
    yield* EmulatorServer.writeClientFile(options.kubeconfigFile, "kubeconfig", running.kubeconfig, 0o600)
  }
  return running
})

/** A Kubernetes API as a layer: it runs as long as the layer lives. */
export const layer = (options: Options = {}): Layer.Layer<KubernetesApi, EmulatorError> =>
  Layer.effect(KubernetesApi, make(options))
