/** Namespaces that bring an identity of their own, as the examples in deploy/ have it. */
import { assert } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { phaseOf } from "../../support/FlyteClient.ts"
import { readMetadata } from "../../support/outcomes.ts"
import * as tasks from "../../support/tasks.ts"
import type { Cluster, Connector } from "./Cluster.ts"
import * as manifests from "./manifests.ts"

/** A namespace, and who its runs are in the workspace. */
export interface Team {
  readonly namespace: string
  readonly principal: string
}

const first = (secrets: ReadonlyArray<Redacted.Redacted>) =>
  Redacted.value(secrets[0] ?? assert.fail("the workspace made up no secret"))

const principalOf = (namespace: string) => `sp-of-${namespace}`

/** A service principal that tokens of the ServiceAccount `databricks` log in as. */
export const addFederated = Effect.fnUntraced(function* (cluster: Cluster, namespace: string, applicationId: string) {
  const { ISSUER, workspace } = cluster
  const policy = manifests.federationPolicy("oidc-namespace", { ISSUER, NAMESPACE: namespace })
  yield* workspace.addServicePrincipal({ applicationId, secrets: [], federationPolicies: [policy] })
})

/** Makes a namespace bring what a mode asks for. */
export const bring = {
  pat: Effect.fnUntraced(function* (cluster: Cluster, namespace: string) {
    const { name, pats } = yield* cluster.workspace.addUser({ userName: `ann@${namespace}.example.com` })
    yield* cluster.apply("examples/pat/secret.yaml", namespace, { PERSONAL_ACCESS_TOKEN: first(pats) })
    return { namespace, principal: name }
  }),
  "oauth-m2m": Effect.fnUntraced(function* (cluster: Cluster, namespace: string) {
    const applicationId = principalOf(namespace)
    const { secrets } = yield* cluster.workspace.addServicePrincipal({ applicationId })
    const words = { APPLICATION_ID: applicationId, OAUTH_SECRET: first(secrets) }
    yield* cluster.apply("examples/oauth-m2m/secret.yaml", namespace, words)
    return { namespace, principal: applicationId }
  }),
  "oidc-namespace": Effect.fnUntraced(function* (cluster: Cluster, namespace: string) {
    const applicationId = principalOf(namespace)
    yield* addFederated(cluster, namespace, applicationId)
    yield* cluster.apply("examples/oidc-namespace/serviceaccount.yaml", namespace, { APPLICATION_ID: applicationId })
    return { namespace, principal: applicationId }
  })
}

/** A new namespace that brings what a mode asks for. */
export const newTeam = (cluster: Cluster, mode: keyof typeof bring) =>
  Effect.flatMap(cluster.newNamespace(), (namespace) => bring[mode](cluster, namespace))

/**
 * Creates a task, follows it and cancels it. The run is one more, it is this principal's, and the log says where the
 * credential came from.
 */
export const run = Effect.fnUntraced(function* (
  { workspace }: Cluster,
  { flyte, log }: Connector,
  { namespace, principal }: Team,
  origin: string
) {
  const before = (yield* workspace.runs).length
  const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace, execution: `f${before}` }))
  assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
  yield* flyte.deleteTask(resourceMeta)
  const runs = yield* workspace.runs
  assert.deepStrictEqual(
    runs.slice(before).map(({ creator, lifeCycleState, runAs }) => ({ creator, lifeCycleState, runAs })),
    [{ creator: principal, lifeCycleState: "TERMINATING", runAs: principal }]
  )
  // A namespace's PAT goes along with the run, and its Secret is not named there.
  const recorded =
    typeof readMetadata(resourceMeta)["auth_token"] === "string" ? "auth_token of the job metadata" : origin
  assert.deepStrictEqual(
    log
      .calls()
      .slice(-3)
      .map(({ annotations, message }) => [message, annotations["outcome"], annotations["origin"]]),
    [
      ["CreateTask", "ok", origin],
      ["GetTask", "ok", recorded],
      ["DeleteTask", "ok", recorded]
    ]
  )
  return resourceMeta
})
