/** Every mode on a real API server: what it stores, lists, issues and signs is what the connector goes by. */
import { assert, describe } from "@effect/vitest"
import { ServiceAccountTokens } from "@flyte-databricks/databricks-auth"
import { Effect } from "effect"
import { jobsTokens, refusal } from "../support/outcomes.ts"
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
import { newTeam, run } from "./support/teams.ts"

const subjectOf = (namespace: string, name: string) => `system:serviceaccount:${namespace}:${name}`
const model1 = subjectOf(connectorAccount.namespace, connectorAccount.name)

const withClaim = (claims: object) => (token: string) => {
  const [header = "", payload = "", signature = ""] = token.split(".")
  const changed = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), ...claims }
  return [header, Buffer.from(JSON.stringify(changed)).toString("base64url"), signature].join(".")
}

const atWorkspace = ({ exchanges }: Cluster) =>
  Effect.map(exchanges, (all) => all.map(({ claims: { aud, iss, sub }, clientId }) => ({ aud, iss, sub, clientId })))

inCluster("a real API server", (scenario) => {
  describe("a task runs as", () => {
    scenario("the connector's ServiceAccount, by its projected token (Model 1)", (cluster) =>
      cluster.serving({ FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore", ...cluster.withModel1 }, (connector) =>
        Effect.gen(function* () {
          const team = { namespace: yield* cluster.newNamespace(), principal: connectorPrincipal.id }
          yield* run(cluster, connector, team, `JWT file ${cluster.tokenFile}`)
          assert.deepStrictEqual(yield* atWorkspace(cluster), [
            { clientId: connectorPrincipal.id, iss: cluster.controlPlane.url, aud: ["databricks"], sub: model1 }
          ])
          assert.deepStrictEqual(yield* cluster.workspace.refusals, [])
        })
      )
    )

    scenario("its namespace's ServiceAccount, each namespace as a service principal of its own (Model 2)", (cluster) =>
      cluster.serving({ FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation", ...cluster.withEverything }, (connector) =>
        Effect.gen(function* () {
          const teams = [yield* newTeam(cluster, "oidc-namespace"), yield* newTeam(cluster, "oidc-namespace")]
          const namespaces = teams.map(({ namespace }) => namespace)
          yield* cluster.give({ variant: "cluster-wide", modes: ["oidc-namespace"], namespaces })
          for (const team of teams) yield* run(cluster, connector, team, `ServiceAccount ${team.namespace}/databricks`)
          assert.deepStrictEqual(
            yield* atWorkspace(cluster),
            teams.map(({ namespace, principal }) => ({
              clientId: principal,
              iss: cluster.controlPlane.url,
              aud: ["databricks"],
              sub: subjectOf(namespace, "databricks")
            }))
          )
          assert.strictEqual(new Set(yield* jobsTokens(cluster.workspace, "submit")).size, 2)
        })
      )
    )

    scenario("its namespace's ServiceAccount, for the audience that its annotation asks for", (cluster) =>
      cluster.serving({ FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation" }, (connector) =>
        Effect.gen(function* () {
          const { controlPlane, workspace } = cluster
          const namespace = yield* cluster.newNamespace()
          const subject = subjectOf(namespace, "databricks")
          const policy = { issuer: controlPlane.url, audiences: ["https://dbx.example.com"], subject }
          const principal = `sp-of-${namespace}`
          yield* workspace.addServicePrincipal({
            applicationId: principal,
            secrets: [],
            federationPolicies: [policy]
          })
          const { audienceAnnotation, clientIdAnnotation, enabledLabel } = ServiceAccountTokens
          yield* controlPlane.createServiceAccount(namespace, "databricks", {
            labels: { [enabledLabel]: "true" },
            annotations: { [clientIdAnnotation]: principal, [audienceAnnotation]: policy.audiences[0] ?? "" }
          })
          yield* cluster.give({ variant: "cluster-wide", modes: ["oidc-namespace"], namespaces: [namespace] })
          yield* run(cluster, connector, { namespace, principal }, `ServiceAccount ${namespace}/databricks`)
          assert.deepStrictEqual(
            (yield* cluster.exchanges).map(({ claims: { aud } }) => aud),
            [policy.audiences]
          )
        })
      )
    )

    scenario("who its namespace brings, whichever the mode is, side by side in one connector", (cluster) =>
      cluster.serving({ FLYTE_DATABRICKS_ACCESS_TOKEN: connectorPat.token }, (connector) =>
        Effect.gen(function* () {
          const teams = [
            { ...(yield* newTeam(cluster, "pat")), from: "Secret", name: "databricks-token" },
            { ...(yield* newTeam(cluster, "oauth-m2m")), from: "Secret", name: "databricks-oauth" },
            { ...(yield* newTeam(cluster, "oidc-namespace")), from: "ServiceAccount", name: "databricks" }
          ]
          const without = { namespace: yield* cluster.newNamespace(), principal: connectorPat.user }
          const namespaces = [...teams, without].map(({ namespace }) => namespace)
          yield* cluster.give({ variant: "cluster-wide", namespaces })
          for (const { from, name, ...team } of teams) {
            yield* run(cluster, connector, team, `${from} ${team.namespace}/${name}`)
          }
          yield* run(cluster, connector, without, "connector")
        })
      )
    )
  })

  describe("a token is refused", () => {
    const ignoring = { FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore" }
    const refusedFor = Effect.fnUntraced(function* (cluster: Cluster, connector: Connector, reason: RegExp) {
      const { code, details } = yield* refusal(connector, connector.flyte.createTask(tasks.createTask()))
      assert.strictEqual(code, "UNAUTHENTICATED")
      const reasons = (yield* cluster.workspace.refusals).map((refused) => refused.reason)
      assert.lengthOf(reasons, 1)
      assert.match(reasons[0] ?? "", reason)
      // The connector has a secret and a PAT as well.
      assert.deepStrictEqual(yield* cluster.workspace.runs, [])
      return details
    })

    scenario("when it is another ServiceAccount's; the policy that the error proposes lets it in", (cluster) =>
      cluster.serving(
        { ...ignoring, ...cluster.withEverything },
        (connector) =>
          Effect.gen(function* () {
            const namespace = yield* cluster.newNamespace()
            yield* cluster.controlPlane.createServiceAccount(namespace, "another")
            yield* cluster.projectToken({ who: { namespace, name: "another" } })
            const details = yield* refusedFor(cluster, connector, /^policy-1: sub is/)
            const proposed = JSON.parse(/ --json '(\{"oidc_policy".*\})'$/m.exec(details)?.[1] ?? assert.fail(details))
            assert.strictEqual(proposed.oidc_policy.subject, subjectOf(namespace, "another"))
            yield* cluster.workspace.addFederationPolicy(proposed.oidc_policy, connectorPrincipal.id)
            const team = { namespace, principal: connectorPrincipal.id }
            yield* run(cluster, connector, team, `JWT file ${cluster.tokenFile}`)
          }),
        readyToForgive
      )
    )

    scenario("when it is for another audience", (cluster) =>
      cluster.serving({ ...ignoring, ...cluster.withEverything }, (connector) =>
        Effect.gen(function* () {
          yield* cluster.projectToken({ audience: "vault" })
          assert.include(yield* refusedFor(cluster, connector, /aud/), "aud: vault")
        })
      )
    )

    scenario("when somebody changed what it says", (cluster) =>
      cluster.serving({ ...ignoring, ...cluster.withEverything }, (connector) =>
        Effect.gen(function* () {
          yield* cluster.projectToken({ change: withClaim({ exp: 4_102_444_800 }) })
          assert.include(yield* refusedFor(cluster, connector, /signature/), "The subject token is invalid")
        })
      )
    )
  })

  describe("the connector's projected token", () => {
    scenario("is read again for each exchange, so that the kubelet may rotate it", (cluster) =>
      cluster.serving({ FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore", ...cluster.withModel1 }, ({ flyte }) =>
        Effect.gen(function* () {
          const resourceMeta = yield* flyte.createTask(tasks.createTask())
          yield* cluster.projectToken()
          yield* flyte.getTask(resourceMeta)
          yield* cluster.workspace.revokeTokens()
          yield* flyte.getTask(resourceMeta)
          const ids = (yield* cluster.exchanges).map(({ claims }) => claims.jti)
          assert.deepStrictEqual([ids.length, new Set(ids).size], [2, 2])
        })
      )
    )
  })
})
