/**
 * A stand-in for a Databricks workspace, or for several that share a host: discovery, the OAuth token endpoint with token
 * federation, personal access tokens, the part of the Jobs API that a connector needs and the simplest path of the SQL
 * Statement Execution API, over HTTP or HTTPS on loopback. All time is Effect's `Clock`.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as AccessTokens from "./databricks/AccessTokens.ts"
import { adminRoutes } from "./databricks/adminRoutes.ts"
import { bodyForStatus, endpointNotFound } from "./databricks/ApiError.ts"
import * as Authentication from "./databricks/Authentication.ts"
import type { Controls, RunSummary, ServicePrincipalOptions } from "./databricks/Controls.ts"
import { discoveryRoutes, oidcPath } from "./databricks/discoveryRoutes.ts"
import * as FederationPolicies from "./databricks/federation/FederationPolicies.ts"
import * as IssuerKeys from "./databricks/federation/IssuerKeys.ts"
import { jobsRoutes } from "./databricks/jobs/jobsRoutes.ts"
import type { RunPlan } from "./databricks/jobs/RunPlan.ts"
import * as Runs from "./databricks/jobs/Runs.ts"
import * as ClientCredentials from "./databricks/oauth/ClientCredentials.ts"
import * as Refusals from "./databricks/oauth/Refusals.ts"
import * as TokenEndpoint from "./databricks/oauth/TokenEndpoint.ts"
import * as TokenExchange from "./databricks/oauth/TokenExchange.ts"
import * as Principals from "./databricks/Principals.ts"
import { scimRoutes } from "./databricks/scimRoutes.ts"
import { statementRoutes } from "./databricks/sql/statementRoutes.ts"
import * as Workspaces from "./databricks/Workspaces.ts"
import type { EmulatorError } from "./EmulatorError.ts"
import * as EmulatorServer from "./EmulatorServer.ts"

/** What a workspace can be started with; everything can be left out. */
export interface Options
  extends
    EmulatorServer.ServerOptions,
    Authentication.AuthenticationOptions,
    AccessTokens.AccessTokensOptions,
    Workspaces.WorkspacesOptions,
    Runs.RunsOptions {
  /** How long an OAuth access token is good; by default one hour. */
  readonly tokenLifetime?: Duration.Input | undefined
  readonly accountId?: string | undefined
  readonly servicePrincipals?: ReadonlyArray<ServicePrincipalOptions> | undefined
  readonly users?: ReadonlyArray<Principals.UserOptions> | undefined
  /** Account-wide federation policies. */
  readonly federationPolicies?: ReadonlyArray<FederationPolicies.FederationPolicyOptions> | undefined
  /** PEMs of authorities to trust, beside the machine's own, where the keys of issuers are fetched. */
  readonly trustedCas?: ReadonlyArray<string> | undefined
  /** The status of a refused token exchange; by default 400. */
  readonly refusedExchangeStatus?: 400 | 401 | undefined
  /** Plans of runs by `run_name`. */
  readonly runPlans?: Readonly<Record<string, RunPlan>> | undefined
}

/** A running workspace. */
export class DatabricksWorkspace extends Context.Service<
  DatabricksWorkspace,
  EmulatorServer.RunningServer &
    Controls & {
      /** The workspaces that the host serves, and the first of them. */
      readonly workspaceIds: ReadonlyArray<string>
      readonly workspaceId: string
      readonly accountId: string
    }
>()("@flyte-databricks/emulators/DatabricksWorkspace") {}

/** Starts a workspace; it stops when the scope closes. */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<DatabricksWorkspace["Service"], EmulatorError, Scope.Scope> {
  const workspaces = Workspaces.make(options)
  const { ids: workspaceIds, isUnified } = workspaces
  const [workspaceId = ""] = workspaceIds
  const accountId = options.accountId ?? "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d"
  const principals = Principals.make()
  const tokens = AccessTokens.make(options)
  const runs = new Map(
    workspaceIds.map((id, index) => [id, Runs.make(principals, { ...options, ...idsOf(index, options) })])
  )
  const allRuns = [...runs.values()]
  const runsOf = (id: string) => runs.get(id) ?? allRuns[0]!
  const authentication = Authentication.make(principals, tokens, workspaces, options)
  const policies = FederationPolicies.make(principals, accountId)
  const keys = IssuerKeys.make(options.trustedCas ?? [])
  const grants = [
    ClientCredentials.make(principals),
    TokenExchange.make({ policies, keys, principals, refusedStatus: options.refusedExchangeStatus ?? 400 })
  ]
  const refusals = Refusals.make()

  const removePrincipal = (name: string) =>
    Effect.andThen(Effect.all([tokens.revoke(name), policies.removeOf(name)]), principals.remove(name))

  const addServicePrincipal = Effect.fnUntraced(function* (options: ServicePrincipalOptions = {}) {
    const added = yield* principals.addServicePrincipal(options)
    yield* Effect.forEach(options.federationPolicies ?? [], (policy) => policies.add(policy, added.name)).pipe(
      Effect.tapError(() => removePrincipal(added.name))
    )
    return added
  })

  const setRunPlanForName = (name: string, plan: RunPlan) =>
    Effect.forEach(allRuns, (runs) => runs.setPlanForName(name, plan), { discard: true })

  yield* Effect.forEach(options.servicePrincipals ?? [], addServicePrincipal)
  yield* Effect.forEach(options.users ?? [], principals.addUser)
  yield* Effect.forEach(options.federationPolicies ?? [], (policy) => policies.add(policy))
  yield* Effect.forEach(Object.entries(options.runPlans ?? {}), ([name, plan]) => setRunPlanForName(name, plan))

  const service = (server: EmulatorServer.RunningServer): DatabricksWorkspace["Service"] => ({
    ...server,
    workspaceIds,
    workspaceId,
    accountId,
    principals: principals.all,
    addServicePrincipal,
    addUser: principals.addUser,
    removePrincipal,
    addSecret: principals.addSecret,
    rotateSecret: principals.rotateSecret,
    revokeSecret: principals.revokeSecret,
    addPat: principals.addPat,
    revokePat: principals.revokePat,
    federationPolicies: policies.all,
    addFederationPolicy: policies.add,
    removeFederationPolicy: policies.remove,
    trustCa: keys.trust,
    refusals: refusals.all,
    revokeTokens: tokens.revoke,
    runs: Effect.map(
      Effect.forEach(runs, ([id, runs]) => Effect.flatMap(runs.all, (all) => Effect.forEach(all, summarize(id, runs)))),
      (all) => all.flat()
    ),
    setRunPlan: (runId, plan) => (allRuns.find((runs) => runs.has(runId)) ?? runsOf(workspaceId)).setPlan(runId, plan),
    setRunPlanForName
  })

  const server = yield* EmulatorServer.start({
    ...options,
    routes: ({ url }) => [
      ...discoveryRoutes(
        {
          workspaceId: isUnified ? undefined : workspaceId,
          accountId,
          grantTypes: grants.map(({ grantType }) => grantType)
        },
        url
      ),
      TokenEndpoint.route({
        grants,
        tokens,
        refusals,
        oidcPath: oidcPath({ accountId, isUnified }),
        lifetime: Duration.fromInputUnsafe(options.tokenLifetime ?? Duration.hours(1))
      }),
      ...scimRoutes(authentication),
      ...jobsRoutes(authentication, runsOf, url),
      ...statementRoutes(authentication)
    ],
    adminRoutes: (server) => adminRoutes(service(server)),
    notFound: ({ method, path }) => {
      const { code, message, status } = endpointNotFound(method, path)
      return HttpServerResponse.jsonUnsafe({ error_code: code, message }, { status })
    },
    errorBody: bodyForStatus
  })
  return service(server)
})

/** Each workspace has ids of its own, so that a run is found by its id alone. */
const idsOf = (index: number, { firstRunId }: Options) =>
  index === 0 ? {} : { firstRunId: (firstRunId ?? Runs.firstRunId) + BigInt(index) * 2n ** 40n }

const summarize = (workspaceId: string, runs: Runs.Runs) => (run: Runs.Run) =>
  Effect.map(runs.progress(run), ({ phase }): RunSummary => ({
    workspaceId,
    runId: run.runId,
    jobId: run.jobId,
    runName: run.request.run_name,
    idempotencyToken: run.request.idempotency_token,
    creator: run.creator,
    runAs: run.runAs,
    lifeCycleState: phase.lifeCycleState,
    resultState: phase.resultState,
    request: run.request
  }))

/** A workspace as a layer: it runs as long as the layer lives. */
export const layer = (options: Options = {}): Layer.Layer<DatabricksWorkspace, EmulatorError> =>
  Layer.effect(DatabricksWorkspace, make(options))
