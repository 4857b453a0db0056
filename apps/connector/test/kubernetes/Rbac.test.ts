/** The rights in deploy/rbac/, on a real API server: they are enough, and none of them is too much. */
import { assert, describe } from "@effect/vitest"
import type { PolicyRule } from "@flyte-databricks/kubernetes/testing/controlPlane/Rbac"
import { Effect } from "effect"
import { parse } from "yaml"
import { refusal } from "../support/outcomes.ts"
import * as tasks from "../support/tasks.ts"
import {
  type Cluster,
  type Connector,
  connectorAccount,
  connectorPat,
  connectorPrincipal,
  inCluster,
  readyToForgive
} from "./support/Cluster.ts"
import { modesWithRights, rightsOf, spoken, variants } from "./support/manifests.ts"
import { bring, newTeam, run } from "./support/teams.ts"

interface Use {
  readonly name: string
  /** The folder of deploy/rbac/ that it needs, and what namespaces bring for it. */
  readonly needs?: keyof typeof bring
  readonly env: Readonly<Record<string, string>>
  readonly origin: (cluster: Cluster, namespace: string) => string
  /** Who it is, if the connector brings it. */
  readonly principal?: string
}

const shared = (authType: string) => ({
  FLYTE_DATABRICKS_AUTH_TYPE: authType,
  FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore"
})

const uses: ReadonlyArray<Use> = [
  {
    name: "the namespace's PAT",
    needs: "pat",
    env: { FLYTE_DATABRICKS_AUTH_TYPE: "pat" },
    origin: (_, namespace) => `Secret ${namespace}/databricks-token`
  },
  {
    name: "the namespace's service principal",
    needs: "oauth-m2m",
    env: { FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m" },
    origin: (_, namespace) => `Secret ${namespace}/databricks-oauth`
  },
  {
    name: "the namespace's ServiceAccount",
    needs: "oidc-namespace",
    env: { FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation" },
    origin: (_, namespace) => `ServiceAccount ${namespace}/databricks`
  },
  {
    name: "the connector's ServiceAccount",
    env: shared("oidc_federation"),
    principal: connectorPrincipal.id,
    origin: ({ tokenFile }) => `JWT file ${tokenFile}`
  },
  {
    name: "the connector's service principal",
    env: shared("oauth_m2m"),
    principal: connectorPrincipal.id,
    origin: () => "connector"
  },
  { name: "the connector's PAT", env: shared("pat"), principal: connectorPat.user, origin: () => "connector" }
]

/** Every use with a namespace that brings what it asks for. Each connector has credentials of its own for every mode. */
const prepare = (cluster: Cluster) =>
  Effect.forEach(uses, (use) =>
    Effect.gen(function* () {
      const { namespace, principal } = yield* newTeam(cluster, use.needs ?? "pat")
      const team = { namespace, principal: use.principal ?? principal }
      return { ...use, team, env: { ...cluster.withEverything, ...use.env } }
    })
  )
type Prepared = Effect.Success<ReturnType<typeof prepare>>[number]

const works = (cluster: Cluster, { env, origin, team }: Prepared) =>
  cluster.serving(env, (connector) => run(cluster, connector, team, origin(cluster, team.namespace)))

/** The rule that a text says is missing, and where. */
const ruleIn = (text: string) => {
  const [, rule = "", namespace] = /rule (\{.*\}) in namespace ([\w-]+),/.exec(text) ?? assert.fail(text)
  return { rule: parse(rule) as PolicyRule, namespace }
}

/** A task is refused, nobody is put in its place, and the error names a rule: this one, in this namespace. */
const missingRule = Effect.fnUntraced(function* (cluster: Cluster, connector: Connector, namespace: string) {
  const before = (yield* cluster.workspace.runs).length
  const { code, details, line } = yield* refusal(connector, connector.flyte.createTask(tasks.createTask({ namespace })))
  assert.deepStrictEqual([code, line?.annotations["outcome"]], ["PERMISSION_DENIED", "AccessForbidden"])
  assert.strictEqual((yield* cluster.workspace.runs).length, before)
  assert.include(details, "FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore")
  const { namespace: named, rule } = ruleIn(details)
  assert.strictEqual(named, namespace)
  return rule
})

const fails = (cluster: Cluster, { env, team }: Prepared, missing: PolicyRule) =>
  cluster.serving(env, (connector) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* missingRule(cluster, connector, team.namespace), missing)
    })
  )

/** The rules that warnings say are missing. */
const warnedOf = ({ log }: Connector) =>
  log.lines().flatMap(({ level, message }) => (level === "WARN" ? [ruleIn(String(message)).rule] : []))

inCluster("deploy/rbac", (scenario) => {
  for (const variant of variants) {
    describe(`with the ${variant} manifests and no other right`, () => {
      scenario("every mode works", (cluster) =>
        Effect.gen(function* () {
          const all = yield* prepare(cluster)
          const namespaces = all.filter(({ needs }) => needs !== undefined).map(({ team }) => team.namespace)
          yield* cluster.give({ variant, namespaces })
          for (const use of all) yield* works(cluster, use)
        })
      )

      for (const mode of modesWithRights) {
        scenario(`${mode}: its own manifest is all that it needs, and gives no other mode anything`, (cluster) =>
          Effect.gen(function* () {
            const all = yield* prepare(cluster)
            yield* cluster.give({ variant, modes: [mode], namespaces: all.map(({ team }) => team.namespace) })
            for (const use of all) {
              const [first] = use.needs === undefined ? [] : rightsOf(use.needs, variant)
              yield* first === undefined || use.needs === mode ? works(cluster, use) : fails(cluster, use, first)
            }
          })
        )

        for (const right of rightsOf(mode, variant)) {
          scenario(
            `${mode}: but for "${spoken(right)}", it alone fails and names the rule, which mends it`,
            (cluster) =>
              Effect.gen(function* () {
                const all = yield* prepare(cluster)
                const namespaces = all.map(({ team }) => team.namespace)
                yield* cluster.give({ variant, namespaces, without: right })
                for (const use of all.filter(({ needs }) => needs !== mode)) yield* works(cluster, use)
                const [use = assert.fail(`nothing needs ${mode}`), ...others] = all.filter(
                  ({ needs }) => needs === mode
                )
                assert.deepStrictEqual(others, [])
                const { env, origin, team } = use
                yield* cluster.serving(
                  env,
                  (connector) =>
                    Effect.gen(function* () {
                      const rule = yield* missingRule(cluster, connector, team.namespace)
                      assert.deepStrictEqual(rule, right)
                      const { revoke } = yield* cluster.controlPlane.grant(connectorAccount, [rule], team.namespace)
                      yield* Effect.addFinalizer(() => Effect.orDie(revoke))
                      yield* run(cluster, connector, team, origin(cluster, team.namespace))
                    }),
                  readyToForgive
                )
              })
          )
        }
      }
    })
  }

  describe("without any right", () => {
    scenario("what the connector brings works, and what a namespace would bring is refused", (cluster) =>
      Effect.gen(function* () {
        for (const use of yield* prepare(cluster)) {
          const [first] = use.needs === undefined ? [] : rightsOf(use.needs, "cluster-wide")
          yield* first === undefined ? works(cluster, use) : fails(cluster, use, first)
        }
      })
    )
  })

  describe("with the manifests of one namespace", () => {
    for (const mode of ["pat", "oauth-m2m", "oidc-namespace"] as const) {
      scenario(`${mode}: another namespace is refused by its name`, (cluster) =>
        Effect.gen(function* () {
          const use = uses.find(({ needs }) => needs === mode) ?? assert.fail(mode)
          const [here, there] = [yield* newTeam(cluster, mode), yield* newTeam(cluster, mode)]
          yield* cluster.give({ variant: "per-namespace", modes: [mode], namespaces: [here.namespace] })
          const env = { ...cluster.withEverything, ...use.env }
          yield* works(cluster, { ...use, env, team: here })
          const [first = assert.fail(mode)] = rightsOf(mode, "per-namespace")
          yield* fails(cluster, { ...use, env, team: there }, first)
        })
      )
    }
  })

  describe("auto-detect", () => {
    scenario("goes on as before in a cluster that lets it read PATs alone, and warns of the rest once", (cluster) =>
      cluster.serving({}, (connector) =>
        Effect.gen(function* () {
          const team = yield* newTeam(cluster, "pat")
          yield* cluster.give({ variant: "cluster-wide", modes: ["pat"], namespaces: [team.namespace] })
          for (const _ of ["first", "second"]) {
            yield* run(cluster, connector, team, `Secret ${team.namespace}/databricks-token`)
          }
          const missing = ["oidc-namespace", "oauth-m2m"].map((mode) => rightsOf(mode, "cluster-wide")[0])
          assert.deepStrictEqual(warnedOf(connector), missing)
        })
      )
    )

    scenario("goes on to the connector's ServiceAccount where it may read nothing, and warns once", (cluster) =>
      cluster.serving(cluster.withModel1, (connector) =>
        Effect.gen(function* () {
          const { namespace } = yield* newTeam(cluster, "oidc-namespace")
          const team = { namespace, principal: connectorPrincipal.id }
          for (const _ of ["first", "second"]) yield* run(cluster, connector, team, `JWT file ${cluster.tokenFile}`)
          assert.deepStrictEqual(warnedOf(connector), rightsOf("oidc-namespace", "cluster-wide").slice(0, 1))
        })
      )
    )

    scenario("never falls from a ServiceAccount whose tokens it may not have to anything else", (cluster) =>
      cluster.serving(cluster.withEverything, (connector) =>
        Effect.gen(function* () {
          const { namespace } = yield* newTeam(cluster, "oidc-namespace")
          yield* bring.pat(cluster, namespace)
          const [, tokens = assert.fail("no second right")] = rightsOf("oidc-namespace", "cluster-wide")
          yield* cluster.give({ variant: "cluster-wide", namespaces: [namespace], without: tokens })
          assert.deepStrictEqual(yield* missingRule(cluster, connector, namespace), tokens)
          assert.deepStrictEqual(yield* cluster.workspace.requests.all(), [])
        })
      )
    )
  })
})
