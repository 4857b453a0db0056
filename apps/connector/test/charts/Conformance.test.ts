/** Everything that charts render and deploy/ holds is of kinds and fields that the API server has. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import {
  isAvailable as hasControlPlane,
  layer as layerControlPlane
} from "@flyte-databricks/kubernetes/testing/ControlPlane"
import { Effect, FileSystem, Layer } from "effect"
import { readFileSync } from "node:fs"
import { stringify } from "yaml"
import { files as filesOf } from "../support/docs.ts"
import { charts, isAvailable, kubeconform, render, root, valuesFiles } from "./support/helm.ts"
import * as schemas from "./support/schemas.ts"

const available = await Effect.runPromise(
  Effect.all([isAvailable, hasControlPlane]).pipe(
    Effect.map((all) => all.every((each) => each)),
    Effect.provide(NodeServices.layer)
  )
)

/** All that the chart can render at once. */
const everything = {
  image: { repository: "example.com/connector" },
  imagePullSecrets: ["registry"],
  databricks: { instance: "dbc-a1b2.cloud.databricks.com", authType: "pat", clientId: "app", secretName: "own" },
  projectedToken: { enabled: true },
  namespaces: [
    { namespace: "fraud", mode: "oidc_federation", serviceAccount: "spark" },
    { namespace: "billing", mode: "pat" },
    { namespace: "search", mode: "oauth_m2m", secret: "ours" }
  ],
  allNamespaces: ["pat", "oauth_m2m", "oidc_federation"],
  service: { annotations: { a: "b" } },
  serviceAccount: { annotations: { a: "b" } },
  metrics: { dashboard: { enabled: true } },
  podAnnotations: { a: "b" },
  podLabels: { a: "b" },
  priorityClassName: "high",
  nodeSelector: { a: "b" },
  tolerations: [{ key: "a", operator: "Exists" }],
  affinity: { nodeAffinity: {} },
  extraEnv: [{ name: "A", value: "b" }],
  extraVolumes: [{ name: "ca", secret: { secretName: "ca" } }],
  extraVolumeMounts: [{ name: "ca", mountPath: "/etc/ca" }]
}

const control = layerControlPlane.pipe(Layer.provideMerge(NodeServices.layer))

describe.skipIf(!available)("manifests", () => {
  layer(control, { timeout: "2 minutes" })((it) => {
    it.effect("have kinds and fields that the API server has, and one that it has not is refused", () =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const location = yield* schemas.write
        const directory = yield* files.makeTempDirectoryScoped()
        const values = `${directory}/everything.yaml`
        yield* files.writeFileString(values, stringify(everything))
        const rendered = {
          own: yield* render(charts.own, ["--values", values]),
          flyte1: yield* render(charts.flyte1, [...valuesFiles("flyte1-values.yaml"), "--set", "rbac.enabled=true"]),
          flyte2: yield* render(charts.flyte2, valuesFiles("flyte2-values.yaml", "flyte2-oidc-connector-values.yaml"))
        }
        const written = yield* Effect.forEach(Object.entries(rendered), ([name, objects]) => {
          const file = `${directory}/${name}.yaml`
          const text = objects.map((object) => stringify(object)).join("---\n")
          return Effect.as(files.writeFileString(file, text), file)
        })
        const manifests = filesOf("deploy/{rbac,examples}/**/*.yaml")
          .filter((file) => !file.endsWith("-patch.yaml"))
          .map((file) => `${root}${file}`)
        const said = yield* kubeconform(location, [...written, ...manifests])
        assert.match(said, /Valid: (2[5-9]|[3-9]\d), Invalid: 0, Errors: 0, Skipped: 0/)

        const wrong = `${directory}/wrong.yaml`
        yield* files.writeFileString(
          wrong,
          readFileSync(written[0] ?? "", "utf8").replace("minAvailable:", "minimumAvailable:")
        )
        const { message } = yield* Effect.flip(kubeconform(location, [wrong]))
        assert.include(message, "minimumAvailable")
      })
    )
  })
})
