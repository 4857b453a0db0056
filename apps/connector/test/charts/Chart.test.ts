/** The chart, as helm renders it: exactly the rights of deploy/rbac, names of its own, and no value that does nothing. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConnectorSettings } from "@flyte-databricks/databricks-auth"
import { ConfigProvider, Effect, FileSystem } from "effect"
import { parse } from "yaml"
import * as manifests from "../kubernetes/support/manifests.ts"
import { deployed } from "../support/pods.ts"
import { charts, helm, helmDocs, isAvailable, render } from "./support/helm.ts"

const available = await Effect.runPromise(Effect.provide(isAvailable, NodeServices.layer))

const image = ["--set", "image.repository=example.com/connector"]
const set = (...values: ReadonlyArray<string>) => values.flatMap((value) => ["--set", value])
const own = (args: ReadonlyArray<string>, release?: { readonly release: string; readonly namespace: string }) =>
  render(charts.own, [...image, ...args], release)

/** By the name that a mode has as an auth type. */
const modes = { pat: "pat", "oauth-m2m": "oauth_m2m", "oidc-namespace": "oidc_federation" } as const

const kinds = (objects: ReadonlyArray<manifests.Manifest>) => objects.map(({ kind }) => kind)
const ofKind = (objects: ReadonlyArray<manifests.Manifest>, kind: string) =>
  objects.find((object) => object.kind === kind) ?? assert.fail(`no ${kind} in ${kinds(objects).join(", ")}`)

const podOf = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const { spec: pod } = yield* deployed(ofKind(yield* own(args), "Deployment"))
  const [container] = pod.containers
  return { pod, container, env: Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value])) }
})

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean
}

/** Where a schema names values and lets others in. Every chart gets `global`, whatever is in it. */
const open = (schema: Schema, path: string): ReadonlyArray<string> =>
  Object.entries(schema.properties ?? {}).reduce(
    (found, [name, inner]) => [...found, ...open(inner, `${path}.${name}`)],
    schema.properties !== undefined && schema.additionalProperties !== false ? [path] : []
  )

/** The values that a schema does not name. */
const unnamed = (value: unknown, { properties }: Schema, path: string): ReadonlyArray<string> =>
  properties === undefined || typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) => {
        const named = properties[key]
        return named === undefined ? [`${path}.${key}`] : unnamed(inner, named, `${path}.${key}`)
      })

describe.skipIf(!available)("the chart", () => {
  for (const [mode, authType] of Object.entries(modes)) {
    it.live(`gives ${mode} the rights of deploy/rbac, everywhere and in one namespace, and no more`, () =>
      Effect.gen(function* () {
        for (const variant of manifests.variants) {
          const args =
            variant === "cluster-wide"
              ? set(`allNamespaces={${authType}}`)
              : set("namespaces[0].namespace=team-a", `namespaces[0].mode=${authType}`)
          const objects = (yield* own(args)).filter(({ apiVersion }) => apiVersion.startsWith("rbac."))
          const expected = manifests.rbac(mode, variant, ["team-a"])
          assert.deepStrictEqual(kinds(objects).toSorted(), kinds(expected).toSorted())
          for (const [index, object] of expected.entries()) {
            const rendered = ofKind(objects, object.kind)
            assert.deepStrictEqual(rendered.rules, object.rules)
            assert.strictEqual(rendered.metadata.namespace, object.metadata.namespace)
            if (index === 0) continue
            const account = yield* Effect.map(own(args), (all) => ofKind(all, "ServiceAccount").metadata)
            assert.deepStrictEqual(rendered["subjects"], [
              { kind: "ServiceAccount", name: account.name, namespace: "flyte" }
            ])
          }
        }
      }).pipe(Effect.provide(NodeServices.layer))
    )
  }

  it.live("gives no right that was not asked for, and a Secret or ServiceAccount by the name that it has", () =>
    Effect.gen(function* () {
      assert.notIncludeMembers(kinds(yield* own([])), ["Role", "ClusterRole"])
      const named = yield* own([
        "--set-json",
        'namespaces=[{"namespace":"a","mode":"oidc_federation","serviceAccount":"spark"},{"namespace":"a","mode":"pat","secret":"mine"}]'
      ])
      const rules = named.flatMap((object) => (object.kind === "Role" ? (object.rules ?? []) : []))
      assert.deepStrictEqual(rules.flatMap(({ resourceNames = [] }) => resourceNames).toSorted(), ["mine", "spark"])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("shares no name with another release of it, in another namespace or in the same", () =>
    Effect.gen(function* () {
      const args = [
        ...set("allNamespaces={pat,oauth_m2m,oidc_federation}", "namespaces[0].namespace=team-a"),
        ...set("namespaces[0].mode=pat", "metrics.serviceMonitor.enabled=true"),
        ...set("metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true")
      ]
      const names = (objects: ReadonlyArray<manifests.Manifest>) =>
        objects.map(({ kind, metadata: { name, namespace = "" } }) => `${kind} ${namespace}/${name}`)
      const releases = [
        { release: "one", namespace: "flyte" },
        { release: "two", namespace: "flyte" },
        { release: "one", namespace: "other" }
      ]
      const all = yield* Effect.forEach(releases, (release, index) =>
        Effect.map(own([...args, ...set(`service.name=connector-${index}`)], release), names)
      )
      assert.strictEqual(new Set(all.flat()).size, all.flat().length)
      assert.lengthOf(all[0] ?? [], 17)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("mounts the projected token where the connector looks for it, for its audience", () =>
    Effect.gen(function* () {
      const settings = yield* ConnectorSettings.fromConfig.pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: {} }))
      )
      const { pod, container, env } = yield* podOf(set("projectedToken.enabled=true", "databricks.clientId=app"))
      const [volume] = pod.volumes ?? []
      const token = volume?.projected?.sources[0]?.serviceAccountToken
      assert.strictEqual(`${container.volumeMounts?.[0]?.mountPath}/${token?.path}`, ConnectorSettings.defaultTokenFile)
      assert.strictEqual(token?.audience, settings.oidcAudience)
      assert.strictEqual(env["FLYTE_DATABRICKS_CLIENT_ID"], "app")
      const none = yield* podOf([])
      assert.deepStrictEqual([none.pod.volumes, none.container.volumeMounts], [undefined, undefined])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("has the Service that Flyte's configuration names, the ports, and time to drain", () =>
    Effect.gen(function* () {
      const objects = yield* own([])
      assert.strictEqual(ofKind(objects, "Service").metadata.name, "flyteconnector")
      const { pod, container, env } = yield* podOf(set("databricks.settings.FLYTE_DATABRICKS_POLL_PATIENCE=1 hour"))
      assert.deepStrictEqual(
        container.ports?.map(({ containerPort }) => containerPort),
        [8000, 9090]
      )
      assert.isAbove(pod.terminationGracePeriodSeconds ?? 0, 25)
      assert.strictEqual(env["FLYTE_DATABRICKS_POLL_PATIENCE"], "1 hour")
      const without = yield* podOf(set("metrics.enabled=false"))
      assert.strictEqual(without.env["FLYTE_DATABRICKS_PROMETHEUS_PORT"], "0")
      assert.lengthOf(without.container.ports ?? [], 1)
      const digest = `sha256:${"a".repeat(64)}`
      const pinned = yield* podOf(set(`image.digest=${digest}`, "image.tag=v1"))
      assert.strictEqual(pinned.container.image, `example.com/connector@${digest}`)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("closes the port to all but Flyte, and keeps a replica, unless it is told otherwise", () =>
    Effect.gen(function* () {
      assert.includeMembers(kinds(yield* own([])), ["NetworkPolicy", "PodDisruptionBudget"])
      const off = set("networkPolicy.enabled=false", "podDisruptionBudget.enabled=false")
      assert.notIncludeMembers(kinds(yield* own(off)), ["NetworkPolicy", "PodDisruptionBudget"])
      // A budget of the only replica would keep its node from being drained.
      assert.notInclude(kinds(yield* own(set("replicas=1"))), "PodDisruptionBudget")
    }).pipe(Effect.provide(NodeServices.layer))
  )

  for (const [value, problem] of [
    ["image.repositry=x", "additional properties 'repositry' not allowed"],
    ["databricks.authType=PAT", "value must be one of '', 'pat', 'oauth_m2m', 'oidc_federation'"],
    ["databricks.instance=https://x.cloud.databricks.com", "does not match pattern"],
    ["databricks.settings.FLYTE_DATABRICKS_INSTANCE=x", "invalid propertyName 'FLYTE_DATABRICKS_INSTANCE'"],
    ["databricks.settings.FLYTE_DATABRICK_INSTANCE=x", "invalid propertyName 'FLYTE_DATABRICK_INSTANCE'"],
    ["namespaces[0].namespace=a", "missing property 'mode'"],
    ["namespaces[0].namespace=a,namespaces[0].mode=pat,namespaces[0].serviceAccount=x", "'serviceAccount' not allowed"],
    ["projectedToken.expirationSeconds=60", "minimum: got 60, want 600"],
    ["image.repository=", "image.repository is not set"]
  ] as const) {
    it.live(`refuses ${value}`, () =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(own(set(value)))
        assert.include(message, problem)
      }).pipe(Effect.provide(NodeServices.layer))
    )
  }

  it.live("has a schema that names every value, and a README that is made from them", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const values = parse(yield* files.readFileString(`${charts.own}/values.yaml`))
      const schema = JSON.parse(yield* files.readFileString(`${charts.own}/values.schema.json`))
      assert.deepStrictEqual(unnamed(values, schema, ""), [])
      assert.deepStrictEqual(open(schema, ""), [])

      const copy = `${yield* files.makeTempDirectoryScoped()}/flyte-databricks-connector`
      yield* files.copy(charts.own, copy)
      yield* helmDocs(["--chart-search-root", copy, "--log-level", "warning"])
      const committed = yield* files.readFileString(`${charts.own}/README.md`)
      assert.strictEqual(committed, yield* files.readFileString(`${copy}/README.md`), "npm run generate:chart mends it")
      yield* helm(["lint", "--strict", charts.own, ...image])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
