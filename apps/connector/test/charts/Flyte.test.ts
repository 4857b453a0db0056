/**
 * The values for Flyte's own charts. The charts themselves are not there in tests: those of standins/ take and drop the
 * same values, and start the container by the same commands.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { PolicyRule } from "@flyte-databricks/kubernetes/testing/controlPlane/Rbac"
import { Effect, Schema } from "effect"
import * as manifests from "../kubernetes/support/manifests.ts"
import { deployed } from "../support/pods.ts"
import { charts, isAvailable, render, root, valuesFiles } from "./support/helm.ts"

const available = await Effect.runPromise(Effect.provide(isAvailable, NodeServices.layer))

const deploymentOf = (objects: ReadonlyArray<manifests.Manifest>) =>
  objects.find(({ kind }) => kind === "Deployment") ?? assert.fail("no Deployment")

/** Of all labels, those by which the Deployment knows its pods. */
const Selector = Schema.Struct({ spec: Schema.Struct({ selector: Schema.Unknown }) })
const selectorOf = (objects: ReadonlyArray<manifests.Manifest>) =>
  Effect.map(Schema.decodeUnknownEffect(Selector)(deploymentOf(objects)), ({ spec }) => spec.selector)

const env = { HELM_PLUGINS: `${root}deploy/helm` }
const postRenderer = ["--post-renderer", "flyte1-oidc-connector"]

describe.skipIf(!available)("the values for Flyte's own charts", () => {
  for (const version of ["flyte1", "flyte2"] as const) {
    const swap = valuesFiles(`${version}-values.yaml`)

    it.live(
      `${version}: change the container and its rights, and neither names nor ports nor what selects the pods`,
      () =>
        Effect.gen(function* () {
          const [before, after] = [yield* render(charts[version], []), yield* render(charts[version], swap)]
          const names = (objects: ReadonlyArray<manifests.Manifest>) =>
            objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
          assert.includeMembers(names(after), names(before))
          assert.deepStrictEqual(yield* selectorOf(after), yield* selectorOf(before))
          const { replicas, spec } = yield* deployed(deploymentOf(after))
          const [is, was] = [spec.containers[0], (yield* deployed(deploymentOf(before))).spec.containers[0]]
          for (const field of ["name", "command", "ports", "readinessProbe", "resources", "volumeMounts"] as const) {
            assert.deepStrictEqual(is[field], was[field], field)
          }
          assert.strictEqual(is.image, "IMAGE:TAG")
          assert.deepInclude(is.env ?? [], { name: "FLYTE_DATABRICKS_AUTH_TYPE", value: "pat" })
          assert.strictEqual(replicas, 2)
        }).pipe(Effect.provide(NodeServices.layer))
    )

    it.live(`${version}: give the rights of deploy/rbac and no other`, () =>
      Effect.gen(function* () {
        const role = (yield* render(charts[version], swap)).find(({ kind }) => kind === "ClusterRole")
        const spoken = (rules: ReadonlyArray<PolicyRule> = []) => rules.map(manifests.spoken).toSorted()
        assert.deepStrictEqual(
          spoken(role?.rules),
          spoken(manifests.modesWithRights.flatMap((mode) => manifests.rightsOf(mode, "cluster-wide")))
        )
      }).pipe(Effect.provide(NodeServices.layer))
    )
  }

  it.live("mount the token of Model 1: by values in Flyte 2's, by the post-renderer in Flyte 1's, both alike", () =>
    Effect.gen(function* () {
      const model1 = "flyte2-oidc-connector-values.yaml"
      const podOf = (chart: string, args: ReadonlyArray<string>) =>
        Effect.flatMap(render(chart, args, { env }), (objects) => deployed(deploymentOf(objects)))
      const first = (yield* podOf(charts.flyte1, [...valuesFiles("flyte1-values.yaml"), ...postRenderer])).spec
      const second = (yield* podOf(charts.flyte2, valuesFiles("flyte2-values.yaml", model1))).spec
      const sorted = (list: ReadonlyArray<{ readonly name: string }> = []) =>
        list.toSorted((a, b) => (a.name < b.name ? -1 : 1)).filter(({ name }) => name !== "flyteconnector")
      for (const field of ["env", "volumeMounts"] as const) {
        assert.deepStrictEqual(sorted(first.containers[0][field]), sorted(second.containers[0][field]), field)
      }
      assert.deepStrictEqual(sorted(first.volumes), sorted(second.volumes))
      // The Secret of Flyte's chart stays mounted.
      assert.deepInclude(first.containers[0].volumeMounts ?? [], { name: "flyteconnector", mountPath: "/etc/secrets" })
      // What the post-renderer is for.
      const { message } = yield* Effect.flip(render(charts.flyte1, valuesFiles("flyte1-values.yaml", model1)))
      assert.match(message, /YAML/)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
