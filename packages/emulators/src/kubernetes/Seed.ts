/**
 * What a Kubernetes API has in it when it starts, as a JSON file says it.
 */
import * as Schema from "effect/Schema"
import { FaultRule } from "../Faults.ts"
import { Rule } from "./Rbac.ts"

const Labels = Schema.optional(Schema.Record(Schema.String, Schema.String))

/** A Secret without its place. */
export const SecretContent = Schema.Struct({
  /** The values as they are, not in base64. */
  data: Schema.Record(Schema.String, Schema.String),
  labels: Labels,
  annotations: Labels,
  type: Schema.optional(Schema.NonEmptyString)
})

/** A Secret. */
const SecretSeed = Schema.Struct({
  namespace: Schema.NonEmptyString,
  name: Schema.NonEmptyString,
  ...SecretContent.fields
})

/** A user and its token. */
export const UserSeed = Schema.Struct({
  username: Schema.NonEmptyString,
  token: Schema.optional(Schema.NonEmptyString),
  groups: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  lifetime: Schema.optional(Schema.DurationFromString)
})

/** The API's contents and behaviour. */
export const Seed = Schema.Struct({
  users: Schema.optional(Schema.Array(UserSeed)),
  rules: Schema.optional(Schema.Array(Rule)),
  secrets: Schema.optional(Schema.Array(SecretSeed)),
  anonymousAuth: Schema.optional(Schema.Boolean),
  faults: Schema.optional(Schema.Array(FaultRule))
})
export type Seed = typeof Seed.Type
