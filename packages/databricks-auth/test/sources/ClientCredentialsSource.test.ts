import {
  ClientCredentialsSource,
  ConnectorSecrets,
  Kubernetes,
  NamespaceSecrets
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Arbitrary, Effect, Layer, Option, Redacted, Result, Schema } from "effect"

type Pair = { readonly clientId: string; readonly clientSecret: string }

const source = (where: {
  readonly connector?: Record<string, string>
  readonly cluster?: Record<string, Record<string, string>>
}) =>
  ClientCredentialsSource.layer.pipe(
    Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory(where.connector)]),
    Layer.provide(Kubernetes.layerMemory(where.cluster))
  )

const plain = (found: Option.Option<ClientCredentialsSource.ClientCredentials>): Pair | undefined =>
  Option.getOrUndefined(
    Option.map(found, ({ clientId, clientSecret }) => ({ clientId, clientSecret: Redacted.value(clientSecret) }))
  )

const ofNamespace = (data: Record<string, string>) =>
  ClientCredentialsSource.ClientCredentialsSource.use(({ namespaceSecret }) =>
    namespaceSecret("team-a", "databricks-oauth")
  ).pipe(Effect.provide(source({ cluster: { "team-a/databricks-oauth": data } })), Effect.map(plain))

const ofConnector = (connector: Record<string, string>, taskClientId: Option.Option<string> = Option.none()) =>
  ClientCredentialsSource.ClientCredentialsSource.use((pairs) => pairs.connector(taskClientId)).pipe(
    Effect.provide(source({ connector })),
    Effect.map(plain)
  )

describe("a namespace's Secret", () => {
  it.effect("holds a whole pair, trimmed; what else is in it does not matter", () =>
    Effect.gen(function* () {
      const pair = yield* ofNamespace({ client_id: " app-1\n", client_secret: "s1\n", token: "dapi" })
      assert.deepStrictEqual(pair, { clientId: "app-1", clientSecret: "s1" })
    })
  )

  it.effect("that is not there is absent", () =>
    Effect.gen(function* () {
      const pairs = yield* ClientCredentialsSource.ClientCredentialsSource
      assertEquals(yield* pairs.namespaceSecret("team-b", "databricks-oauth"), Option.none())
      assertEquals(yield* pairs.namespaceSecret("team-a", "other"), Option.none())
    }).pipe(Effect.provide(source({ cluster: { "team-a/databricks-oauth": { client_id: "a", client_secret: "b" } } })))
  )

  it.effect.each([
    ["lacks its secret", { client_id: "app-1" }, ["client_secret"]],
    ["lacks its client id", { client_secret: "s1" }, ["client_id"]],
    ["has a blank secret", { client_id: "app-1", client_secret: " \n" }, ["client_secret"]],
    ["has an empty client id", { client_id: "", client_secret: "s1" }, ["client_id"]],
    ["has other keys alone", { CLIENT_ID: "app-1", clientSecret: "s1" }, ["client_id", "client_secret"]],
    ["is empty", {}, ["client_id", "client_secret"]]
  ] as const)("that %s is broken, and the error names what is amiss", ([, data, keys]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ofNamespace(data))
      assert(error.reason._tag === "CredentialsBroken")
      for (const key of keys) assert.include(error.reason.problem, key)
      assert.strictEqual(error.reason.problem.split(" and ").length, keys.length)
      assert.include(error.message, "Secret databricks-oauth in namespace team-a")
      assert.include(error.message, "Give it a value under client_id and a value under client_secret, or delete it.")
      assert.notInclude(error.message, "s1")
    })
  )

  it.effect("whose two values were swapped is broken, and the secret is not repeated as a client id", () =>
    Effect.gen(function* () {
      const secret = "dose0123456789abcdef0123456789abcdef"
      const error = yield* Effect.flip(ofNamespace({ client_id: secret, client_secret: "app-1" }))
      assert.strictEqual(error.reason._tag, "CredentialsBroken")
      assert.include(error.message, "client_id")
      assert.include(error.message, "Put the service principal's application id there.")
      assert.notInclude(error.message, secret)
    })
  )
})

describe("the connector", () => {
  it.effect("without a pair has none", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* ofConnector({}))
    })
  )

  it.effect.each(["FLYTE_DATABRICKS", "DATABRICKS"])("may spell its pair %s_CLIENT_…", (family) =>
    Effect.gen(function* () {
      const pair = yield* ofConnector({ [`${family}_CLIENT_ID`]: "app-1", [`${family}_CLIENT_SECRET`]: "s1" })
      assert.deepStrictEqual(pair, { clientId: "app-1", clientSecret: "s1" })
    })
  )

  it.effect("with both spellings whole takes Flyte's", () =>
    Effect.gen(function* () {
      const pair = yield* ofConnector({
        DATABRICKS_CLIENT_ID: "other",
        DATABRICKS_CLIENT_SECRET: "other-secret",
        FLYTE_DATABRICKS_CLIENT_ID: "app-1",
        FLYTE_DATABRICKS_CLIENT_SECRET: "s1"
      })
      assert.deepStrictEqual(pair, { clientId: "app-1", clientSecret: "s1" })
    })
  )

  it.effect.each([
    { FLYTE_DATABRICKS_CLIENT_ID: "app-1" },
    { DATABRICKS_CLIENT_ID: "app-1" },
    { FLYTE_DATABRICKS_CLIENT_SECRET: "s1" },
    { DATABRICKS_CLIENT_SECRET: "s1" },
    { FLYTE_DATABRICKS_CLIENT_ID: "app-1", FLYTE_DATABRICKS_CLIENT_SECRET: " " },
    { FLYTE_DATABRICKS_CLIENT_ID: "app-1", DATABRICKS_CLIENT_ID: "app-1" }
  ] as ReadonlyArray<Record<string, string>>)("with half a pair is broken, naming both halves: %j", (half) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ofConnector(half))
      assert.strictEqual(error.reason._tag, "CredentialsBroken")
      assert.include(error.message, "FLYTE_DATABRICKS_CLIENT_ID")
      assert.include(error.message, "FLYTE_DATABRICKS_CLIENT_SECRET")
      assert.notInclude(error.message, "s1")
    })
  )

  it.effect(
    "with a half of its own that another pair could complete is broken: no id is joined with another's secret",
    () =>
      Effect.gen(function* () {
        const other = { DATABRICKS_CLIENT_ID: "other", DATABRICKS_CLIENT_SECRET: "other-secret" }
        for (const half of [{ FLYTE_DATABRICKS_CLIENT_ID: "app-1" }, { FLYTE_DATABRICKS_CLIENT_SECRET: "s1" }]) {
          const error = yield* Effect.flip(ofConnector({ ...other, ...half }))
          assert.strictEqual(error.reason._tag, "CredentialsBroken", JSON.stringify(half))
          assert.notMatch(error.message, /s1|other-secret/)
        }
        const { message } = yield* Effect.flip(ofConnector({ ...other, FLYTE_DATABRICKS_CLIENT_ID: "app-1" }))
        assert.include(message, "The connector's client id (from FLYTE_DATABRICKS_CLIENT_ID) is not known to go with")
        assert.include(
          message,
          "the secret from DATABRICKS_CLIENT_SECRET: DATABRICKS_CLIENT_ID belongs to one of the two"
        )
      })
  )

  it.effect("whose two values were swapped is broken, and the secret is not repeated as a client id", () =>
    Effect.gen(function* () {
      const secret = "dose0123456789abcdef0123456789abcdef"
      const error = yield* Effect.flip(
        ofConnector({ FLYTE_DATABRICKS_CLIENT_ID: secret, FLYTE_DATABRICKS_CLIENT_SECRET: "app-1" })
      )
      assert.strictEqual(error.reason._tag, "CredentialsBroken")
      assert.include(error.message, "The connector's client id (from FLYTE_DATABRICKS_CLIENT_ID) looks like a secret.")
      assert.notInclude(error.message, secret)
    })
  )

  it.effect("without a pair, for a task that names a client id, is half of one", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ofConnector({}, Option.some("app-9")))
      assert.strictEqual(error.reason._tag, "CredentialsBroken")
      assert.include(error.message, "The client id app-9 of the task has neither a client secret nor a JWT file")
      const own = yield* Effect.flip(ofConnector({ DATABRICKS_CLIENT_ID: "app-1" }, Option.some("app-9")))
      assert.include(own.message, "The connector's client id (from DATABRICKS_CLIENT_ID) has neither")
    })
  )

  it.effect("goes with no other client id that a task names", () =>
    Effect.gen(function* () {
      const whole = { FLYTE_DATABRICKS_CLIENT_ID: "app-1", FLYTE_DATABRICKS_CLIENT_SECRET: "s1" }
      assert.strictEqual((yield* ofConnector(whole, Option.some("app-1")))?.clientId, "app-1")
      const { message } = yield* Effect.flip(ofConnector(whole, Option.some("app-9")))
      assert.include(message, "The client id app-9 of the task has no secret to go with it")
      assert.include(message, "the connector's belongs to client id app-1")
    })
  )

  it.effect("tells its client id also where there is no secret to go with it", () =>
    Effect.gen(function* () {
      const pairs = yield* ClientCredentialsSource.ClientCredentialsSource
      assertEquals(yield* pairs.connectorClientId, Option.some("app-1"))
    }).pipe(Effect.provide(source({ connector: { DATABRICKS_CLIENT_ID: "app-1" } })))
  )

  // Every way to set four variables, each to nothing, to one principal's value, or to another's.
  const value = Schema.Literals(["", "one", "two"])
  it.effect.prop(
    "never gives a pair that no operator wrote down as one",
    Arbitrary.all({
      id: Arbitrary.schema(value),
      secret: Arbitrary.schema(value),
      otherId: Arbitrary.schema(value),
      otherSecret: Arbitrary.schema(value)
    }).pipe((variables) => ({ variables })),
    ({ variables: { id, secret, otherId, otherSecret } }) =>
      Effect.gen(function* () {
        const answer = yield* Effect.result(
          ofConnector({
            FLYTE_DATABRICKS_CLIENT_ID: id,
            FLYTE_DATABRICKS_CLIENT_SECRET: secret,
            DATABRICKS_CLIENT_ID: otherId,
            DATABRICKS_CLIENT_SECRET: otherSecret
          })
        )
        const isWhole = (first: string, second: string) => first !== "" && second !== ""
        if (Result.isFailure(answer)) {
          assert.isFalse(isWhole(id, secret), "a whole pair is used")
          return
        }
        if (answer.success === undefined) {
          assert.strictEqual(id + secret + otherId + otherSecret, "", "half a pair is not absent")
          return
        }
        const { clientId, clientSecret } = answer.success
        const written = [
          [id, secret],
          [otherId, otherSecret]
        ].some(([i, s]) => i === clientId && s === clientSecret)
        // One spelling for the id and the other for the secret is one pair, where nothing says otherwise.
        const acrossSpellings = (i: string, s: string, itsSecret: string, itsId: string) =>
          i === clientId && s === clientSecret && itsSecret === "" && itsId === ""
        assert.isTrue(
          written ||
            acrossSpellings(id, otherSecret, secret, otherId) ||
            acrossSpellings(otherId, secret, otherSecret, id),
          `${clientId} was joined with ${clientSecret}`
        )
      }),
    { arbitrary: { runs: 300 } }
  )
})
