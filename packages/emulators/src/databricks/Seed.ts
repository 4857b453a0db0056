/**
 * What a workspace has in it when it starts, as a JSON file says it.
 */
import * as Schema from "effect/Schema"
import { FaultRule } from "../Faults.ts"
import { FederationPolicyOptions } from "./federation/FederationPolicies.ts"
import { RunPlan } from "./jobs/RunPlan.ts"

/** A service principal; what is left out is made up. */
export const ServicePrincipalSeed = Schema.Struct({
  applicationId: Schema.optional(Schema.NonEmptyString),
  displayName: Schema.optional(Schema.NonEmptyString),
  secrets: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  pats: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  admin: Schema.optional(Schema.Boolean),
  inWorkspace: Schema.optional(Schema.Boolean),
  workspaces: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  federationPolicies: Schema.optional(Schema.Array(FederationPolicyOptions))
})

/** A federation policy: a service principal's where one is named, else account-wide. */
export const FederationPolicySeed = Schema.Struct({
  ...FederationPolicyOptions.fields,
  servicePrincipal: Schema.optional(Schema.NonEmptyString)
})

/** A user. */
export const UserSeed = Schema.Struct({
  userName: Schema.NonEmptyString,
  displayName: Schema.optional(Schema.NonEmptyString),
  pats: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  admin: Schema.optional(Schema.Boolean),
  workspaces: Schema.optional(Schema.Array(Schema.NonEmptyString))
})

/** The workspace's contents and behaviour. */
export const Seed = Schema.Struct({
  servicePrincipals: Schema.optional(Schema.Array(ServicePrincipalSeed)),
  users: Schema.optional(Schema.Array(UserSeed)),
  /** Account-wide federation policies. */
  federationPolicies: Schema.optional(Schema.Array(FederationPolicyOptions)),
  /** PEMs of authorities to trust where the keys of issuers are fetched. */
  trustedCas: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  /** The ids of workspaces that share the host; by default it serves one. */
  unifiedWorkspaces: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  refusedExchangeStatus: Schema.optional(Schema.Literals([400, 401])),
  tokenLifetime: Schema.optional(Schema.DurationFromString),
  invalidTokenStatus: Schema.optional(Schema.Literals([401, 403])),
  refuseTokensExpiringWithin: Schema.optional(Schema.DurationFromString),
  runPlan: Schema.optional(RunPlan),
  /** Plans by `run_name`. */
  runPlans: Schema.optional(Schema.Record(Schema.String, RunPlan)),
  cancelDuration: Schema.optional(Schema.DurationFromString),
  faults: Schema.optional(Schema.Array(FaultRule))
})
export type Seed = typeof Seed.Type
