/**
 * The workspace of a simulation: the emulator's own parts, without a socket below them, so that all time is virtual.
 */
import * as AccessTokens from "@flyte-databricks/emulators/databricks/AccessTokens"
import * as Authentication from "@flyte-databricks/emulators/databricks/Authentication"
import * as ClientCredentials from "@flyte-databricks/emulators/databricks/oauth/ClientCredentials"
import type { Grant } from "@flyte-databricks/emulators/databricks/oauth/Grant"
import { invalidGrant } from "@flyte-databricks/emulators/databricks/oauth/OAuthError"
import * as Refusals from "@flyte-databricks/emulators/databricks/oauth/Refusals"
import * as TokenEndpoint from "@flyte-databricks/emulators/databricks/oauth/TokenEndpoint"
import * as Principals from "@flyte-databricks/emulators/databricks/Principals"
import * as Workspaces from "@flyte-databricks/emulators/databricks/Workspaces"
import { jobsRoutes } from "@flyte-databricks/emulators/databricks/jobs/jobsRoutes"
import * as Runs from "@flyte-databricks/emulators/databricks/jobs/Runs"
import type { SubmitRequest } from "@flyte-databricks/emulators/databricks/jobs/SubmitRequest"
import { RunPlan } from "@flyte-databricks/emulators"
import { Duration, Effect, Schema } from "effect"
import { Base64Url } from "effect/encoding"
import { type HttpClientRequest, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { principals as people } from "./teams.ts"

/** A run as the workspace has it: the truth that Flyte has to hear. */
export interface Run {
  readonly runId: string
  readonly task: string
  readonly attempt: number
  readonly principal: string
  readonly resultState: string | undefined
  /** When it was submitted, and when it was over, in milliseconds; `Infinity` where it is not. */
  readonly from: number
  readonly until: number
}

/** Which attempt of which task a run is, by what Flyte puts in the environment of every container. */
const Submitted = Schema.Struct({ FLYTE_TASK: Schema.String, FLYTE_ATTEMPT_NUMBER: Schema.FiniteFromString })

const attemptOf = (request: SubmitRequest) => {
  const [environment] = request.environments ?? []
  const spec = environment?.["spec"] as { readonly environment_vars?: unknown } | undefined
  return Schema.decodeUnknownSync(Submitted)(request.new_cluster?.["spark_env_vars"] ?? spec?.environment_vars)
}

/** Takes the claims of a JWT for true: there is no key in a cluster in memory. */
const exchange: Grant = {
  grantType: "urn:ietf:params:oauth:grant-type:token-exchange",
  grant: Effect.fnUntraced(function* ({ parameters }) {
    const [, claims = ""] = (parameters.get("subject_token") ?? "").split(".")
    const { sub } = yield* Base64Url.decodeString(claims).pipe(
      Effect.fromResult,
      Effect.flatMap(Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Struct({ sub: Schema.String })))),
      Effect.mapError(() => invalidGrant("No JWT"))
    )
    const principal = people.bySubject.get(sub)
    if (principal === undefined || principal !== parameters.get("client_id")) return yield* invalidGrant("No policy")
    return { principal }
  })
}

const url = "https://dbc-a1b2.cloud.databricks.com"

/** Makes a workspace; the plan of a run is asked for when it is submitted. */
export const make = Effect.fnUntraced(function* (planOf: (task: string, attempt: number) => RunPlan.RunPlan) {
  const principals = Principals.make()
  yield* Effect.forEach(people.users, principals.addUser)
  yield* Effect.forEach(people.servicePrincipals, principals.addServicePrincipal)
  const tokens = AccessTokens.make()
  const authentication = Authentication.make(principals, tokens, Workspaces.make({}), {})
  const store = Runs.make(principals, {})
  const runs: Runs.Runs = {
    ...store,
    submit: Effect.fnUntraced(function* (principal, request) {
      const { length } = yield* store.all
      const runId = yield* store.submit(principal, request)
      if ((yield* store.all).length > length) {
        const { FLYTE_TASK, FLYTE_ATTEMPT_NUMBER } = attemptOf(request)
        yield* Effect.orDie(store.setPlan(runId, planOf(FLYTE_TASK, FLYTE_ATTEMPT_NUMBER)))
      }
      return runId
    })
  }
  const router = yield* HttpRouter.make
  yield* router.addAll([
    TokenEndpoint.route({
      grants: [ClientCredentials.make(principals), exchange],
      tokens,
      refusals: Refusals.make(),
      oidcPath: "/oidc",
      lifetime: Duration.minutes(10)
    }),
    ...jobsRoutes(authentication, () => runs, url)
  ])
  const app = router.asHttpEffect().pipe(Effect.catch(() => Effect.succeed(HttpServerResponse.empty({ status: 404 }))))

  return {
    /** What an operator names as the instance. */
    instance: new URL(url).host,
    /** The workspace's own answer. */
    answer: (request: HttpClientRequest.HttpClientRequest): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
      app.pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromClientRequest(request)),
        Effect.scoped
      ),
    /** All tokens given out so far are no longer good. */
    revokeTokens: tokens.revoke(),
    /** All runs, as they are now. */
    runs: Effect.flatMap(store.all, (all) =>
      Effect.forEach(all, (run) =>
        Effect.map(store.progress(run), ({ phase, since }): Run => {
          const { FLYTE_TASK, FLYTE_ATTEMPT_NUMBER } = attemptOf(run.request)
          return {
            runId: String(run.runId),
            task: FLYTE_TASK,
            attempt: FLYTE_ATTEMPT_NUMBER,
            principal: run.creator,
            resultState: phase.resultState,
            from: run.startTime,
            until: RunPlan.hasEnded(phase) ? since : Infinity
          }
        })
      )
    )
  }
})

export type Workspace = Effect.Success<ReturnType<typeof make>>
