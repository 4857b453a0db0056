/**
 * A stand-in for a Kubernetes API server: bearer tokens, rules for who may do what, Secrets, ServiceAccounts and
 * their tokens with the issuer's discovery, over HTTP or HTTPS on loopback. All time is Effect's `Clock`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { EmulatorError } from "./EmulatorError.ts"
import * as EmulatorServer from "./EmulatorServer.ts"
import { adminRoutes } from "./kubernetes/adminRoutes.ts"
import type { Controls } from "./kubernetes/Controls.ts"
import { issuerRoutes } from "./kubernetes/issuerRoutes.ts"
import { kubeconfig } from "./kubernetes/Kubeconfig.ts"
import { namespaceRoutes } from "./kubernetes/Namespaces.ts"
import * as ObjectMeta from "./kubernetes/ObjectMeta.ts"
import * as Rbac from "./kubernetes/Rbac.ts"
import { reviewRoutes } from "./kubernetes/Reviews.ts"
import * as Secrets from "./kubernetes/Secrets.ts"
import * as ServiceAccounts from "./kubernetes/ServiceAccounts.ts"
import * as ServiceAccountTokens from "./kubernetes/ServiceAccountTokens.ts"
import * as SigningKeys from "./kubernetes/SigningKeys.ts"
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
  readonly serviceAccounts?: ReadonlyArray<ServiceAccounts.ServiceAccountOptions> | undefined
  /** Namespaces that are listed though there is nothing in them. */
  readonly namespaces?: ReadonlyArray<string> | undefined
  /** The `iss` of ServiceAccount tokens; by default the API's own URL. */
  readonly issuer?: string | undefined
  /** The audiences of a token for the API server itself; by default the issuer. */
  readonly apiAudiences?: ReadonlyArray<string> | undefined
  /** How ServiceAccount tokens are signed; by default RS256. */
  readonly signingAlgorithm?: SigningKeys.SigningAlgorithm | undefined
  /** TokenRequest shortens longer lifetimes to this, as managed clusters do; by default it does not. */
  readonly maxTokenLifetime?: Duration.Input | undefined
  /** Whether a request without a token is taken as `system:anonymous` (then usually 403); `false`: 401. */
  readonly anonymousAuth?: boolean | undefined
  /** Where to write a kubeconfig for this API. */
  readonly kubeconfigFile?: string | undefined
}

/** A running Kubernetes API. */
export class KubernetesApi extends Context.Service<
  KubernetesApi,
  EmulatorServer.RunningServer &
    Controls & {
      /** The user that the kubeconfig is for. */
      readonly username: string
      /** Its bearer token. */
      readonly token: Redacted.Redacted
      /** The text of a kubeconfig file for this API. */
      readonly kubeconfig: string
    }
>()("@flyte-databricks/emulators/KubernetesApi") {}

/** Starts a Kubernetes API; it stops when the scope closes. */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<KubernetesApi["Service"], EmulatorError, Scope.Scope> {
  const users = Users.make(options)
  const rbac = Rbac.make(options.rules ?? [Rbac.allowAuthenticated])
  const metas = ObjectMeta.make()
  const secrets = Secrets.make(metas)
  const serviceAccounts = ServiceAccounts.make(metas)
  const keys = SigningKeys.make(options.signingAlgorithm)

  const issuerOf = ({ url }: EmulatorServer.RunningServer) => options.issuer ?? url
  const tokensOf = (server: EmulatorServer.RunningServer) => {
    const issuer = issuerOf(server)
    const { apiAudiences = [issuer], maxTokenLifetime } = options
    return ServiceAccountTokens.make({ serviceAccounts, keys, issuer, apiAudiences, maxTokenLifetime })
  }

  const own = yield* users.add({ username: options.username ?? "system:serviceaccount:flyte:flyteconnector" })
  yield* Effect.forEach(options.users ?? [], users.add)
  const setSecret: typeof secrets.set = (secret) =>
    Effect.andThen(secrets.set(secret), serviceAccounts.settle(secret.namespace))
  yield* Effect.forEach(options.secrets ?? [], setSecret)
  yield* Effect.forEach(options.serviceAccounts ?? [], serviceAccounts.set)

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
    setSecret,
    deleteSecret: secrets.delete,
    serviceAccounts: serviceAccounts.names,
    setServiceAccount: serviceAccounts.set,
    patchServiceAccount: serviceAccounts.patch,
    deleteServiceAccount: serviceAccounts.delete,
    issuer: issuerOf(server),
    jwks: keys.jwks,
    mintToken: tokensOf(server).mint,
    rotateSigningKey: keys.rotate
  })

  const server = yield* EmulatorServer.start({
    ...options,
    routes: (server) => {
      const tokens = tokensOf(server)
      const access = { authenticate: users.authenticate(tokens.authenticate), rbac }
      return [
        ...secrets.routes(access),
        ...serviceAccounts.routes(access),
        ...tokens.routes(access),
        ...namespaceRoutes(
          access,
          options.namespaces ?? [],
          Effect.zipWith(secrets.names, serviceAccounts.names, (left, right) => [...left, ...right])
        ),
        ...reviewRoutes(access),
        ...issuerRoutes({ issuer: issuerOf(server), url: server.url, keys })
      ]
    },
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
