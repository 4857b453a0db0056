/** The check that deploy/rbac/README.md ends with, typed as it stands there. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { run } from "../support/commands.ts"
import * as tasks from "../support/tasks.ts"
import { inCluster } from "./support/Cluster.ts"

const readme = readFileSync(new URL("../../../../deploy/rbac/README.md", import.meta.url), "utf8")
const [, check = ""] = /Each of these then says[^`]*(?:`[^`]+`[^`]*)*?```sh\n([^`]*)```/.exec(readme) ?? []

inCluster("the rights' README", (scenario) => {
  describe("asks with `kubectl auth can-i`", () => {
    for (const { account, answers } of [
      { account: "databricks", answers: ["yes", "yes", "yes", "yes"] },
      // The manifest names another, so that the last right is missing: the task would fail.
      { account: "spark", answers: ["yes", "yes", "yes", "no"] }
    ]) {
      scenario(`for a namespace that has labelled ${account}`, (cluster) =>
        Effect.gen(function* () {
          const { controlPlane } = cluster
          const namespace = yield* cluster.newNamespace()
          yield* controlPlane.createServiceAccount(namespace, account, {
            labels: { "flyte.org/databricks-enabled": "true" }
          })
          yield* cluster.give({ variant: "per-namespace", namespaces: [namespace] })
          // `can-i` exits with 1 where it says no.
          const script = check
            .replaceAll("NAMESPACE", namespace)
            .replaceAll(/^(kubectl auth .*?)( *#.*)?$/gm, "$1 || true")
          const said = yield* run("bash", ["-c", script], { KUBECONFIG: controlPlane.adminKubeconfig })
          assert.deepStrictEqual(said.trim().split("\n"), answers)
          // A scenario ends by looking for secrets in what connectors said.
          yield* cluster.serving({}, ({ flyte }) => Effect.flip(flyte.createTask(tasks.createTask({ namespace }))))
        })
      )
    }
  })
})
