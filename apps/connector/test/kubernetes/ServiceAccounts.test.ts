/** ServiceAccounts that change while tasks run: new tasks follow what Kubernetes says now, runs stay who they are. */
import { assert, describe } from "@effect/vitest"
import { ServiceAccountTokens } from "@flyte-databricks/databricks-auth"
import { type Duration, Effect, Layer } from "effect"
import { phaseOf } from "../support/FlyteClient.ts"
import { readMetadata, refusal, verdict } from "../support/outcomes.ts"
import * as tasks from "../support/tasks.ts"
import { type Cluster, type Connector, connectorPrincipal, inCluster, readyToForgive } from "./support/Cluster.ts"
import { addFederated, newTeam, type Team } from "./support/teams.ts"

const { clientIdAnnotation, DiscoveryTimeToLive, enabledLabel } = ServiceAccountTokens

const timeToLive = (duration: Duration.Input) =>
  Layer.succeed(DiscoveryTimeToLive, { present: duration, absent: duration })
/** What was discovered is asked for anew each time. */
const forgetful = Layer.merge(timeToLive(0), readyToForgive)
/** What was discovered stays for as long as the connector does. */
const stubborn = timeToLive("1 day")

const explicit = { FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation" }

const labels = { [enabledLabel]: "true" }
const annotations = (clientId: string) => ({ [clientIdAnnotation]: clientId })

/** Every test: a namespace that brings a ServiceAccount, and a connector that has the rights for it. */
const prepare = Effect.fnUntraced(function* (cluster: Cluster) {
  const team = yield* newTeam(cluster, "oidc-namespace")
  yield* cluster.give({ variant: "cluster-wide", modes: ["oidc-namespace"], namespaces: [team.namespace] })
  return team
})

/** Creates a task, and says who its run is. */
const submit = Effect.fnUntraced(function* ({ workspace }: Cluster, { flyte }: Connector, { namespace }: Team) {
  const before = (yield* workspace.runs).length
  const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace, execution: `f${before}` }))
  const [run, ...more] = (yield* workspace.runs).slice(before)
  assert.deepStrictEqual(more, [])
  return { resourceMeta, runAs: run?.runAs, run }
})

const refusedSubmit = Effect.fnUntraced(function* (cluster: Cluster, connector: Connector, { namespace }: Team) {
  const before = (yield* cluster.workspace.runs).length
  const answer = yield* refusal(connector, connector.flyte.createTask(tasks.createTask({ namespace })))
  assert.strictEqual((yield* cluster.workspace.runs).length, before)
  return answer
})

/** The run is followed and cancelled, as who it was submitted; nobody else can see it in the workspace. */
const goesOn = Effect.fnUntraced(function* ({ workspace }: Cluster, { flyte }: Connector, resourceMeta: Uint8Array) {
  assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
  yield* flyte.deleteTask(resourceMeta)
  const runs = yield* workspace.runs
  const runId = readMetadata(resourceMeta)["run_id"]
  assert.strictEqual(runs.find((run) => String(run.runId) === runId)?.lifeCycleState, "TERMINATING")
})

inCluster("ServiceAccounts that change", (scenario) => {
  describe("the annotation names another service principal", () => {
    const rename = Effect.fnUntraced(function* (cluster: Cluster, { namespace, principal }: Team) {
      const renamed = `${principal}-renamed`
      yield* addFederated(cluster, namespace, renamed)
      yield* cluster.controlPlane.createServiceAccount(namespace, "databricks", {
        labels,
        annotations: annotations(renamed)
      })
      return renamed
    })

    scenario("the next task is that one, once the discovery ended; the run before goes on as it was", (cluster) =>
      cluster.serving(
        explicit,
        (connector) =>
          Effect.gen(function* () {
            const team = yield* prepare(cluster)
            const before = yield* submit(cluster, connector, team)
            const renamed = yield* rename(cluster, team)
            const after = yield* submit(cluster, connector, team)
            assert.deepStrictEqual([before.runAs, after.runAs], [team.principal, renamed])
            yield* goesOn(cluster, connector, before.resourceMeta)
            yield* goesOn(cluster, connector, after.resourceMeta)
          }),
        forgetful
      )
    )

    scenario(
      "until the discovery ends, or the connector starts again, a task is the one before; its run is nobody else's",
      (cluster) =>
        Effect.gen(function* () {
          const team = yield* prepare(cluster)
          const { before, renamed } = yield* cluster.serving(
            explicit,
            (connector) =>
              Effect.gen(function* () {
                const before = yield* submit(cluster, connector, team)
                const renamed = yield* rename(cluster, team)
                assert.strictEqual((yield* submit(cluster, connector, team)).runAs, team.principal)
                return { before, renamed }
              }),
            stubborn
          )
          yield* cluster.serving(
            explicit,
            (connector) =>
              Effect.gen(function* () {
                assert.strictEqual((yield* submit(cluster, connector, team)).runAs, renamed)
                // It has no token of the one before, and exchanges no JWT of an account that now offers somebody else.
                const { phase, message } = yield* verdict(connector, connector.flyte.getTask(before.resourceMeta))
                assert.strictEqual(phase, "FAILED")
                assert.include(message, renamed)
              }),
            stubborn
          )
          assert.deepStrictEqual(
            (yield* cluster.exchanges).map(({ clientId }) => clientId),
            [team.principal, renamed]
          )
        })
    )
  })

  describe("a second one is offered", () => {
    const other = (team: Team) => [team.namespace, "another"] as const

    scenario("tasks are refused, with both names, until one is withdrawn; the run before goes on", (cluster) =>
      cluster.serving(
        { ...explicit, ...cluster.withEverything },
        (connector) =>
          Effect.gen(function* () {
            const team = yield* prepare(cluster)
            const { resourceMeta } = yield* submit(cluster, connector, team)
            const metadata = { labels, annotations: annotations(connectorPrincipal.id) }
            yield* cluster.controlPlane.createServiceAccount(...other(team), metadata)

            const { code, details, line } = yield* refusedSubmit(cluster, connector, team)
            assert.deepStrictEqual([code, line?.annotations["outcome"]], ["FAILED_PRECONDITION", "CredentialsBroken"])
            assert.include(details, `Namespace ${team.namespace} has 2 ServiceAccounts`)
            assert.include(details, `: another, databricks.`)
            assert.include(details, `${enabledLabel}=true on one of them`)
            yield* goesOn(cluster, connector, resourceMeta)

            // Server-side apply takes away what it set before and no longer sets.
            yield* cluster.controlPlane.createServiceAccount(...other(team), { annotations: metadata.annotations })
            assert.strictEqual((yield* submit(cluster, connector, team)).runAs, team.principal)
          }),
        forgetful
      )
    )

    scenario("without a client id it is no offer, and in the way of nothing", (cluster) =>
      cluster.serving(
        explicit,
        (connector) =>
          Effect.gen(function* () {
            const team = yield* prepare(cluster)
            yield* cluster.controlPlane.createServiceAccount(...other(team), { labels, annotations: annotations(" ") })
            assert.strictEqual((yield* submit(cluster, connector, team)).runAs, team.principal)
          }),
        forgetful
      )
    )
  })

  describe("the label is removed", () => {
    const withdraw = (cluster: Cluster, { namespace, principal }: Team) =>
      cluster.controlPlane.createServiceAccount(namespace, "databricks", { annotations: annotations(principal) })

    scenario(
      "tasks are the connector's ServiceAccount, where it is whole (Model 1); the run before goes on",
      (cluster) =>
        cluster.serving(
          { ...explicit, ...cluster.withModel1 },
          (connector) =>
            Effect.gen(function* () {
              const team = yield* prepare(cluster)
              const before = yield* submit(cluster, connector, team)
              yield* withdraw(cluster, team)
              const after = yield* submit(cluster, connector, team)
              assert.deepStrictEqual([before.runAs, after.runAs], [team.principal, connectorPrincipal.id])
              yield* goesOn(cluster, connector, before.resourceMeta)
              yield* goesOn(cluster, connector, after.resourceMeta)
            }),
          forgetful
        )
    )

    const refusals = [
      { where: "the connector has none of its own", env: () => explicit },
      {
        where: "namespaces have to bring their own",
        env: ({ withEverything }: Cluster) => ({
          ...explicit,
          ...withEverything,
          FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require"
        })
      }
    ]
    for (const { env, where } of refusals) {
      scenario(`tasks are refused, where ${where}; the run before goes on`, (cluster) =>
        cluster.serving(
          env(cluster),
          (connector) =>
            Effect.gen(function* () {
              const team = yield* prepare(cluster)
              const { resourceMeta } = yield* submit(cluster, connector, team)
              yield* withdraw(cluster, team)
              const { code, details, line } = yield* refusedSubmit(cluster, connector, team)
              const outcome = line?.annotations["outcome"]
              assert.deepStrictEqual([code, outcome], ["FAILED_PRECONDITION", "CredentialsMissing"])
              assert.include(
                details,
                `ServiceAccounts labelled ${enabledLabel}=true in namespace ${team.namespace}: absent`
              )
              assert.include(details, `labels: {${enabledLabel}: "true"}`)
              assert.include(details, `annotations: {${clientIdAnnotation}:`)
              yield* goesOn(cluster, connector, resourceMeta)
            }),
          forgetful
        )
      )
    }

    scenario("the annotation instead: tasks are refused, and the error says who was seen and passed over", (cluster) =>
      cluster.serving(
        explicit,
        (connector) =>
          Effect.gen(function* () {
            const team = yield* prepare(cluster)
            yield* cluster.controlPlane.createServiceAccount(team.namespace, "databricks", { labels })
            const { details } = yield* refusedSubmit(cluster, connector, team)
            assert.include(details, `none has annotation ${clientIdAnnotation}; seen and skipped: databricks`)
          }),
        forgetful
      )
    )
  })

  describe("the ServiceAccount is deleted", () => {
    scenario("its run fails by its name in a connector that needs a new token, and as nobody else", (cluster) =>
      Effect.gen(function* () {
        const env = { ...explicit, ...cluster.withEverything }
        const team = yield* prepare(cluster)
        const account = {
          apiVersion: "v1",
          kind: "ServiceAccount",
          metadata: { namespace: team.namespace, name: "databricks" }
        }
        const { resourceMeta } = yield* cluster.serving(env, (connector) => submit(cluster, connector, team))
        assert.isTrue(yield* cluster.controlPlane.delete(account))
        yield* cluster.serving(
          env,
          (connector) =>
            Effect.gen(function* () {
              const { phase, message } = yield* verdict(connector, connector.flyte.getTask(resourceMeta))
              const { code, details } = yield* refusal(connector, connector.flyte.deleteTask(resourceMeta))
              assert.deepStrictEqual([phase, code], ["FAILED", "FAILED_PRECONDITION"])
              for (const words of [message, details]) {
                assert.include(words, `ServiceAccount databricks in namespace ${team.namespace}`)
                assert.include(words, "create it again")
              }
              // A pinned run needs the ServiceAccount, and no longer its marks.
              yield* cluster.controlPlane.createServiceAccount(team.namespace, "databricks")
              yield* goesOn(cluster, connector, resourceMeta)
            }),
          forgetful
        )
        assert.deepStrictEqual(
          (yield* cluster.exchanges).map(({ clientId }) => clientId),
          [team.principal, team.principal]
        )
      })
    )
  })
})
