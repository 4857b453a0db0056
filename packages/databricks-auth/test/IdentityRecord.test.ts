/** What a run's metadata says of who it is, before any mode looks at it. */
import { IdentityRecord } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Exit, Option, Redacted } from "effect"
import { instance } from "./support/environment.ts"

const { authTypeOf, checkNames, empty, isEmpty } = IdentityRecord

/** A value for each field. */
const whole = {
  authToken: Option.some(Redacted.make("dapi")),
  authType: Option.some("oauth_m2m"),
  clientId: Option.some("app"),
  oauthSecretName: Option.some("databricks-oauth"),
  oidcTokenFile: Option.some("/run/token"),
  oidcServiceAccount: Option.some("spark"),
  oidcAudience: Option.some("databricks"),
  namespace: Option.some("team-a"),
  tokenSecretName: Option.some("databricks-token"),
  mode: Option.some("entra"),
  parameters: Option.some({ tenant: "t" })
} as const satisfies Omit<IdentityRecord.IdentityRecord, "instance">

describe("a record", () => {
  it("is empty where nothing but the instance is in it", () => {
    assertEquals(Object.keys(empty(instance)).toSorted(), ["instance", ...Object.keys(whole)].toSorted())
    assert.strictEqual(empty(instance).instance, instance)
    assert.isTrue(isEmpty(empty(instance)))
    assert.isFalse(isEmpty({ instance, ...whole }))
  })

  it.each(Object.entries(whole))("is not empty where it has %s", (field, value) => {
    assert.isFalse(isEmpty({ ...empty(instance), [field]: value }))
  })

  it("is of a PAT's run where it has no auth type", () => {
    assert.strictEqual(authTypeOf(empty(instance)), "pat")
    assert.strictEqual(authTypeOf({ instance, ...whole }), "oauth_m2m")
  })
})

describe("the names in a record", () => {
  it.effect("may be absent, or such as Kubernetes has", () =>
    Effect.gen(function* () {
      for (const record of [empty(instance), { instance, ...whole }]) {
        assertEquals(yield* Effect.exit(Effect.fromResult(checkNames(record))), Exit.void)
      }
    })
  )

  it.effect.each([
    ["namespace", "namespace", "a Kubernetes namespace"],
    ["oauthSecretName", "oauth_secret_name", "the name of a Kubernetes Secret"],
    ["tokenSecretName", "token_secret_name", "the name of a Kubernetes Secret"],
    ["oidcServiceAccount", "oidc_service_account", "the name of a Kubernetes ServiceAccount"]
  ] as const)("%s are refused where they would lead elsewhere in a path", ([field, key, expected]) =>
    Effect.gen(function* () {
      for (const name of ["../x", "a/b", "", "A_B"]) {
        const { message } = yield* Effect.flip(
          Effect.fromResult(checkNames({ instance, ...whole, [field]: Option.some(name) }))
        )
        assert.include(message, `${key} of the job metadata is "${name}", expected ${expected}.`)
      }
    })
  )
})
