/** `doctor`, `explain` and `onboard` on a real API server. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe } from "@effect/vitest"
import type { PolicyRule } from "@flyte-databricks/kubernetes/testing/controlPlane/Rbac"
import { Effect, FileSystem } from "effect"
import { parseAllDocuments } from "yaml"
import type * as Report from "@flyte-databricks/diagnosis/Report"
import { commandLine } from "../diagnose/Bench.ts"
import { type Cluster, inCluster } from "./support/Cluster.ts"
import { type Manifest, modesWithRights, rightsOf, spoken, variants } from "./support/manifests.ts"
import { newTeam } from "./support/teams.ts"

const authTypes: Readonly<Record<string, string>> = {
  pat: "pat",
  "oauth-m2m": "oauth_m2m",
  "oidc-namespace": "oidc_federation"
}

const run = Effect.fnUntraced(function* (
  cluster: Cluster,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
) {
  const ca = `${cluster.directory}/ca.pem`
  yield* FileSystem.FileSystem.use((files) => files.writeFileString(ca, cluster.controlPlane.caPem)).pipe(
    Effect.provide(NodeServices.layer)
  )
  const answer = yield* commandLine(args, {
    FLYTE_DATABRICKS_INSTANCE: cluster.workspace.url,
    FLYTE_DATABRICKS_CA_FILE: ca,
    FLYTE_SECRETS_DEFAULT_DIR: `${cluster.directory}/mounted`,
    KUBECONFIG: cluster.kubeconfig,
    ...env
  })
  yield* cluster.say(answer.stdout)
  yield* cluster.say(answer.stderr)
  return answer
})

/** What `doctor` finds about rights. */
const rightsFound = Effect.fnUntraced(function* (cluster: Cluster, mode: string, namespace: string) {
  const { stdout } = yield* run(cluster, ["doctor", "--namespace", namespace, "-o", "json"], {
    FLYTE_DATABRICKS_AUTH_TYPE: authTypes[mode] ?? ""
  })
  const report = JSON.parse(stdout) as Report.Report
  return report.checks.filter(({ check }) => check === "rights")
})

const named = (right: PolicyRule) =>
  `${right.verbs[0]} ${right.resources[0]}${right.resourceNames === undefined ? "" : ` named ${right.resourceNames[0]}`}`

inCluster("doctor, on kube-apiserver,", (scenario) => {
  for (const variant of variants) {
    for (const mode of modesWithRights) {
      scenario(
        `finds the ${variant} rights of ${mode} right, and names the one that is missing with its line`,
        (cluster) =>
          Effect.gen(function* () {
            const { namespace } = yield* newTeam(cluster, mode as "pat")
            yield* Effect.scoped(
              Effect.gen(function* () {
                yield* cluster.give({ variant, modes: [mode], namespaces: [namespace] })
                const found = yield* rightsFound(cluster, mode, namespace)
                assert.deepStrictEqual(
                  found.map(({ status }) => status),
                  ["ok"],
                  found[0]?.text
                )
              })
            )
            for (const right of rightsOf(mode, variant)) {
              yield* Effect.scoped(
                Effect.gen(function* () {
                  yield* cluster.give({ variant, modes: [mode], namespaces: [namespace], without: right })
                  const found = yield* rightsFound(cluster, mode, namespace)
                  assert.lengthOf(found, 1, spoken(right))
                  assert.deepInclude(found[0], { status: "error", code: "FDC105" })
                  assert.include(
                    found[0]?.text,
                    `It may not ${named(right)} in namespace ${namespace}: deploy/rbac/${mode}/`
                  )
                  assert.match(found[0]?.text ?? "", /, line \d+\./)
                })
              )
            }
          })
      )
    }
  }
})

inCluster("doctor, on kube-apiserver, of a ServiceAccount of another name,", (scenario) => {
  scenario("names the right to its tokens, which the manifest gives for another", (cluster) =>
    Effect.gen(function* () {
      const namespace = yield* cluster.newNamespace()
      yield* cluster.controlPlane.createServiceAccount(namespace, "spark", {
        labels: { "flyte.org/databricks-enabled": "true" },
        annotations: { "flyte.org/databricks-client-id": `sp-of-${namespace}` }
      })
      yield* cluster.give({ variant: "per-namespace", modes: ["oidc-namespace"], namespaces: [namespace] })
      const found = yield* rightsFound(cluster, "oidc-namespace", namespace)
      assert.lengthOf(found, 1)
      assert.include(
        found[0]?.text,
        `It may not create serviceaccounts/token named spark in namespace ${namespace}: deploy/rbac/oidc-namespace/`
      )
    })
  )
})

inCluster("onboard, on kube-apiserver,", (scenario) => {
  describe("with what it prints applied", () => {
    scenario("makes explain sound", (cluster) =>
      Effect.gen(function* () {
        const namespace = yield* cluster.newNamespace()
        const applicationId = `sp-of-${namespace}`
        const onboard = ["onboard", namespace, "--mode", "oidc", "--service-principal", applicationId]
        const before = yield* run(cluster, ["explain", "--namespace", namespace], {
          FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation"
        })
        assert.strictEqual(before.exitCode, 1)

        const { stdout } = yield* run(cluster, [...onboard, "-o", "yaml"])
        const manifests = parseAllDocuments(stdout).map((document): Manifest => document.toJS())
        yield* Effect.acquireRelease(Effect.forEach(manifests, cluster.controlPlane.apply), () =>
          Effect.orDie(Effect.forEach(manifests, cluster.controlPlane.delete))
        )
        const commands = yield* run(cluster, onboard)
        const [, policy = ""] = /--json '(.*)'/.exec(commands.stdout) ?? []
        const { issuer, audiences, subject } = JSON.parse(policy).oidc_policy
        yield* cluster.workspace.addServicePrincipal({
          applicationId,
          secrets: [],
          federationPolicies: [{ issuer, audiences, subject }]
        })
        const rules = manifests.flatMap(({ rules = [] }) => rules)
        yield* cluster.untilHeld(rules, [namespace], true)

        const after = yield* run(cluster, ["explain", "--namespace", namespace], {
          FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation"
        })
        assert.strictEqual(after.exitCode, 0, after.stdout)
        assert.include(after.stdout, "The issuer publishes the key that signed the JWT.")
      })
    )
  })
})
