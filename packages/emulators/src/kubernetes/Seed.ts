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

/** A ServiceAccount without its place. */
export const ServiceAccountContent = Schema.Struct({ labels: Labels, annotations: Labels })

const Changes = Schema.optional(Schema.Record(Schema.String, Schema.NullOr(Schema.String)))

/** What changes of a ServiceAccount; `null` removes. */
export const ServiceAccountPatch = Schema.Struct({ labels: Changes, annotations: Changes })

/** A ServiceAccount. */
const ServiceAccountSeed = Schema.Struct({
  namespace: Schema.NonEmptyString,
  name: Schema.NonEmptyString,
  ...ServiceAccountContent.fields
})

const Algorithm = Schema.optional(Schema.Literals(["RS256", "ES256"]))

/** A new signing key. */
export const RotateRequest = Schema.Struct({ algorithm: Algorithm, withdraw: Schema.optional(Schema.Boolean) })

/** A token to mint. */
export const MintRequest = Schema.Struct({
  sub: Schema.String,
  aud: Schema.Union([Schema.String, Schema.Array(Schema.String)]),
  lifetime: Schema.optional(Schema.DurationFromString),
  iss: Schema.optional(Schema.String),
  claims: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
  forged: Schema.optional(Schema.Boolean)
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
  serviceAccounts: Schema.optional(Schema.Array(ServiceAccountSeed)),
  issuer: Schema.optional(Schema.NonEmptyString),
  apiAudiences: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  signingAlgorithm: Algorithm,
  maxTokenLifetime: Schema.optional(Schema.DurationFromString),
  anonymousAuth: Schema.optional(Schema.Boolean),
  faults: Schema.optional(Schema.Array(FaultRule))
})
export type Seed = typeof Seed.Type
