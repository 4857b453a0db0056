/**
 * The values for Flyte's own charts. No registry has the charts themselves: those of standins/ take and drop the same
 * values, and start the container by the same commands. FLYTE1_CHART and FLYTE2_CHART name folders of real ones.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { PolicyRule } from "@flyte-databricks/kubernetes/testing/controlPlane/Rbac"
import { Effect, Schema } from "effect"
import * as manifests from "../kubernetes/support/manifests.ts"
import * as Docs from "../support/docs.ts"
import { deployed } from "../support/pods.ts"
import { charts, isAvailable, render, root, valuesFiles } from "./support/helm.ts"

const available = await Effect.runPromise(Effect.provide(isAvailable, NodeServices.layer))

const deploymentOf = (objects: ReadonlyArray<manifests.Manifest>) =>
  objects.find(({ kind }) => kind === "Deployment") ?? assert.fail("no Deployment")

/** Of all labels, those by which the Deployment knows its pods. */
const Selector = Schema.Struct({ spec: Schema.Struct({ selector: Schema.Unknown }) })
const selectorOf = (objects: ReadonlyArray<manifests.Manifest>) =>
  Effect.map(Schema.decodeUnknownEffect(Selector)(deploymentOf(objects)), ({ spec }) => spec.selector)

/** What docs/swap.md has people set who come from there. */
const keepingEverybody = (from: string) =>
  Docs.rows(Docs.section("docs/swap.md", "First step: nobody changes"))
    .find(([cell]) => cell === from)
    ?.flatMap((cell) => Docs.spans(cell)) ?? assert.fail(from)

const env = { HELM_PLUGINS: `${root}deploy/helm` }
const postRenderer = ["--post-renderer", "flyte1-oidc-connector"]

describe.skipIf(!available)("the values for Flyte's own charts", () => {
  for (const [version, from] of [
    ["flyte1", "1.13.0 to 1.16.14"],
    ["flyte2", "Flyte 2's own connector"]
  ] as const) {
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
          const set = (is.env ?? []).map(({ name, value }) => `${name}=${value}`)
          assert.deepStrictEqual(set, ["FLYTE_DATABRICKS_INSTANCE=WORKSPACE", ...keepingEverybody(from)])
          assert.strictEqual(replicas, 2)
        }).pipe(Effect.provide(NodeServices.layer))
    )

    it.live(`${version}: give the rights of deploy/rbac and no other, where the release has any`, () =>
      Effect.gen(function* () {
        const roleOf = (args: ReadonlyArray<string>) =>
          Effect.map(render(charts[version], args), (objects) => objects.find(({ kind }) => kind === "ClusterRole"))
        assert.isUndefined(yield* roleOf(swap), "rights that the release does not have")
        const role = yield* roleOf([...swap, "--set", "rbac.enabled=true"])
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
        list
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
          // A patch takes nothing out: tasks that chose nothing before go on choosing nothing.
          .filter(({ name }) => name !== "flyteconnector" && name !== "FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE")
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
