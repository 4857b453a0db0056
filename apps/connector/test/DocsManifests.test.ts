/** The manifests of deploy/ are what the connector takes: rights that its errors name, and examples that are whole. */
import { assert, describe, it } from "@effect/vitest"
import {
  type AuthError,
  ClientCredentialsSource,
  ConnectorSecrets,
  ConnectorSettings,
  Kubernetes,
  NamespaceSecrets,
  PatSource,
  ServiceAccountTokens
} from "@flyte-databricks/databricks-auth"
import { ConfigProvider, Effect, Layer, Option, Redacted } from "effect"
import { parseAllDocuments } from "yaml"
import { fences, files, matches, read } from "./support/docs.ts"

// Charts and their values have tests of their own.
const manifests = files("deploy/{rbac,examples}/**/*.yaml")

const objects = (file: string): ReadonlyArray<Manifest> =>
  parseAllDocuments(read(file), { strict: true }).map((document) => {
    assert.deepStrictEqual([...document.errors, ...document.warnings], [], file)
    return document.toJS()
  })

const [offered = assert.fail("no ServiceAccount")] = objects("deploy/examples/oidc-namespace/serviceaccount.yaml").map(
  ({ metadata }) => metadata ?? assert.fail("no metadata")
)
const connectorAccount = { name: "flyteconnector", namespace: "flyte" }

/** The sources of credentials, in a cluster to which the examples were applied. */
const coreLayer = () => {
  const secrets = ["pat", "oauth-m2m"].flatMap((mode) => objects(`deploy/examples/${mode}/secret.yaml`))
  const cluster = Kubernetes.layerMemory(
    Object.fromEntries(secrets.map(({ metadata, stringData = {} }) => [`NAMESPACE/${metadata?.name}`, stringData])),
    { [`NAMESPACE/${offered.name}`]: offered }
  )
  return Layer.mergeAll(PatSource.layer, ClientCredentialsSource.layer, ServiceAccountTokens.layer).pipe(
    Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory()]),
    Layer.provideMerge([cluster, ConnectorSettings.layerConfig]),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })))
  )
}

const core = Effect.gen(function* () {
  return {
    memory: yield* Kubernetes.KubernetesMemory,
    own: yield* ConnectorSettings.ConnectorSettings,
    pats: yield* PatSource.PatSource,
    oauth: yield* ClientCredentialsSource.ClientCredentialsSource,
    serviceAccounts: yield* ServiceAccountTokens.ServiceAccountTokens
  }
})

describe("the manifests of deploy/", () => {
  it("have commands that lead to these manifests", () => {
    for (const file of manifests) {
      const paths = matches(read(file), /(deploy\/[\w/.-]*\.yaml)/g)
      assert.deepStrictEqual(paths, [file])
    }
  })
})

describe("the image", () => {
  it("starts from images by their digests, and from the Node.js that developers have", () => {
    const text = read("deploy/Containerfile")
    const images = matches(text, /^ARG \w+_IMAGE=(.*)$/gm)
    assert.lengthOf(images, 2)
    for (const image of images) assert.match(image, /^[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/)
    assert.deepStrictEqual(matches(text, /^FROM (?:--\S+ )?(\S+)/gm), ["${NODE_IMAGE}", "${RUNTIME_IMAGE}"])
    const { optionalDependencies } = JSON.parse(read("package.json"))
    const [version] = matches(text, /^ARG NODE_IMAGE=\S+:([\d.]+)-/gm)
    assert.deepStrictEqual([...new Set(Object.values(optionalDependencies))], [version])
  })
})

describe("the rights in deploy/rbac", () => {
  const forbidden = new Kubernetes.Forbidden({ detail: "forbidden" })
  /** What an error says is missing, as a rule has it. */
  const missing = <A, R>(effect: Effect.Effect<A, AuthError.AuthError, R>) =>
    Effect.map(Effect.flip(effect), ({ reason }) => {
      if (reason._tag !== "AccessForbidden") return assert.fail(reason.message)
      return { resource: reason.resource, verb: reason.verb, name: reason.resourceName ?? "" }
    })

  const needs = Effect.gen(function* () {
    const { memory, oauth, own, pats, serviceAccounts } = yield* core
    yield* memory.failSecret("team-a", own.tokenSecretName, forbidden)
    yield* memory.failSecret("team-a", own.oauthSecretName, forbidden)
    yield* memory.failServiceAccounts("team-a", Option.some(forbidden))
    yield* memory.setServiceAccount("team-a", offered.name, {})
    yield* memory.onTokenRequest(() => Effect.fail(new Kubernetes.KubernetesError({ reason: forbidden })))
    return {
      pat: [yield* missing(pats.namespaceSecret("team-a", own.tokenSecretName))],
      "oauth-m2m": [yield* missing(oauth.namespaceSecret("team-a", own.oauthSecretName))],
      "oidc-namespace": [
        yield* missing(serviceAccounts.discover("team-a")),
        yield* missing(serviceAccounts.mint("team-a", offered.name, own.oidcAudience))
      ]
    }
  }).pipe(Effect.provide(coreLayer()))

  it.effect("are those that errors name, mode by mode, and no more", () =>
    Effect.gen(function* () {
      for (const [mode, rights] of Object.entries(yield* needs)) {
        for (const variant of ["cluster-wide", "per-namespace"]) {
          const file = `deploy/rbac/${mode}/${variant}.yaml`
          const [role, binding, ...more] = objects(file)
          const granted = role?.rules?.flatMap(({ apiGroups, resources, resourceNames = [""], verbs }) => {
            assert.deepStrictEqual(apiGroups, [""], file)
            return resources.flatMap((resource) =>
              verbs.flatMap((verb) => resourceNames.map((name) => ({ resource, verb, name })))
            )
          })
          assert.deepStrictEqual(granted, rights, file)
          const kind = variant === "cluster-wide" ? "ClusterRole" : "Role"
          assert.deepStrictEqual([role?.kind, binding?.kind, more], [kind, `${kind}Binding`, []], file)
          assert.deepStrictEqual(binding?.roleRef, {
            apiGroup: "rbac.authorization.k8s.io",
            kind,
            name: role?.metadata?.name
          })
          assert.deepStrictEqual(binding?.subjects, [{ kind: "ServiceAccount", ...connectorAccount }], file)
          // `kubectl apply --namespace` says which.
          assert.isUndefined(role?.metadata?.namespace, file)
        }
      }
      assert.lengthOf(files("deploy/rbac/**/*.yaml"), 6)
    })
  )
})

describe("the examples in deploy/examples", () => {
  const [patch] = objects("deploy/examples/oidc-connector/deployment-patch.yaml")
  const pod = (object: Manifest | undefined) => object?.spec?.template?.spec

  it("are manifests, each with an apiVersion and a kind", () => {
    for (const file of manifests.filter((file) => !file.endsWith("-patch.yaml"))) {
      for (const { apiVersion, kind, metadata } of objects(file)) {
        assert.isString(apiVersion, file)
        assert.isString(kind, file)
        assert.isString(metadata?.name, file)
      }
    }
  })

  it.effect("hold whole credentials, once the words in capitals are replaced", () =>
    Effect.gen(function* () {
      const { oauth, own, pats, serviceAccounts } = yield* core
      const token = yield* Effect.fromOption(yield* pats.namespaceSecret("NAMESPACE", own.tokenSecretName))
      assert.strictEqual(Redacted.value(token), "PERSONAL_ACCESS_TOKEN")
      const pair = yield* Effect.fromOption(yield* oauth.namespaceSecret("NAMESPACE", own.oauthSecretName))
      assert.deepStrictEqual([pair.clientId, Redacted.value(pair.clientSecret)], ["APPLICATION_ID", "OAUTH_SECRET"])
      const { offers } = yield* serviceAccounts.discover("NAMESPACE")
      assert.deepStrictEqual(offers, [
        { serviceAccount: offered.name, clientId: "APPLICATION_ID", audience: Option.none() }
      ])
    }).pipe(Effect.provide(coreLayer()))
  )

  it.effect("have federation policies that let in what Kubernetes says in its tokens", () =>
    Effect.gen(function* () {
      const { memory, own, serviceAccounts } = yield* core
      yield* memory.setServiceAccount(connectorAccount.namespace, connectorAccount.name, {})
      const accounts = {
        "oidc-namespace": { namespace: "NAMESPACE", name: offered.name },
        "oidc-connector": connectorAccount
      }
      for (const [model, { name, namespace }] of Object.entries(accounts)) {
        const { claims } = yield* serviceAccounts.mint(namespace, name, own.oidcAudience)
        const policy = JSON.parse(read(`deploy/examples/${model}/federation-policy.json`))
        const { aud: audiences, sub: subject } = claims
        assert.deepStrictEqual(policy, { oidc_policy: { issuer: "https://ISSUER", audiences, subject } })
      }
      const [shown = ""] = fences(read("docs/modes.md"), "json")
      assert.strictEqual(shown, read("deploy/examples/oidc-namespace/federation-policy.json"))
    }).pipe(Effect.provide(coreLayer()))
  )

  it.effect("mount the projected token where the connector looks for it, for its audience", () =>
    Effect.gen(function* () {
      const { own } = yield* core
      const container = pod(patch)?.containers?.[0]
      const projected = pod(patch)?.volumes?.[0]
      const token = projected?.projected?.sources?.[0]?.serviceAccountToken
      assert.strictEqual(
        `${container?.volumeMounts?.[0]?.mountPath}/${token?.path}`,
        ConnectorSettings.defaultTokenFile
      )
      assert.strictEqual(container?.volumeMounts?.[0]?.name, projected?.name)
      assert.strictEqual(token?.audience, own.oidcAudience)
      // The container of Flyte's charts, which it patches.
      assert.strictEqual(container?.name, "flyteconnector")
    }).pipe(Effect.provide(coreLayer()))
  )
})

/** As much of a manifest as is looked at here. */
interface Manifest {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: { readonly name: string; readonly namespace?: string } & Kubernetes.MemoryServiceAccount
  readonly stringData?: Record<string, string>
  readonly rules?: ReadonlyArray<
    Record<"apiGroups" | "resources" | "verbs", Array<string>> & { resourceNames?: Array<string> }
  >
  readonly roleRef?: unknown
  readonly subjects?: unknown
  readonly spec?: { readonly template?: { readonly spec?: Pod } }
}

interface Pod {
  readonly containers?: ReadonlyArray<{
    readonly name: string
    readonly volumeMounts?: ReadonlyArray<{ readonly name: string; readonly mountPath: string }>
  }>
  readonly volumes?: ReadonlyArray<{
    readonly name: string
    readonly projected?: {
      readonly sources?: ReadonlyArray<{
        readonly serviceAccountToken?: { readonly path: string; readonly audience: string }
      }>
    }
  }>
}
