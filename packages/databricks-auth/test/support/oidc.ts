import {
  AuthError,
  ClientCredentialsSource,
  ConnectorSecrets,
  ConnectorSettings,
  DatabricksAuth,
  Jwt,
  Kubernetes,
  NamespaceSecrets,
  PatSource,
  ProjectedToken,
  ServiceAccountTokens,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { Duration, Effect, FileSystem, Layer, Option, Path, PlatformError, Redacted, Ref } from "effect"
import { Base64Url } from "effect/encoding"
import { environment, instance } from "./environment.ts"

/** What the connector's own JWT says, unless a test says otherwise. */
export const connectorClaims = {
  iss: "https://oidc.eks.eu-west-1.amazonaws.com/id/AB12",
  sub: "system:serviceaccount:flyte:connector",
  aud: ["databricks"],
  exp: 3600
}

/** Signature of every JWT here: what must never be shown. */
export const signature = "S3cr3tM4rk3rS1gn4tur3"

/** A JWT in its compact form. */
export const jwtText = (claims: object = connectorClaims, header: object = { alg: "RS256" }): string =>
  [...[header, claims].map((part) => Base64Url.encode(JSON.stringify(part))), signature].join(".")

export const jwt = (claims: object = connectorClaims): Jwt.Jwt => Option.getOrThrow(Jwt.parse(jwtText(claims)))

/** A file's content, or what stands in its place. */
export type Entry =
  | string
  | { readonly type: FileSystem.File.Type }
  | { readonly unreadable: PlatformError.SystemErrorTag }

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
    const layer = Layer.merge(
      FileSystem.layerNoop({
        realPath: (path) => Effect.as(entry(path), path),
        stat: (path) =>
          Effect.map(entry(path), (found) => {
            const type = typeof found === "object" && "type" in found ? found.type : "File"
            return { type, size: BigInt(typeof found === "string" ? found.length : 0) } as FileSystem.File.Info
          }),
        readFileString: content,
        open: (path) =>
          Effect.map(
            content(path),
            (found) =>
              ({
                stat: Effect.succeed({ type: "File" }),
                readAlloc: () =>
                  Effect.succeed(found === "" ? Option.none() : Option.some(new TextEncoder().encode(found)))
              }) as unknown as FileSystem.File
          )
      }),
      Path.layer
    )
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

/** What surrounds a connector. */
export interface Surroundings {
  readonly env?: Record<string, string>
  readonly files?: { readonly layer: Layer.Layer<FileSystem.FileSystem | Path.Path> }
  readonly cluster?: { readonly layer: Layer.Layer<Kubernetes.Kubernetes | Kubernetes.KubernetesMemory> }
  readonly respond?: Parameters<typeof TokenEndpoint.layerMemory>[0]
}

const nothing = { layer: Layer.merge(FileSystem.layerNoop({}), Path.layer) }

/** A connector that serves every mode, on real sources over files, cluster and token endpoint in memory. */
export const connector = ({ env = {}, files = nothing, cluster, respond = grant }: Surroundings) =>
  DatabricksAuth.layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        PatSource.layer,
        ClientCredentialsSource.layer,
        ServiceAccountTokens.layer,
        ProjectedToken.layer,
        TokenEndpoint.layerMemory(respond)
      )
    ),
    Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory(env)]),
    Layer.provideMerge(cluster?.layer ?? Kubernetes.layerMemory()),
    Layer.provideMerge(Layer.orDie(ConnectorSettings.layerConfig)),
    Layer.provide([files.layer, environment({ FLYTE_DATABRICKS_INSTANCE: instance, ...env })])
  )

/** Who a task is; and with it, in one go, its header. */
export const resolve = (custom: Record<string, unknown> = {}, namespace: string | undefined = "team-a") =>
  DatabricksAuth.DatabricksAuth.use((auth) =>
    auth.resolve({ ...(namespace === undefined ? {} : { namespace }), custom })
  )

export const header = (resolved: DatabricksAuth.Resolved) =>
  DatabricksAuth.DatabricksAuth.use((auth) => auth.getHeader({ identity: resolved.identity })).pipe(
    Effect.map(({ authorization }) => Redacted.value(authorization))
  )

export const submit = (custom: Record<string, unknown> = {}, namespace: string | undefined = "team-a") =>
  Effect.flatMap(resolve(custom, namespace), header)
