/**
 * A stand-in for a Databricks workspace: discovery, the OAuth token endpoint, personal access tokens and the part of
 * the Jobs API that a connector needs, over HTTP or HTTPS on loopback. All time is Effect's `Clock`.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as AccessTokens from "./databricks/AccessTokens.ts"
import { adminRoutes } from "./databricks/adminRoutes.ts"
import { bodyForStatus, endpointNotFound } from "./databricks/ApiError.ts"
import * as Authentication from "./databricks/Authentication.ts"
import { discoveryRoutes } from "./databricks/discoveryRoutes.ts"
import { jobsRoutes } from "./databricks/jobs/jobsRoutes.ts"
import type { RunPlan } from "./databricks/jobs/RunPlan.ts"
import * as Runs from "./databricks/jobs/Runs.ts"
import * as ClientCredentials from "./databricks/oauth/ClientCredentials.ts"
import * as TokenEndpoint from "./databricks/oauth/TokenEndpoint.ts"
import * as Principals from "./databricks/Principals.ts"
import { scimRoutes } from "./databricks/scimRoutes.ts"
import type { EmulatorError } from "./EmulatorError.ts"
import * as EmulatorServer from "./EmulatorServer.ts"

/** What a workspace can be started with; everything can be left out. */
export interface Options extends EmulatorServer.ServerOptions, Authentication.AuthenticationOptions, Runs.RunsOptions {
  /** How long an OAuth access token is good; by default one hour. */
  readonly tokenLifetime?: Duration.Input | undefined
  readonly workspaceId?: string | undefined
  readonly accountId?: string | undefined
  readonly servicePrincipals?: ReadonlyArray<Principals.ServicePrincipalOptions> | undefined
  readonly users?: ReadonlyArray<Principals.UserOptions> | undefined
  /** Plans of runs by `run_name`. */
  readonly runPlans?: Readonly<Record<string, RunPlan>> | undefined
}

/** A run as code and the admin route see it. */
export interface RunSummary {
  readonly runId: bigint
  readonly jobId: bigint
  readonly runName: string | undefined
  readonly idempotencyToken: string | undefined
  readonly creator: string
  readonly runAs: string
  readonly lifeCycleState: string
  readonly resultState: string | undefined
  /** The body of `runs/submit`. */
  readonly request: unknown
}

type Secret = Principals.SecretInput
type Lifetime = { readonly lifetime?: Duration.Input | undefined }

/** A running workspace. */
export class DatabricksWorkspace extends Context.Service<
  DatabricksWorkspace,
  EmulatorServer.RunningServer & {
    readonly workspaceId: string
    readonly accountId: string

    readonly principals: Effect.Effect<ReadonlyArray<Principals.Principal>>
    readonly addServicePrincipal: (
      options?: Principals.ServicePrincipalOptions
    ) => Effect.Effect<Principals.AddedServicePrincipal, EmulatorError>
    readonly addUser: (options: Principals.UserOptions) => Effect.Effect<Principals.AddedUser, EmulatorError>
    /** Removes the principal and everything it logs in with; says whether it was there. */
    readonly removePrincipal: (name: string) => Effect.Effect<boolean>

    /** Gives a service principal one more OAuth secret. */
    readonly addSecret: (
      applicationId: string,
      secret?: Secret,
      options?: Lifetime
    ) => Effect.Effect<Redacted.Redacted, EmulatorError>
    /** Replaces all OAuth secrets of a service principal by one. Tokens given out stay good, as in the service. */
    readonly rotateSecret: (applicationId: string, secret?: Secret) => Effect.Effect<Redacted.Redacted, EmulatorError>
    readonly revokeSecret: (applicationId: string, secret: Secret) => Effect.Effect<boolean, EmulatorError>

    /** Gives a principal a personal access token. */
    readonly addPat: (
      principal: string,
      pat?: Secret,
      options?: Lifetime
    ) => Effect.Effect<Redacted.Redacted, EmulatorError>
    readonly revokePat: (pat: Secret) => Effect.Effect<boolean>

    /** Revokes the OAuth access tokens given out so far, all or one principal's; says how many. */
    readonly revokeTokens: (principal?: string) => Effect.Effect<number>

    /** All runs, oldest first. */
    readonly runs: Effect.Effect<ReadonlyArray<RunSummary>>
    /** Gives an existing run a new plan that begins now. */
    readonly setRunPlan: (runId: bigint, plan: RunPlan) => Effect.Effect<void, EmulatorError>
    /** The plan of runs with that `run_name` submitted from now on. */
    readonly setRunPlanForName: (runName: string, plan: RunPlan) => Effect.Effect<void>
  }
>()("@flyte-databricks/emulators/DatabricksWorkspace") {}

/** Starts a workspace; it stops when the scope closes. */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<DatabricksWorkspace["Service"], EmulatorError, Scope.Scope> {
  const workspaceId = options.workspaceId ?? "1234567890123456"
  const accountId = options.accountId ?? "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d"
  const principals = Principals.make()
  const tokens = AccessTokens.make()
  const runs = Runs.make(principals, options)
  const authentication = Authentication.make(principals, tokens, options)
  const grants = [ClientCredentials.make(principals)]

  yield* Effect.forEach(options.servicePrincipals ?? [], principals.addServicePrincipal)
  yield* Effect.forEach(options.users ?? [], principals.addUser)
  yield* Effect.forEach(Object.entries(options.runPlans ?? {}), ([name, plan]) => runs.setPlanForName(name, plan))

  const service = (server: EmulatorServer.RunningServer): DatabricksWorkspace["Service"] => ({
    ...server,
    workspaceId,
    accountId,
    principals: principals.all,
    addServicePrincipal: principals.addServicePrincipal,
    addUser: principals.addUser,
    removePrincipal: (name) => Effect.andThen(tokens.revoke(name), principals.remove(name)),
    addSecret: principals.addSecret,
    rotateSecret: principals.rotateSecret,
    revokeSecret: principals.revokeSecret,
    addPat: principals.addPat,
    revokePat: principals.revokePat,
    revokeTokens: tokens.revoke,
    runs: Effect.flatMap(runs.all, (all) => Effect.forEach(all, summarize(runs))),
    setRunPlan: runs.setPlan,
    setRunPlanForName: runs.setPlanForName
  })

  const server = yield* EmulatorServer.start({
    ...options,
    routes: ({ url }) => [
      ...discoveryRoutes({ workspaceId, accountId, grantTypes: grants.map(({ grantType }) => grantType) }, url),
      TokenEndpoint.route({
        grants,
        tokens,
        lifetime: Duration.fromInputUnsafe(options.tokenLifetime ?? Duration.hours(1))
      }),
      ...scimRoutes(authentication, workspaceId),
      ...jobsRoutes(authentication, runs, { url, id: workspaceId })
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

const summarize = (runs: Runs.Runs) => (run: Runs.Run) =>
  Effect.map(runs.progress(run), ({ phase }): RunSummary => ({
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
