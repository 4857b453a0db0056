import { IdentityRecord, Kubernetes } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { auth, oauth, on, pair, poll } from "../support/connector.ts"
import { instance } from "../support/environment.ts"
import { bearer } from "../support/tokens.ts"

describe("what an older connector recorded", () => {
  const surroundings = {
    cluster: { "team-a/databricks-token": { token: "dapi-a" } },
    secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }
  }
  const written = (fields: Partial<IdentityRecord.IdentityRecord>): IdentityRecord.IdentityRecord => ({
    ...IdentityRecord.empty(instance),
    ...fields
  })

  it.effect("with an instance alone is the connector's PAT", () =>
    Effect.gen(function* () {
      assert.strictEqual(bearer(yield* poll(written({}))), "Bearer dapi-0")
    }).pipe(on(surroundings))
  )

  it.effect("with a PAT is that PAT", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        bearer(yield* poll(written({ authToken: Option.some(Redacted.make("dapi-old")) }))),
        "Bearer dapi-old"
      )
    }).pipe(on(surroundings))
  )

  it.effect("with a namespace and no PAT is the PAT that a submit would find there", () =>
    Effect.gen(function* () {
      const ofNamespace = { authType: Option.some("pat" as const), tokenSecretName: Option.some("databricks-token") }
      assert.strictEqual(
        bearer(yield* poll(written({ ...ofNamespace, namespace: Option.some("team-a") }))),
        "Bearer dapi-a"
      )
      assert.strictEqual(
        bearer(yield* poll(written({ ...ofNamespace, namespace: Option.some("team-b") }))),
        "Bearer dapi-0"
      )
    }).pipe(on(surroundings))
  )

  it.effect("with a namespace alone is the PAT of the Secret that is looked into today, or the connector's", () =>
    Effect.gen(function* () {
      for (const [namespace, expected] of [
        ["team-a", "Bearer dapi-mine"],
        ["team-b", "Bearer dapi-0"]
      ] as const) {
        assert.strictEqual(bearer(yield* poll(written({ namespace: Option.some(namespace) }))), expected)
      }
    }).pipe(
      on({
        ...surroundings,
        settings: { tokenSecretName: "mine" },
        cluster: { ...surroundings.cluster, "team-a/mine": { token: "dapi-mine" } }
      })
    )
  )

  it.effect("as Flyte's connector writes a PAT, with the OAuth Secret's name beside it, is that PAT and no other", () =>
    Effect.gen(function* () {
      const fields = {
        authType: Option.some("pat" as const),
        oauthSecretName: Option.some("databricks-oauth"),
        namespace: Option.some("team-a")
      }
      const boundary = yield* auth
      const credential = yield* boundary.recall(
        written({ ...fields, authToken: Option.some(Redacted.make("dapi-old")) })
      )
      yield* boundary.invalidate(credential, yield* boundary.getHeader(credential))
      assert.strictEqual(bearer(yield* boundary.getHeader(credential)), "Bearer dapi-old")
      assert.deepStrictEqual(yield* Kubernetes.KubernetesMemory.use(({ reads }) => reads), [])
    }).pipe(on({ ...surroundings, cluster: { ...surroundings.cluster, "team-a/databricks-oauth": oauth } }))
  )

  it.effect.each([
    ["an instance that is not on the list", { instance: "evil.com" }, "InstanceRefused"],
    ["a namespace that leads elsewhere", { namespace: Option.some("../kube-system") }, "SettingInvalid"],
    ["a Secret's name that leads elsewhere", { oauthSecretName: Option.some("../../x") }, "SettingInvalid"],
    ["an older Secret's name that leads elsewhere", { tokenSecretName: Option.some("a/b") }, "SettingInvalid"],
    [
      "a token that no header can carry",
      { authToken: Option.some(Redacted.make("dapi\r\nX-Evil: 1")) },
      "SettingInvalid"
    ]
  ] as const)("is refused with %s, before anything is read", ([, fields, tag]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        poll(written({ authType: Option.some("pat"), namespace: Option.some("team-a"), ...fields }))
      )
      assert.strictEqual(error.reason._tag, tag)
      assert.deepStrictEqual(yield* Kubernetes.KubernetesMemory.use(({ reads }) => reads), [])
      if (tag === "SettingInvalid" && "authToken" in fields) {
        assert.include(error.message, 'auth_token of the job metadata is "(not shown)"')
        assert.include(error.message, "expected a token that a header can carry.")
      }
    }).pipe(on(surroundings))
  )

  it.effect("of another mode, with a token beside it, has no use for the token", () =>
    Effect.gen(function* () {
      const boundary = yield* auth
      const credential = yield* boundary.recall(
        written({
          authType: Option.some("oauth_m2m"),
          clientId: Option.some("app-0"),
          authToken: Option.some(Redacted.make("dapi-old"))
        })
      )
      assert.strictEqual(bearer(yield* boundary.getHeader(credential)), "Bearer t1")
    }).pipe(on({ secrets: pair }))
  )
})
