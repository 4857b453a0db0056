import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { DatabricksWorkspace } from "../../src/index.ts"

const policy = { issuer: "https://oidc.example.com", subject: "system:serviceaccount:a:b" }
const servicePrincipals = [{ applicationId: "sp-a" }]

describe("a federation policy", () => {
  it.effect("is shown with what it leaves to the defaults", () =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make({
        servicePrincipals: [{ applicationId: "sp-a", federationPolicies: [policy] }],
        federationPolicies: [{ issuer: "https://oidc.example.com", audiences: ["x"], subjectClaim: "email" }]
      })
      const common = { issuer: "https://oidc.example.com", jwksUri: undefined, jwksJson: undefined }
      assert.deepStrictEqual(yield* workspace.federationPolicies, [
        {
          ...common,
          id: "policy-1",
          servicePrincipal: "sp-a",
          subject: policy.subject,
          subjectClaim: "sub",
          audiences: [workspace.accountId]
        },
        {
          ...common,
          id: "policy-2",
          servicePrincipal: undefined,
          subject: undefined,
          subjectClaim: "email",
          audiences: ["x"]
        }
      ])
    })
  )

  const jwksUri = "https://oidc.example.com/jwks"
  const jwksJson = '{"keys":[]}'
  const refused: ReadonlyArray<readonly [given: object, servicePrincipal: string | undefined, problem: string]> = [
    [{ ...policy, issuer: "oidc.example.com" }, "sp-a", 'the issuer "oidc.example.com" is not an https URL'],
    [{ ...policy, issuer: "http://example.com" }, "sp-a", 'the issuer "http://example.com" is not an https URL'],
    [{ issuer: policy.issuer }, "sp-a", "a service principal's policy needs a subject"],
    [policy, undefined, "an account-wide policy has no subject"],
    [{ ...policy, jwksUri, jwksJson }, "sp-a", "it has both jwksUri and jwksJson"],
    [{ ...policy, jwksUri: "file:///keys" }, "sp-a", 'the jwksUri "file:///keys" is not an https URL'],
    [{ ...policy, jwksJson: "{" }, "sp-a", "the jwksJson is not a JSON Web Key Set"],
    [{ ...policy, jwksJson: '{"key":[]}' }, "sp-a", "the jwksJson is not a JSON Web Key Set"],
    [policy, "ann", '"ann" is a user; policies are for service principals']
  ]

  it.effect.each(refused)("that the service would refuse is refused: %o", ([given, servicePrincipal, problem]) =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make({ servicePrincipals, users: [{ userName: "ann" }] })
      const error = yield* Effect.flip(workspace.addFederationPolicy(given as typeof policy, servicePrincipal))
      assert.strictEqual(error.message, `Invalid federation policy: ${problem}`)
      assert.deepStrictEqual(yield* workspace.federationPolicies, [])
    })
  )

  it.effect("belongs to a principal that is there", () =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make({ servicePrincipals })
      const error = yield* Effect.flip(workspace.addFederationPolicy(policy, "sp-b"))
      assert.strictEqual(error.message, 'The emulator has no principal "sp-b" (known: sp-a)')
    })
  )

  it.effect("is one of at most twenty that a service principal has", () =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make({
        servicePrincipals: [{ applicationId: "sp-a", federationPolicies: Array.from({ length: 20 }, () => policy) }]
      })
      const error = yield* Effect.flip(workspace.addFederationPolicy(policy, "sp-a"))
      assert.strictEqual(error.message, 'Invalid federation policy: "sp-a" has 20 already, and more are not allowed')
      yield* workspace.addServicePrincipal({ applicationId: "sp-b", federationPolicies: [policy] })
      yield* workspace.addFederationPolicy({ issuer: policy.issuer })
    })
  )

  it.effect("that is refused leaves no service principal behind", () =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make()
      const added = workspace.addServicePrincipal({
        applicationId: "sp-a",
        federationPolicies: [policy, { issuer: "x" }]
      })
      assert.match((yield* Effect.flip(added)).message, /^Invalid federation policy/)
      assert.deepStrictEqual([yield* workspace.principals, yield* workspace.federationPolicies], [[], []])
    })
  )
})
