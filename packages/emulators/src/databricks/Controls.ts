/**
 * What there is to do with a running workspace beside calling it: from code by these methods, over HTTP by the admin
 * routes.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { EmulatorError } from "../EmulatorError.ts"
import type * as FederationPolicies from "./federation/FederationPolicies.ts"
import type { RunPlan } from "./jobs/RunPlan.ts"
import type * as Refusals from "./oauth/Refusals.ts"
import type * as Principals from "./Principals.ts"

/** What `addServicePrincipal` takes; what is left out is made up. */
export interface ServicePrincipalOptions extends Principals.ServicePrincipalOptions {
  /** Whose tokens it logs in with, beside or instead of a secret (`secrets: []`). */
  readonly federationPolicies?: ReadonlyArray<FederationPolicies.FederationPolicyOptions> | undefined
}

/** A run as code and the admin route see it. */
export interface RunSummary {
  readonly workspaceId: string
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

/** Reads and changes what a workspace has in it. */
export interface Controls {
  readonly principals: Effect.Effect<ReadonlyArray<Principals.Principal>>
  readonly addServicePrincipal: (
    options?: ServicePrincipalOptions
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

  readonly federationPolicies: Effect.Effect<ReadonlyArray<FederationPolicies.FederationPolicy>>
  /** Puts a policy in force, of that service principal or else account-wide, and gives its id. */
  readonly addFederationPolicy: (
    policy: FederationPolicies.FederationPolicyOptions,
    servicePrincipal?: string
  ) => Effect.Effect<string, EmulatorError>
  readonly removeFederationPolicy: (id: string) => Effect.Effect<boolean>
  /** Trusts one more authority, by its PEM, where the keys of issuers are fetched. */
  readonly trustCa: (pem: string) => Effect.Effect<void>

  /** The token requests that were refused, oldest first, with the reasons that the answers do not give. */
  readonly refusals: Effect.Effect<ReadonlyArray<Refusals.Refusal>>

  /** Revokes the OAuth access tokens given out so far, all or one principal's; says how many. */
  readonly revokeTokens: (principal?: string) => Effect.Effect<number>

  /** All runs, oldest first. */
  readonly runs: Effect.Effect<ReadonlyArray<RunSummary>>
  /** Gives an existing run a new plan that begins now. */
  readonly setRunPlan: (runId: bigint, plan: RunPlan) => Effect.Effect<void, EmulatorError>
  /** The plan of runs with that `run_name` submitted from now on. */
  readonly setRunPlanForName: (runName: string, plan: RunPlan) => Effect.Effect<void>
}
