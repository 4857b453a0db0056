/**
 * Whose tokens the workspace takes: federation policies of service principals, and account-wide ones.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Jose from "jose"
import { EmulatorError, InvalidInput } from "../../EmulatorError.ts"
import type { Principals } from "../Principals.ts"

/** A federation policy, in the service's terms. */
export const FederationPolicyOptions = Schema.Struct({
  /** Equal to the token's `iss`, to the last character. */
  issuer: Schema.NonEmptyString,
  /** The token's `aud` has one of these; by default the account id. */
  audiences: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  /** For a service principal: what the subject claim has to be. Account-wide: not given, since the claim names the principal. */
  subject: Schema.optional(Schema.NonEmptyString),
  /** By default `sub`. */
  subjectClaim: Schema.optional(Schema.NonEmptyString),
  /** Where the keys are; by default where the issuer's discovery document says. */
  jwksUri: Schema.optional(Schema.NonEmptyString),
  /** The keys themselves: the text of a JSON Web Key Set. */
  jwksJson: Schema.optional(Schema.NonEmptyString)
})
export type FederationPolicyOptions = typeof FederationPolicyOptions.Type

/** A federation policy in force. */
export interface FederationPolicy {
  readonly id: string
  /** The application id; account-wide policies have none. */
  readonly servicePrincipal: string | undefined
  readonly issuer: string
  readonly audiences: ReadonlyArray<string>
  readonly subject: string | undefined
  readonly subjectClaim: string
  readonly jwksUri: string | undefined
  readonly jwksJson: string | undefined
}

/** As many policies as a service principal may have. */
const maxPolicies = 20

const loopback = new Set(["localhost", "127.0.0.1", "[::1]"])

/** The service wants HTTPS; here plain HTTP does for another stand-in on this machine. */
const isAcceptedUrl = (text: string) => {
  const url = URL.parse(text)
  return url?.protocol === "https:" || (url?.protocol === "http:" && loopback.has(url.hostname))
}

const isKeySet = (text: string) => {
  try {
    Jose.createLocalJWKSet(JSON.parse(text))
    return true
  } catch {
    return false
  }
}

const problemOf = (policy: FederationPolicyOptions, servicePrincipal: string | undefined): string | undefined => {
  const { issuer, jwksJson, jwksUri, subject } = policy
  if (!isAcceptedUrl(issuer)) return `the issuer "${issuer}" is not an https URL`
  if (servicePrincipal !== undefined && subject === undefined) return "a service principal's policy needs a subject"
  if (servicePrincipal === undefined && subject !== undefined) return "an account-wide policy has no subject"
  if (jwksUri !== undefined && jwksJson !== undefined) return "it has both jwksUri and jwksJson"
  if (jwksUri !== undefined && !isAcceptedUrl(jwksUri)) return `the jwksUri "${jwksUri}" is not an https URL`
  if (jwksJson !== undefined && !isKeySet(jwksJson)) return "the jwksJson is not a JSON Web Key Set"
  return undefined
}

const invalid = (problem: string) =>
  new EmulatorError({ reason: new InvalidInput({ what: "federation policy", problem }) })

/** Makes an empty set of policies. */
export const make = (principals: Principals, accountId: string) => {
  const policies = new Map<string, FederationPolicy>()
  let lastId = 0

  const of = (servicePrincipal: string | undefined) =>
    [...policies.values()].filter((policy) => policy.servicePrincipal === servicePrincipal)

  const add = Effect.fnUntraced(function* (options: FederationPolicyOptions, servicePrincipal?: string) {
    if (servicePrincipal !== undefined) {
      const { kind } = yield* principals.find(servicePrincipal)
      if (kind === "user") return yield* invalid(`"${servicePrincipal}" is a user; policies are for service principals`)
      if (of(servicePrincipal).length >= maxPolicies) {
        return yield* invalid(`"${servicePrincipal}" has ${maxPolicies} already, and more are not allowed`)
      }
    }
    const problem = problemOf(options, servicePrincipal)
    if (problem !== undefined) return yield* invalid(problem)
    const { audiences = [], issuer, jwksJson, jwksUri, subject, subjectClaim = "sub" } = options
    const id = `policy-${++lastId}`
    policies.set(id, {
      id,
      servicePrincipal,
      issuer,
      audiences: audiences.length === 0 ? [accountId] : audiences,
      subject,
      subjectClaim,
      jwksUri,
      jwksJson
    })
    return id
  })

  return {
    /** Puts a policy in force, of that service principal or account-wide, and gives its id. */
    add,
    remove: (id: string) => Effect.sync(() => policies.delete(id)),
    removeOf: (servicePrincipal: string) =>
      Effect.sync(() => of(servicePrincipal).forEach(({ id }) => policies.delete(id))),
    all: Effect.sync(() => [...policies.values()]),
    /** The policies of one service principal, or the account-wide ones. */
    of: (servicePrincipal: string | undefined) => Effect.sync(() => of(servicePrincipal))
  }
}

export type FederationPolicies = ReturnType<typeof make>
