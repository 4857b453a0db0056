import {
  AuthError,
  DatabricksAuth,
  Kubernetes,
  type TaskSettings,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { assert } from "@effect/vitest"
import { Duration, Effect, FileSystem, Layer, Option, PlatformError, Redacted, Ref, Result } from "effect"
import { configured, instance } from "./environment.ts"

/** A file's content, or what stands in its place. */
export type Entry =
  | string
  | { readonly type: FileSystem.File.Type }
  | { readonly unreadable: PlatformError.SystemErrorTag }

/** An open file of memory. */
export const openFile = (text: string): FileSystem.File =>
  ({
    stat: Effect.succeed({ type: "File" }),
    readAlloc: () => Effect.succeed(text === "" ? Option.none() : Option.some(new TextEncoder().encode(text)))
  }) as unknown as FileSystem.File

/** A file system in memory, of files that change while the connector runs; and every path that was looked at. */
export const makeTokenFiles = (initial: Record<string, Entry> = {}) =>
  Effect.gen(function* () {
    const entries = yield* Ref.make<Readonly<Record<string, Entry>>>(initial)
    const touched = yield* Ref.make<ReadonlyArray<string>>([])
    const fail = (_tag: PlatformError.SystemErrorTag, pathOrDescriptor: string) =>
      PlatformError.systemError({ _tag, module: "FileSystem", method: "read", pathOrDescriptor })
    const entry = Effect.fnUntraced(function* (path: string) {
      yield* Ref.update(touched, (all) => [...all, path])
      return (yield* Ref.get(entries))[path] ?? (yield* fail("NotFound", path))
    })
    const content = (path: string) =>
      Effect.flatMap(entry(path), (found) =>
        typeof found === "string"
          ? Effect.succeed(found)
          : Effect.fail(fail("unreadable" in found ? found.unreadable : "BadResource", path))
      )
    const layer = FileSystem.layerNoop({
      realPath: (path) => Effect.as(entry(path), path),
      stat: (path) =>
        Effect.map(entry(path), (found) => {
          const type = typeof found === "object" && "type" in found ? found.type : "File"
          return { type, size: BigInt(typeof found === "string" ? found.length : 0) } as FileSystem.File.Info
        }),
      readFileString: content,
      open: (path) => Effect.map(content(path), openFile)
    })
    return {
      layer,
      write: (path: string, found: Entry) => Ref.update(entries, (all) => ({ ...all, [path]: found })),
      remove: (path: string) => Ref.update(entries, ({ [path]: _, ...rest }) => rest),
      touched: Ref.get(touched)
    }
  })

/** What was asked of Kubernetes, one line a call. */
export const makeCluster = (
  serviceAccounts: Readonly<Record<string, Kubernetes.MemoryServiceAccount>> = {},
  secrets: Readonly<Record<string, Readonly<Record<string, string>>>> = {}
) =>
  Effect.gen(function* () {
    const calls = yield* Ref.make<ReadonlyArray<string>>([])
    const note = (call: string) => Ref.update(calls, (all) => [...all, call])
    const recording = Layer.effect(
      Kubernetes.Kubernetes,
      Effect.map(Kubernetes.Kubernetes, (inner) =>
        Kubernetes.Kubernetes.of({
          cluster: inner.cluster,
          apiAudiences: inner.apiAudiences,
          readSecret: (namespace, name) =>
            Effect.andThen(note(`get ${namespace}/${name}`), inner.readSecret(namespace, name)),
          listServiceAccounts: (namespace, selector) =>
            Effect.andThen(note(`list ${namespace} ${selector}`), inner.listServiceAccounts(namespace, selector)),
          createServiceAccountToken: (namespace, name, request) =>
            Effect.andThen(
              note(`token ${namespace}/${name} for ${request.audience}, ${Duration.format(request.lifetime)}`),
              inner.createServiceAccountToken(namespace, name, request)
            )
        })
      )
    )
    const memory = Kubernetes.layerMemory(secrets, serviceAccounts)
    return { layer: Layer.provideMerge(recording, memory), calls: Ref.get(calls) }
  })

/** A ServiceAccount that its namespace offers, for the service principal that is named. */
export const offered = (clientId: string, audience?: string): Kubernetes.MemoryServiceAccount => ({
  labels: { "flyte.org/databricks-enabled": "true" },
  annotations: {
    "flyte.org/databricks-client-id": clientId,
    ...(audience === undefined ? {} : { "flyte.org/databricks-audience": audience })
  }
})

/** A refusal, as the token endpoint gives it. */
export const refusal = new AuthError.AuthError({
  reason: new AuthError.ExchangeRefused({
    endpoint: "e",
    clientId: "c",
    source: "s",
    status: 401,
    error: "invalid_grant",
    audiences: []
  })
})

/** A token that says who got it, and with what. */
const grant = (request: TokenEndpoint.TokenRequest, count: number) =>
  Effect.succeed({
    value: Redacted.make(
      "subject" in request
        ? `${request.clientId}-as-${request.subject.claims.sub}-${count}`
        : `${request.clientId}-by-its-secret-${count}`
    ),
    lifetime: Duration.hours(1),
    builtFrom: TokenEndpoint.secretOf(request)
  })

/** Where a connector's own JWT is, unless it is told otherwise. */
export const defaultPath = "/var/run/secrets/databricks/token"

export const explicit = { FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation" }

/** What a connector may have of its own beside a JWT, or in its place. */
export const shared = {
  FLYTE_DATABRICKS_CLIENT_ID: "app-0",
  FLYTE_DATABRICKS_CLIENT_SECRET: "s",
  FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi"
}

/** Two namespaces that offer one ServiceAccount each. */
export const one = { "team-a/spark": offered("app-a"), "team-b/spark": offered("app-b") }

/** What surrounds a connector: its variables and files, and a cluster. */
export interface World {
  readonly env?: Record<string, string>
  readonly files?: Record<string, Entry>
  readonly serviceAccounts?: Parameters<typeof makeCluster>[0]
  readonly secrets?: Parameters<typeof makeCluster>[1]
  /** Stands in place of the cluster in memory. */
  readonly cluster?: Layer.Layer<Kubernetes.Kubernetes>
  readonly respond?: Parameters<typeof TokenEndpoint.layerMemory>[0]
}

/** What a test may change while the connector runs, and what was asked of Kubernetes. */
export interface Inside {
  readonly memory: Kubernetes.KubernetesMemory["Service"]
  readonly calls: Effect.Effect<ReadonlyArray<string>>
  readonly files: Effect.Success<ReturnType<typeof makeTokenFiles>>
}

/** Runs on a connector in this world, which serves every mode. */
export const inside = <A, E, R>(
  { env = {}, files, serviceAccounts, secrets, cluster, respond = grant }: World,
  body: (given: Inside) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const { layer, calls } = yield* makeCluster(serviceAccounts, secrets)
    const disk = yield* makeTokenFiles(files)
    return yield* Kubernetes.KubernetesMemory.use((memory) => body({ memory, calls, files: disk })).pipe(
      Effect.provide(
        connector(env, disk.layer, cluster === undefined ? layer : Layer.provideMerge(cluster, layer), respond)
      )
    )
  })

/**
 * Settings and JWT files are read for real, because their names, their order and what may be wrong with a file are what
 * these tests are about.
 */
const connector = (
  env: Record<string, string>,
  files: Layer.Layer<FileSystem.FileSystem>,
  cluster: Layer.Layer<Kubernetes.Kubernetes | Kubernetes.KubernetesMemory>,
  respond: Parameters<typeof TokenEndpoint.layerMemory>[0]
) =>
  DatabricksAuth.layer.pipe(
    Layer.provideMerge(TokenEndpoint.layerMemory(respond)),
    Layer.provide(configured({ FLYTE_DATABRICKS_INSTANCE: instance, ...env })),
    Layer.provideMerge(cluster),
    Layer.provide(files)
  )

/** An identity in one line. */
export const who = ({ identity }: DatabricksAuth.Resolved): string =>
  identity._tag === "oidc_connector"
    ? `${identity.clientId} by ${identity.tokenFile} for ${identity.audience}`
    : identity._tag === "oidc_namespace"
      ? `${identity.clientId} as ${identity.namespace}/${identity.serviceAccount} for ${identity.audience}`
      : `${identity._tag} ${identity.principal}`

/** Who a task is; and with it, in one go, its header. */
export const resolve = (settings: TaskSettings.TaskSettings = {}, namespace: string | undefined = "team-a") =>
  DatabricksAuth.DatabricksAuth.use((auth) =>
    auth.resolve({ ...(namespace === undefined ? {} : { namespace }), settings })
  )

export const header = (resolved: DatabricksAuth.Resolved) =>
  DatabricksAuth.DatabricksAuth.use((auth) => auth.getHeader(resolved)).pipe(
    Effect.map(({ authorization }) => Redacted.value(authorization))
  )

export const submit = (settings: TaskSettings.TaskSettings = {}, namespace: string | undefined = "team-a") =>
  Effect.flatMap(resolve(settings, namespace), header)

/** How looking for a task's identity ends: in the identity, or in the reason why there is none. */
export const attempt = (world: World, settings?: TaskSettings.TaskSettings) =>
  inside(world, () => Effect.result(resolve(settings)))

export const outcome = (result: Result.Result<DatabricksAuth.Resolved, AuthError.AuthError>): string =>
  Result.match(result, { onSuccess: who, onFailure: ({ reason }) => reason._tag })

export const message = <A>(result: Result.Result<A, AuthError.AuthError>): string =>
  Result.isFailure(result) ? result.failure.message : assert.fail("it was to fail")
