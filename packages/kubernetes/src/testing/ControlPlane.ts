/**
 * A real Kubernetes control plane for tests: kube-apiserver and etcd on loopback, with RBAC and without nodes or
 * controllers, so that nothing fills a namespace or runs a pod. Its issuer is the API server itself, and everybody may
 * read the discovery document and the keys, so that a stand-in can verify a ServiceAccount's token as Databricks does.
 *
 * Waiting is done on real time, also in a test with a `TestClock`, because the servers are processes.
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Record from "effect/Record"
import type * as Redacted from "effect/Redacted"
import * as Access from "./controlPlane/Access.ts"
import { type Assets, locate } from "./controlPlane/Assets.ts"
import type { ControlPlaneError } from "./controlPlane/ControlPlaneError.ts"
import { kubeconfig } from "./controlPlane/Kubeconfig.ts"
import * as Objects from "./controlPlane/Objects.ts"
import * as Rbac from "./controlPlane/Rbac.ts"
import * as Servers from "./controlPlane/Servers.ts"

/** Rights that a ServiceAccount was granted. */
export interface Grant {
  /** Takes them back, and waits until the API server refuses. */
  readonly revoke: Effect.Effect<void, ControlPlaneError>
}

/** A running control plane. Everything but `delete` may be done again: it then changes what is there. */
export class ControlPlane extends Context.Service<
  ControlPlane,
  {
    /** Where the API server listens, without a trailing slash. It is also the issuer of ServiceAccount tokens. */
    readonly url: string
    /** The PEM of what to trust for `url`, and a file with it. */
    readonly caPem: string
    readonly caFile: string
    /** The bearer token of a user who may do everything, and a kubeconfig file with it. */
    readonly adminToken: Redacted.Redacted
    readonly adminKubeconfig: string

    /** Applies an object. A field that the API server does not know is an error. */
    readonly apply: (object: Objects.KubernetesObject) => Effect.Effect<void, ControlPlaneError>
    /** Applies the objects of a YAML text, in order; says which they were. */
    readonly applyYaml: (text: string) => Effect.Effect<ReadonlyArray<Objects.KubernetesObject>, ControlPlaneError>
    /** Deletes an object; says whether it was there. A namespace stays, because nothing empties it. */
    readonly delete: (object: Objects.KubernetesObject) => Effect.Effect<boolean, ControlPlaneError>

    readonly createNamespace: (
      name: string,
      labels?: Readonly<Record<string, string>>
    ) => Effect.Effect<void, ControlPlaneError>
    readonly createSecret: (
      namespace: string,
      name: string,
      data: Readonly<Record<string, string>>
    ) => Effect.Effect<void, ControlPlaneError>
    readonly deleteSecret: (namespace: string, name: string) => Effect.Effect<boolean, ControlPlaneError>
    readonly createServiceAccount: (
      namespace: string,
      name: string,
      metadata?: {
        readonly labels?: Readonly<Record<string, string>>
        readonly annotations?: Readonly<Record<string, string>>
      }
    ) => Effect.Effect<void, ControlPlaneError>

    /** Grants rights, in one namespace or else in all, and waits until they hold. */
    readonly grant: (
      who: Rbac.ServiceAccountName,
      rules: ReadonlyArray<Rbac.PolicyRule>,
      namespace?: string
    ) => Effect.Effect<Grant, ControlPlaneError>
    /** What the API server says about a right. */
    readonly isAllowed: (
      who: Rbac.ServiceAccountName,
      right: Rbac.ResourceAttributes
    ) => Effect.Effect<boolean, ControlPlaneError>
    /** Waits until it says so. Needed after a binding was applied: the API server learns of it a moment later. */
    readonly untilAllowed: (
      who: Rbac.ServiceAccountName,
      right: Rbac.ResourceAttributes,
      expected?: boolean
    ) => Effect.Effect<void, ControlPlaneError>

    /** A token for these audiences; for none, one that the API server itself accepts. */
    readonly tokenFor: (
      who: Rbac.ServiceAccountName,
      options?: { readonly audiences?: ReadonlyArray<string>; readonly expirationSeconds?: number }
    ) => Effect.Effect<Redacted.Redacted, ControlPlaneError>
    /** A kubeconfig file for the ServiceAccount, which may do what it was granted and nothing else. */
    readonly kubeconfigFor: (who: Rbac.ServiceAccountName) => Effect.Effect<string, ControlPlaneError>
  }
>()("@flyte-databricks/kubernetes/testing/ControlPlane") {}

const make = Effect.fnUntraced(function* (assets: Assets) {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { adminToken, caPem, client, directory, url } = yield* Servers.start(assets)
  const objects = Objects.make(client)
  const access = Access.make(client)

  const writeFile = Effect.fnUntraced(function* (name: string, content: string) {
    const file = path.join(directory, name)
    // The directory is ours.
    yield* Effect.orDie(fileSystem.writeFileString(file, content, { mode: 0o600 }))
    return file
  })
  const writeKubeconfig = (user: string, token: Redacted.Redacted) =>
    writeFile(`${user}.kubeconfig`, kubeconfig({ url, caPem, user, token }))

  const createNamespace = (name: string, labels = {}) =>
    objects.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } })

  const secret = (namespace: string, name: string) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace, name }
  })

  const grant = Effect.fnUntraced(function* (
    who: Rbac.ServiceAccountName,
    rules: ReadonlyArray<Rbac.PolicyRule>,
    namespace?: string
  ) {
    const { binding, role } = Rbac.roleFor(who, rules, namespace)
    const rights = rules.flatMap((rule) => Rbac.rightsOf(rule, namespace))
    const untilEach = (expected: boolean) =>
      Effect.forEach(rights, (right) => access.untilAllowed(who, right, expected), { discard: true }).pipe(onRealTime)
    yield* objects.apply(role)
    yield* objects.apply(binding)
    yield* untilEach(true)
    return { revoke: Effect.andThen(objects.remove(binding), untilEach(false)) }
  })

  yield* objects.apply(Rbac.publicIssuer)
  return ControlPlane.of({
    url,
    caPem,
    caFile: yield* writeFile("ca.crt", caPem),
    adminToken,
    adminKubeconfig: yield* writeKubeconfig("admin", adminToken),

    apply: objects.apply,
    applyYaml: Effect.fnUntraced(function* (text) {
      const parsed = yield* Objects.parseYaml(text)
      yield* Effect.forEach(parsed, objects.apply, { discard: true })
      return parsed
    }),
    delete: objects.remove,

    createNamespace,
    createSecret: (namespace, name, data) =>
      objects.apply({ ...secret(namespace, name), data: Record.map(data, (text) => Base64.encode(text)) }),
    deleteSecret: (namespace, name) => objects.remove(secret(namespace, name)),
    createServiceAccount: (namespace, name, metadata = {}) =>
      objects.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { ...metadata, namespace, name } }),

    grant,
    isAllowed: access.isAllowed,
    untilAllowed: (who, right, expected) => onRealTime(access.untilAllowed(who, right, expected)),

    tokenFor: access.tokenFor,
    kubeconfigFor: Effect.fnUntraced(function* (who) {
      return yield* writeKubeconfig(`${who.namespace}.${who.name}`, yield* access.tokenFor(who))
    })
  })
})

const onRealTime = Effect.provideService(Clock.Clock, Clock.Clock.defaultValue())

/** The control plane that the found programs make; it runs as long as the layer lives. */
export const layer: Layer.Layer<
  ControlPlane,
  ControlPlaneError | Config.ConfigError,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path
> = Layer.effect(ControlPlane, Effect.flatMap(locate, make).pipe(onRealTime))

/**
 * Whether `layer` finds its programs, for tests that are skipped without them. Then it says so on the console; with
 * `CI=true` it fails.
 */
export const isAvailable = Effect.gen(function* () {
  const ci = yield* Config.Boolean("CI").pipe(Config.withDefault(false))
  return yield* locate.pipe(
    Effect.as(true),
    Effect.catchTag("ControlPlaneError", (error) =>
      ci ? Effect.fail(error) : Effect.as(Console.warn(`SKIPPED: ${error.message}`), false)
    )
  )
})
