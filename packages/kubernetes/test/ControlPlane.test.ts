import { NodeServices } from "@effect/platform-node"
import { afterAll, beforeAll, describe, it } from "@effect/vitest"
import { assertEquals, assertFalse, assertInclude, assertTrue } from "@effect/vitest/utils"
import { Kubernetes } from "@flyte-databricks/databricks-auth/Kubernetes"
import { ClusterConfig, KubernetesClient } from "@flyte-databricks/kubernetes"
import { ControlPlane, isAvailable, layer } from "@flyte-databricks/kubernetes/testing/ControlPlane"
import {
  ConfigProvider,
  Context,
  Effect,
  FileSystem,
  Layer,
  ManagedRuntime,
  Option,
  Path,
  Redacted,
  Schema
} from "effect"
import { createPublicKey, verify } from "node:crypto"
import { Agent, request } from "undici"
import { suite } from "./support/contract.ts"
import { TestCluster } from "./support/TestCluster.ts"

const readSecrets = { apiGroups: [""], resources: ["secrets"], verbs: ["get"] }

/** All that the service asks for. */
const rights = [
  readSecrets,
  { apiGroups: [""], resources: ["serviceaccounts"], verbs: ["list"] },
  { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] }
]

const Discovery = Schema.Struct({ issuer: Schema.String, jwks_uri: Schema.String })
const Jwks = Schema.Struct({
  keys: Schema.Array(Schema.Struct({ kid: Schema.String, kty: Schema.String, n: Schema.String, e: Schema.String }))
})

/** The service under test with the rights of this ServiceAccount. */
const serviceFor = Effect.fnUntraced(function* (who: { readonly namespace: string; readonly name: string }) {
  const controlPlane = yield* ControlPlane
  const file = yield* controlPlane.kubeconfigFor(who)
  return KubernetesClient.layer(ClusterConfig.Kubeconfig({ files: [file], namedBy: "the test" })).pipe(
    Layer.provide(NodeServices.layer)
  )
})

/** A new ServiceAccount without rights. */
const newServiceAccount = Effect.fnUntraced(function* (name: string) {
  const controlPlane = yield* ControlPlane
  yield* controlPlane.createNamespace("connector")
  yield* controlPlane.createServiceAccount("connector", name)
  return { namespace: "connector", name }
})

const available = await Effect.runPromise(Effect.provide(isAvailable, NodeServices.layer))

describe.skipIf(!available)("a real control plane", { timeout: 30_000 }, () => {
  const runtime = ManagedRuntime.make(Layer.provide(layer, NodeServices.layer))
  beforeAll(() => runtime.context(), 150_000)
  afterAll(() => runtime.dispose(), 30_000)
  const layerShared = Layer.effectContext(runtime.contextEffect)

  let clusters = 0
  // What every test of the contract has for itself is a ServiceAccount; objects that it made go away with it.
  const layerContract = Layer.unwrap(
    Effect.gen(function* () {
      const controlPlane = yield* ControlPlane
      const connector = yield* newServiceAccount(`contract-${clusters++}`)
      const grant = yield* controlPlane.grant(connector, rights)
      const revoke = Effect.orDie(grant.revoke)
      const object = (kind: string, namespace: string, name: string) => ({
        apiVersion: "v1",
        kind,
        metadata: { namespace, name }
      })
      const made: Array<ReturnType<typeof object>> = []
      yield* Effect.addFinalizer(() => Effect.orDie(Effect.forEach(made, controlPlane.delete)))
      return Layer.merge(
        yield* serviceFor(connector),
        Layer.succeed(TestCluster, {
          setSecret: Effect.fnUntraced(function* (namespace, name, data) {
            yield* controlPlane.createNamespace(namespace)
            yield* controlPlane.createSecret(namespace, name, data)
            made.push(object("Secret", namespace, name))
          }, Effect.orDie),
          deleteSecret: (namespace, name) => Effect.orDie(Effect.asVoid(controlPlane.deleteSecret(namespace, name))),
          // RBAC has no rule that denies.
          forbidSecret: () => revoke,
          setServiceAccount: Effect.fnUntraced(function* (namespace, name, options) {
            yield* controlPlane.createNamespace(namespace)
            yield* controlPlane.createServiceAccount(namespace, name, options)
            made.push(object("ServiceAccount", namespace, name))
          }, Effect.orDie),
          deleteServiceAccount: (namespace, name) =>
            Effect.orDie(Effect.asVoid(controlPlane.delete(object("ServiceAccount", namespace, name)))),
          forbidServiceAccounts: () => revoke,
          forbidTokens: () => revoke
        })
      )
    })
  ).pipe(Layer.provide(layerShared))
  suite("a real API server", layerContract)

  it.effect("lets a ServiceAccount read what it was granted, where it was granted, as long as it is", () =>
    Effect.gen(function* () {
      const controlPlane = yield* ControlPlane
      const connector = yield* newServiceAccount("granted")
      for (const namespace of ["granted-a", "granted-b"]) {
        yield* controlPlane.createNamespace(namespace)
        yield* controlPlane.createSecret(namespace, "databricks-token", { token: `of ${namespace}` })
      }
      const kubernetes = Context.get(yield* Layer.build(yield* serviceFor(connector)), Kubernetes)
      const read = (namespace: string) =>
        kubernetes.readSecret(namespace, "databricks-token").pipe(
          Effect.map(Option.map((data) => Object.values(data).map(Redacted.value))),
          Effect.catchReason("KubernetesError", "Forbidden", ({ detail }) => Effect.succeed(detail))
        )
      const forbidden = (namespace: string) =>
        `secrets "databricks-token" is forbidden: User "system:serviceaccount:connector:granted" cannot get resource ` +
        `"secrets" in API group "" in the namespace "${namespace}"`

      assertEquals(yield* read("granted-a"), forbidden("granted-a"))

      const grant = yield* controlPlane.grant(connector, [readSecrets], "granted-a")
      assertEquals(yield* read("granted-a"), Option.some(["of granted-a"]))
      assertEquals(yield* read("granted-b"), forbidden("granted-b"))

      yield* grant.revoke
      assertEquals(yield* read("granted-a"), forbidden("granted-a"))
    }).pipe(Effect.provide(layerShared))
  )

  it.effect("may grant a Secret by its name alone", () =>
    Effect.gen(function* () {
      const controlPlane = yield* ControlPlane
      const connector = yield* newServiceAccount("by-name")
      const right = { verb: "get", resource: "secrets", namespace: "connector" }
      yield* controlPlane.grant(connector, [{ ...readSecrets, resourceNames: ["databricks-oauth"] }])
      assertTrue(yield* controlPlane.isAllowed(connector, { ...right, name: "databricks-oauth" }))
      assertFalse(yield* controlPlane.isAllowed(connector, { ...right, name: "another" }))
    }).pipe(Effect.provide(layerShared))
  )

  it.effect("issues tokens that whoever trusts its certificate can verify", () =>
    Effect.gen(function* () {
      const { caPem, tokenFor, url } = yield* ControlPlane
      const dispatcher = new Agent({ connect: { ca: caPem } })
      yield* Effect.addFinalizer(() => Effect.promise(() => dispatcher.destroy()))
      const get = <A>(address: string, schema: Schema.Codec<A, unknown>) =>
        Effect.promise(async () => (await request(address, { dispatcher })).body.json()).pipe(
          Effect.flatMap(Schema.decodeUnknownEffect(schema))
        )

      const token = yield* tokenFor(yield* newServiceAccount("federated"), { audiences: ["databricks"] })
      const [header = "", payload = "", signature = ""] = Redacted.value(token).split(".")
      const parse = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString())
      const discovery = yield* get(`${url}/.well-known/openid-configuration`, Discovery)
      const { keys } = yield* get(discovery.jwks_uri, Jwks)
      const key = keys.find(({ kid }) => kid === parse(header).kid)

      assertEquals(discovery.issuer, url)
      assertTrue(
        verify(
          "RSA-SHA256",
          Buffer.from(`${header}.${payload}`),
          createPublicKey({ key: { ...key }, format: "jwk" }),
          Buffer.from(signature, "base64url")
        )
      )
      const { aud, iss, sub } = parse(payload)
      assertEquals(
        { aud, iss, sub },
        { aud: ["databricks"], iss: url, sub: "system:serviceaccount:connector:federated" }
      )
    }).pipe(Effect.provide(layerShared))
  )

  it.effect("applies manifests, and refuses a field that it does not know", () =>
    Effect.gen(function* () {
      const { applyYaml, delete: remove } = yield* ControlPlane
      const manifest = `
# What a template leaves empty is passed over.
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: default }
data: { colour: blue }
`
      const applied = yield* applyYaml(manifest)
      assertEquals(
        applied.map(({ kind }) => kind),
        ["ConfigMap"]
      )
      for (const object of applied) {
        assertTrue(yield* remove(object))
        assertFalse(yield* remove(object))
      }

      const { message } = yield* Effect.flip(applyYaml(manifest.replace("\ndata:", "\ndate:")))
      assertInclude(message, "PATCH /api/v1/namespaces/default/configmaps/settings")
      assertInclude(message, ".date: field not declared in schema")
    }).pipe(Effect.provide(layerShared))
  )

  it.effect(
    "leaves nothing behind when its scope closes",
    () =>
      Effect.gen(function* () {
        const fileSystem = yield* FileSystem.FileSystem
        const { adminKubeconfig, caPem, url } = yield* Effect.provide(ControlPlane, Layer.fresh(layer), { local: true })
        const error = yield* Effect.flip(
          Effect.tryPromise(() => request(url, { dispatcher: new Agent({ connect: { ca: caPem } }) }))
        )
        assertEquals((error.cause as { readonly code?: string }).code, "ECONNREFUSED")
        assertFalse(yield* fileSystem.exists(adminKubeconfig))
      }).pipe(Effect.provide(NodeServices.layer)),
    150_000
  )
})

describe("a control plane that cannot start", { timeout: 30_000 }, () => {
  /** Why it does not start with these programs. */
  const startWith = Effect.fnUntraced(function* (programs: Record<string, string>) {
    const fileSystem = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* fileSystem.makeTempDirectoryScoped()
    for (const [name, script] of Object.entries(programs)) {
      yield* fileSystem.writeFileString(path.join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o700 })
    }
    const env = { KUBEBUILDER_ASSETS: folder }
    const error = yield* Effect.flip(
      Effect.scoped(Layer.build(layer)).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
    )
    return { error, folder }
  })
  const hangs = 'echo waiting; touch "$0.waits"; exec sleep 600'

  it.effect("says which programs are missing, and how to get them", () =>
    Effect.gen(function* () {
      const { error, folder } = yield* startWith({ etcd: hangs })
      assertEquals(
        error.message,
        `No kube-apiserver in ${folder}. Run \`npm run setup:kubernetes\`, or set KUBEBUILDER_ASSETS to a folder that ` +
          "has kube-apiserver and etcd"
      )
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("shows what both programs said last when one of them ends", () =>
    Effect.gen(function* () {
      const { error } = yield* startWith({
        etcd: hangs,
        "kube-apiserver": `until [ -e "$(dirname "$0")/etcd.waits" ]; do sleep 0.05; done
          seq 1 100; echo no such flag >&2; exit 1`
      })
      assertInclude(error.message, "did not start: kube-apiserver ended")
      assertInclude(error.message, "\n99\n100\nno such flag")
      assertFalse(error.message.includes("\n70\n"))
      assertInclude(error.message, "etcd said last:\nwaiting")
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("tries other ports when another program was faster to take one", () =>
    Effect.gen(function* () {
      const fileSystem = yield* FileSystem.FileSystem
      const { error, folder } = yield* startWith({
        etcd: 'echo "$@" >> "$(dirname "$0")/starts"; echo "bind: address already in use"',
        "kube-apiserver": hangs
      })
      assertInclude(error.message, "address already in use")
      const starts = (yield* fileSystem.readFileString(`${folder}/starts`)).trim().split("\n")
      assertEquals(starts.length, 4)
      assertEquals(new Set(starts.map((flags) => /client-urls=(\S+)/.exec(flags)?.[1])).size, 4)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
