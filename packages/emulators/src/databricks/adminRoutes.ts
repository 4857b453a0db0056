/**
 * The workspace's own admin routes: principals, tokens, federation policies, runs.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { EmulatorError, InvalidInput } from "../EmulatorError.ts"
import { adminBody, adminRoute as route } from "../internal/commonAdminRoutes.ts"
import type { Controls } from "./Controls.ts"
import { RunPlan } from "./jobs/RunPlan.ts"
import { FederationPolicySeed, ServicePrincipalSeed, UserSeed } from "./Seed.ts"

const Lifetime = Schema.optional(Schema.DurationFromString)
const SecretRequest = Schema.Struct({ secret: Schema.optional(Schema.String), lifetime: Lifetime })
const PatRequest = Schema.Struct({ pat: Schema.optional(Schema.String), lifetime: Lifetime })
const RevokeRequest = Schema.Struct({ principal: Schema.optional(Schema.String) })

const name = Effect.map(HttpRouter.params, ({ name = "" }) => name)

const runId = Effect.flatMap(HttpRouter.params, ({ id = "" }) =>
  /^\d{1,19}$/.test(id)
    ? Effect.succeed(BigInt(id))
    : Effect.fail(new EmulatorError({ reason: new InvalidInput({ what: "run id", problem: "it is not a number" }) }))
)

const reveal = (secrets: ReadonlyArray<Redacted.Redacted>) => secrets.map(Redacted.value)

/** The routes under `/_emulator`, all done by the methods that code has too. */
export const adminRoutes = (workspace: Controls) => [
  route(
    "GET",
    "/principals",
    Effect.map(workspace.principals, (principals) => ({ principals }))
  ),
  route(
    "POST",
    "/service-principals",
    adminBody(ServicePrincipalSeed).pipe(
      Effect.flatMap(workspace.addServicePrincipal),
      Effect.map(({ applicationId, pats, secrets }) => ({
        applicationId,
        secrets: reveal(secrets),
        pats: reveal(pats)
      }))
    )
  ),
  route(
    "POST",
    "/users",
    adminBody(UserSeed).pipe(
      Effect.flatMap(workspace.addUser),
      Effect.map(({ pats, userName }) => ({ userName, pats: reveal(pats) }))
    )
  ),
  route("DELETE", "/principals/:name", Effect.flatMap(name, workspace.removePrincipal)),
  route(
    "POST",
    "/principals/:name/secrets",
    Effect.gen(function* () {
      const { lifetime, secret } = yield* adminBody(SecretRequest)
      return { secret: Redacted.value(yield* workspace.addSecret(yield* name, secret, { lifetime })) }
    })
  ),
  route(
    "POST",
    "/principals/:name/rotate-secret",
    Effect.gen(function* () {
      const { secret } = yield* adminBody(Schema.Struct({ secret: Schema.optional(Schema.String) }))
      return { secret: Redacted.value(yield* workspace.rotateSecret(yield* name, secret)) }
    })
  ),
  route(
    "POST",
    "/principals/:name/pats",
    Effect.gen(function* () {
      const { lifetime, pat } = yield* adminBody(PatRequest)
      return { pat: Redacted.value(yield* workspace.addPat(yield* name, pat, { lifetime })) }
    })
  ),
  route(
    "POST",
    "/revoke-secret",
    adminBody(Schema.Struct({ applicationId: Schema.String, secret: Schema.String })).pipe(
      Effect.flatMap(({ applicationId, secret }) => workspace.revokeSecret(applicationId, secret)),
      Effect.map((revoked) => ({ revoked }))
    )
  ),
  route(
    "POST",
    "/revoke-pat",
    adminBody(Schema.Struct({ pat: Schema.String })).pipe(
      Effect.flatMap(({ pat }) => workspace.revokePat(pat)),
      Effect.map((revoked) => ({ revoked }))
    )
  ),
  route(
    "POST",
    "/revoke-tokens",
    adminBody(RevokeRequest).pipe(
      Effect.flatMap(({ principal }) => workspace.revokeTokens(principal)),
      Effect.map((revoked) => ({ revoked }))
    )
  ),
  route(
    "GET",
    "/federation-policies",
    Effect.map(workspace.federationPolicies, (federationPolicies) => ({ federationPolicies }))
  ),
  route(
    "POST",
    "/federation-policies",
    adminBody(FederationPolicySeed).pipe(
      Effect.flatMap(({ servicePrincipal, ...policy }) => workspace.addFederationPolicy(policy, servicePrincipal)),
      Effect.map((id) => ({ id }))
    )
  ),
  route(
    "DELETE",
    "/federation-policies/:name",
    Effect.map(Effect.flatMap(name, workspace.removeFederationPolicy), (removed) => ({ removed }))
  ),
  route(
    "POST",
    "/trust-ca",
    Effect.flatMap(adminBody(Schema.Struct({ pem: Schema.NonEmptyString })), ({ pem }) => workspace.trustCa(pem))
  ),
  route(
    "GET",
    "/refusals",
    Effect.map(workspace.refusals, (refusals) => ({ refusals }))
  ),
  route(
    "GET",
    "/runs",
    Effect.map(workspace.runs, (runs) => ({ runs }))
  ),
  route(
    "PUT",
    "/runs/:id/plan",
    Effect.gen(function* () {
      yield* workspace.setRunPlan(yield* runId, yield* adminBody(RunPlan))
    })
  ),
  route(
    "PUT",
    "/run-plans/:name",
    Effect.gen(function* () {
      yield* workspace.setRunPlanForName(yield* name, yield* adminBody(RunPlan))
    })
  )
]
