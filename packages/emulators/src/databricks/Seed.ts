/**
 * What a workspace has in it when it starts, as a JSON file says it.
 */
import * as Schema from "effect/Schema"
import { FaultRule } from "../Faults.ts"
import { RunPlan } from "./jobs/RunPlan.ts"

/** A service principal; what is left out is made up. */
export const ServicePrincipalSeed = Schema.Struct({
  applicationId: Schema.optional(Schema.NonEmptyString),
  displayName: Schema.optional(Schema.NonEmptyString),
  secrets: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  pats: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  admin: Schema.optional(Schema.Boolean)
})

/** A user. */
export const UserSeed = Schema.Struct({
  userName: Schema.NonEmptyString,
  displayName: Schema.optional(Schema.NonEmptyString),
  pats: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  admin: Schema.optional(Schema.Boolean)
})

/** The workspace's contents and behaviour. */
export const Seed = Schema.Struct({
  servicePrincipals: Schema.optional(Schema.Array(ServicePrincipalSeed)),
  users: Schema.optional(Schema.Array(UserSeed)),
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
