import { DatabricksAuth, Identity, IdentityRecord } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Option, Redacted } from "effect"
import { instance } from "../support/environment.ts"
import { jwtText } from "../support/jwt.ts"
import { defaultPath, explicit } from "../support/oidc.ts"
import { host } from "../support/tokens.ts"
import { app, on, poll, type World } from "./World.ts"

describe("what Flyte's Python connector recorded", () => {
  /** What it writes with every auth type: the OAuth Secret's name means something for OAuth M2M alone. */
  const python = (changes: Partial<IdentityRecord.IdentityRecord>): IdentityRecord.IdentityRecord => ({
    ...IdentityRecord.empty(instance),
    oauthSecretName: Option.some("databricks-oauth"),
    namespace: Option.some("flytesnacks-development"),
    ...changes
  })
  const world: World = {
    env: { ...app, FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" },
    files: { [defaultPath]: jwtText() },
    // Its label was taken away since.
    serviceAccounts: { "flytesnacks-development/spark": {} },
    secrets: {
      "flytesnacks-development/databricks-oauth": {
        client_id: "11111111-2222-3333-4444-555555555555",
        client_secret: "s"
      }
    }
  }
  const some = Option.some

  it.effect("of Model 1 is Model 1", () =>
    Effect.gen(function* () {
      const recorded = python({
        authType: some("oidc_federation"),
        clientId: some("c"),
        oidcTokenFile: some(defaultPath),
        oidcAudience: some("databricks")
      })
      const { value, calls } = yield* on(world, poll(recorded))
      assertEquals(
        value.identity,
        new Identity.OidcConnectorIdentity({
          instance: host,
          clientId: "c",
          tokenFile: defaultPath,
          audience: "databricks"
        })
      )
      assert.strictEqual(value.header, "Bearer c-as-system:serviceaccount:flyte:connector-1")
      assert.deepStrictEqual(calls, [])
    })
  )

  it.effect("of Model 1, with what its environment gave it left out, is this connector's own", () =>
    Effect.gen(function* () {
      const recorded = python({ authType: some("oidc_federation") })
      assert.strictEqual(
        (yield* on(world, poll(recorded))).value.header,
        "Bearer app-0-as-system:serviceaccount:flyte:connector-1"
      )
      const named = {
        ...world,
        env: { ...app, FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/n" },
        files: { "/n": jwtText({ sub: "n" }) }
      }
      assert.strictEqual((yield* on(named, poll(recorded))).value.header, "Bearer app-0-as-n-1")
      const error = yield* Effect.flip(on({ ...world, env: {} }, poll(recorded)))
      assert.include(error.message, "The job metadata names no client id")
    })
  )

  it.effect("of Model 2 is Model 2, with the client id that it was submitted with", () =>
    Effect.gen(function* () {
      const recorded = python({
        authType: some("oidc_federation"),
        clientId: some("sa-client"),
        oidcServiceAccount: some("spark"),
        oidcAudience: some("databricks")
      })
      const { value, calls } = yield* on(world, poll(recorded))
      assert.strictEqual(value.header, "Bearer sa-client-as-system:serviceaccount:flytesnacks-development:spark-1")
      assert.strictEqual(calls.at(-1), "token flytesnacks-development/spark for databricks, 1h")
    })
  )

  it.effect("of OAuth M2M is OAuth M2M, with and without a client id", () =>
    Effect.gen(function* () {
      for (const clientId of [some("11111111-2222-3333-4444-555555555555"), Option.none()]) {
        const { value } = yield* on(world, poll(python({ authType: some("oauth_m2m"), clientId })))
        assert.strictEqual(value.header, "Bearer 11111111-2222-3333-4444-555555555555-by-its-secret-1")
      }
    })
  )

  it.effect("of OAuth M2M without a client id is its Secret's, also on a connector that has no client id", () =>
    Effect.gen(function* () {
      const recorded = python({ authType: some("oauth_m2m") })
      for (const env of [world.env!, {}]) {
        const { identity } = (yield* on({ ...world, env }, poll(recorded))).value
        assert.strictEqual(identity.source, "Secret flytesnacks-development/databricks-oauth")
      }
    })
  )

  it.effect("of a PAT is that PAT, also without a namespace", () =>
    Effect.gen(function* () {
      for (const namespace of [some("flytesnacks-development"), Option.none()]) {
        const recorded = python({ authType: some("pat"), authToken: some(Redacted.make("dapi-stored")), namespace })
        const { value, calls } = yield* on(world, poll(recorded))
        assert.strictEqual(value.header, "Bearer dapi-stored")
        assert.deepStrictEqual(calls, [])
      }
    })
  )

  it.effect("of OAuth M2M with its own client id beside a Secret's name says nothing: the Secret decides", () =>
    Effect.gen(function* () {
      const recorded = python({ authType: some("oauth_m2m"), clientId: some("app-0") })
      const own = yield* on(world, poll(recorded))
      assert.strictEqual(own.value.header, "Bearer 11111111-2222-3333-4444-555555555555-by-its-secret-1")
      assert.strictEqual(own.value.identity.principal, "not recorded at submit")
      const without = yield* on({ ...world, secrets: {} }, poll(recorded))
      assert.strictEqual(without.value.header, "Bearer app-0-by-its-secret-1")
    })
  )

  it.effect("of OAuth M2M without a namespace is the connector's, as the client id that is recorded", () =>
    Effect.gen(function* () {
      const recorded = python({ authType: some("oauth_m2m"), namespace: Option.none() })
      for (const clientId of ["app-0", "app-other"]) {
        const { identity } = yield* on(
          world,
          DatabricksAuth.DatabricksAuth.use((auth) => auth.recall({ ...recorded, clientId: some(clientId) }))
        ).pipe(Effect.map(({ value }) => value))
        assert.strictEqual(identity.principal, clientId)
        assert.strictEqual(identity.source, "not recorded at submit")
      }
    })
  )

  it.effect("of Model 2 without an audience is for the default one", () =>
    Effect.gen(function* () {
      const recorded = python({
        authType: some("oidc_federation"),
        clientId: some("sa-client"),
        oidcServiceAccount: some("spark")
      })
      const { calls } = yield* on(world, poll(recorded))
      assert.strictEqual(calls.at(-1), "token flytesnacks-development/spark for databricks, 1h")
    })
  )

  it.effect("of Model 1 without a client id, on a connector without one, is nobody", () =>
    Effect.gen(function* () {
      const recorded = python({ authType: some("oidc_federation") })
      const { message } = yield* Effect.flip(on({ files: world.files! }, poll(recorded)))
      assert.include(message, "No credentials for the run's identity (OIDC federation as the connector)")
      assert.include(message, "FLYTE_DATABRICKS_CLIENT_ID of the connector: absent")
      assert.include(message, "set it on the connector that submitted the run")
    })
  )

  it.effect("of a PAT beside the OAuth Secret's name, today's or the default one, is not that Secret's", () =>
    Effect.gen(function* () {
      const env = { ...world.env, FLYTE_DATABRICKS_OAUTH_SECRET_NAME: "team-oauth" }
      for (const name of ["team-oauth", "databricks-oauth", "databricks-token"]) {
        const recorded = python({
          authType: some("pat"),
          authToken: some(Redacted.make("dapi-stored")),
          oauthSecretName: some(name)
        })
        const { identity } = (yield* on({ ...world, env }, poll(recorded))).value
        const isOwn = name === "databricks-token"
        assert.strictEqual(
          identity.source,
          isOwn ? "Secret flytesnacks-development/databricks-token" : "auth_token of the job metadata"
        )
      }
    })
  )

  /** The headers of a run before and after Databricks refused the first. */
  const refused = (recorded: IdentityRecord.IdentityRecord) =>
    DatabricksAuth.DatabricksAuth.use((auth) =>
      Effect.gen(function* () {
        const credential = yield* auth.recall(recorded)
        const first = yield* auth.getHeader(credential)
        yield* auth.invalidate(credential, first)
        const headers = [first, yield* auth.getHeader(credential)]
        return headers.map(({ authorization }) => Redacted.value(authorization))
      })
    )
  const everywhere: World = {
    ...world,
    secrets: { ...world.secrets, "flytesnacks-development/databricks-token": { token: "dapi-namespace" } }
  }

  it.effect.each([
    ["two keys is the connector's PAT", {}, "Bearer dapi-0"],
    ["three keys is the token of the third", { authToken: some(Redacted.make("dapi-stored")) }, "Bearer dapi-stored"],
    [
      "ten keys and a token is that token",
      python({ authType: some("pat"), authToken: some(Redacted.make("dapi-stored")) }),
      "Bearer dapi-stored"
    ]
  ] as const)("with %s, also once it was refused: no namespace is looked into", ([, keys, header]) =>
    Effect.gen(function* () {
      const { value, calls } = yield* on(everywhere, refused({ ...IdentityRecord.empty(instance), ...keys }))
      assert.deepStrictEqual(value, [header, header])
      assert.deepStrictEqual(calls, [])
    })
  )

  it.effect("before there was a choice is a PAT, whatever is set today", () =>
    Effect.gen(function* () {
      const since = { ...world, env: { ...world.env, ...explicit } }
      assert.strictEqual((yield* on(since, poll(IdentityRecord.empty(instance)))).value.header, "Bearer dapi-0")
      const stored = { ...IdentityRecord.empty(instance), authToken: some(Redacted.make("dapi-old")) }
      assert.strictEqual((yield* on(since, poll(stored))).value.header, "Bearer dapi-old")
    })
  )

  it.effect("in a draft, with the PAT Secret's name, is that Secret's", () =>
    Effect.gen(function* () {
      const recorded = {
        ...IdentityRecord.empty(instance),
        authType: some("pat" as const),
        tokenSecretName: some("team-token"),
        namespace: some("ns")
      }
      for (const oauthSecretName of [Option.none(), some("databricks-oauth"), some("other")]) {
        const { value } = yield* on(
          { ...world, secrets: { "ns/team-token": { token: "dapi-ns" } } },
          poll({ ...recorded, oauthSecretName })
        )
        assert.strictEqual(value.header, "Bearer dapi-ns")
      }
    })
  )
})
