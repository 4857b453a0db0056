/** Where the credential of a pinned run is looked for, by what its origin is, and what is said where it is gone. */
import {
  type Token,
  ClientCredentialsSource,
  ConnectorSettings,
  Identity,
  OAuthM2M,
  Pat,
  PatSource,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Duration, Effect, Layer, Option, Redacted } from "effect"
import { environment } from "../support/environment.ts"
import { host } from "../support/tokens.ts"

const name = "the-secret"
const pairOf = (clientId: string) => ({ clientId, clientSecret: Redacted.make("s") })

const origins = {
  NamespaceSecret: Identity.NamespaceSecret.make({ namespace: "team-a", name }),
  ConnectorLevel: Identity.ConnectorLevel.make({}),
  Unrecorded: Identity.Unrecorded.make({ namespace: Option.some("team-a"), name }),
  "Unrecorded, without a namespace": Identity.Unrecorded.make({ namespace: Option.none(), name }),
  RequestSecret: Identity.RequestSecret.make({}),
  StoredToken: Identity.StoredToken.make({})
}

/** A namespace and a connector that have both kinds of credentials, or have lost them. */
const place = { namespace: ["team-a"], connector: ["team-0"], both: ["team-a", "team-0"], neither: [] } as const
type Place = keyof typeof place

const sources = (there: Place) => {
  const ofNamespace = place[there].some((one) => one === "team-a")
  const ofConnector = place[there].some((one) => one === "team-0")
  return Layer.mergeAll(
    PatSource.layerMemory({
      ...(ofNamespace ? { namespaces: { [`team-a/${name}`]: Redacted.make("namespace") } } : {}),
      ...(ofConnector ? { connector: Redacted.make("connector") } : {})
    }),
    ClientCredentialsSource.layerMemory({
      ...(ofNamespace ? { namespaces: { [`team-a/${name}`]: pairOf("namespace") } } : {}),
      ...(ofConnector ? { connector: pairOf("connector") } : {})
    }),
    TokenEndpoint.layerMemory(({ clientId, source }) =>
      Effect.succeed({
        value: Redacted.make(`${clientId} by ${source}`),
        lifetime: Duration.hours(1),
        builtFrom: Redacted.make("s")
      })
    ),
    ConnectorSettings.layerConfig.pipe(Layer.provide(environment({})))
  )
}

const valueOf = ({ value }: Token.Token) => Redacted.value(value)
const tries: Token.Tries = { isWaitedFor: true, onProgress: () => Effect.void }
const patOf = (origin: Identity.Origin) => new Identity.PatIdentity({ instance: host, origin })
const principalOf = (origin: Identity.Origin, clientId?: string) =>
  new Identity.OAuthM2MIdentity({ instance: host, clientId: Option.fromUndefinedOr(clientId), origin })
const acquirePat = (origin: Identity.Origin) =>
  Effect.flatMap(Pat.mode.wire, ({ acquire }) => acquire({ identity: patOf(origin) }, false, tries))
const acquireM2M = (origin: Identity.Origin, clientId?: string) =>
  Effect.flatMap(OAuthM2M.mode.wire, ({ acquire }) =>
    acquire({ identity: principalOf(origin, clientId) }, false, tries)
  )

const secret = `Secret ${name} in namespace team-a`
const variables = "FLYTE_DATABRICKS_CLIENT_ID and FLYTE_DATABRICKS_CLIENT_SECRET of the connector"

describe("a pinned credential", () => {
  it.effect.each([
    ["NamespaceSecret", "both", "namespace", `namespace by ${secret}`],
    ["ConnectorLevel", "both", "connector", `connector by ${variables}`],
    ["Unrecorded", "both", "namespace", `namespace by ${variables}`],
    ["Unrecorded", "connector", "connector", `connector by ${variables}`],
    ["Unrecorded, without a namespace", "both", "connector", `connector by ${variables}`]
  ] as const)("of origin %s, where there are %s, is that of the %s", ([origin, there, pat, pair]) =>
    Effect.gen(function* () {
      assert.strictEqual(valueOf(yield* acquirePat(origins[origin])), pat)
      assert.strictEqual(valueOf(yield* acquireM2M(origins[origin])), pair)
    }).pipe(Effect.provide(sources(there)))
  )

  it.effect.each([
    ["NamespaceSecret", "connector", `Secret team-a/${name}`, secret, secret],
    ["ConnectorLevel", "namespace", "connector", "FLYTE_DATABRICKS_ACCESS_TOKEN of the connector", variables],
    ["Unrecorded", "neither", "not recorded at submit", "FLYTE_DATABRICKS_ACCESS_TOKEN of the connector", variables],
    [
      "RequestSecret",
      "both",
      "connection of the request",
      'connection.secrets["databricks_token"] of the request',
      'connection.secrets["databricks_token"] of the request'
    ],
    [
      "StoredToken",
      "both",
      "auth_token of the job metadata",
      "auth_token of the job metadata",
      "auth_token of the job metadata"
    ]
  ] as const)("of origin %s is no other, where there are those of the %s", ([origin, there, from, ofPat, ofPair]) =>
    Effect.gen(function* () {
      const gone = [
        ["PAT", ofPat, yield* Effect.flip(acquirePat(origins[origin]))],
        ["client credentials", ofPair, yield* Effect.flip(acquireM2M(origins[origin]))]
      ] as const
      for (const [wanted, source, { reason }] of gone) {
        assert(reason._tag === "CredentialsMissing", reason.message)
        assert.strictEqual(reason.wanted, `${wanted} from ${from}`)
        assert.deepStrictEqual(reason.looked, [{ source, outcome: "absent" }])
        assert.strictEqual(reason.remedy, "The identity is pinned to this source: put the credential back.")
      }
    }).pipe(Effect.provide(sources(there)))
  )

  it.effect("of another principal is refused, and both are named", () =>
    Effect.gen(function* () {
      assert.strictEqual(valueOf(yield* acquireM2M(origins.NamespaceSecret, "namespace")), `namespace by ${secret}`)
      const { message } = yield* Effect.flip(acquireM2M(origins.NamespaceSecret, "app-1"))
      assert.include(message, `${secret} holds client id namespace, expected app-1.`)
    }).pipe(Effect.provide(sources("both")))
  )
})

describe("what was read is forgotten", () => {
  it.effect.each([
    ["NamespaceSecret", [`team-a/${name}`, "connector"]],
    ["ConnectorLevel", ["connector"]],
    ["Unrecorded", [`team-a/${name}`, "connector"]],
    ["Unrecorded, without a namespace", ["connector"]]
  ] as const)("of origin %s: %j", ([origin, expected]) =>
    Effect.gen(function* () {
      const forgotten: Array<string> = []
      const noting = <S extends object>(source: S) => ({
        ...source,
        forget: (namespace: string, name: string) => Effect.sync(() => void forgotten.push(`${namespace}/${name}`)),
        forgetConnector: Effect.sync(() => void forgotten.push("connector"))
      })
      const pat = Effect.updateService(Pat.mode.wire, PatSource.PatSource, noting)
      yield* (yield* pat).forget(patOf(origins[origin]))
      assert.deepStrictEqual(forgotten.splice(0), [...expected])
      const pair = Effect.updateService(OAuthM2M.mode.wire, ClientCredentialsSource.ClientCredentialsSource, noting)
      yield* (yield* pair).forget(principalOf(origins[origin]))
      assert.deepStrictEqual(forgotten, [...expected])
    }).pipe(Effect.provide(sources("both")))
  )
})

describe("what is recorded of an origin", () => {
  const named = { oauthSecretName: Option.some(name) }
  const nothing = { authType: Option.none(), namespace: Option.none() }
  const token = { ...nothing, authToken: Option.some(Redacted.make("dapi-a")) }
  const found = { namespace: Option.none(), explanation: [], builtFrom: token.authToken }

  it.effect.each([
    ["NamespaceSecret", named],
    ["Unrecorded", named],
    ["ConnectorLevel", {}]
  ] as const)("of client credentials, %s, is the Secret's name, if it has one", ([origin, expected]) =>
    Effect.gen(function* () {
      const { record } = yield* OAuthM2M.mode.wire
      const ofPair = record({ identity: principalOf(origins[origin], "app"), ...found }, undefined)
      assertEquals<object>(ofPair, { clientId: Option.some("app"), ...expected })
    }).pipe(Effect.provide(sources("both")))
  )

  it.effect.each([
    ["NamespaceSecret", token, named],
    ["ConnectorLevel", nothing, {}],
    ["RequestSecret", nothing, nothing]
  ] as const)("of a PAT, %s, is what the oldest connector of each Flyte knows", ([origin, flyte1, flyte2]) =>
    Effect.gen(function* () {
      const { record } = yield* Pat.mode.wire
      const resolved = { identity: patOf(origins[origin]), ...found }
      assertEquals<object>(record(resolved, undefined), flyte1)
      assertEquals<object>(record(resolved, { databricksToken: Option.none() }), flyte2)
    }).pipe(Effect.provide(sources("both")))
  )

  it.effect("of a namespace's PAT that may not be written, or is not known, is the Secret's name", () =>
    Effect.gen(function* () {
      const { record } = yield* Pat.mode.wire
      const identity = patOf(origins.NamespaceSecret)
      assertEquals<object>(record({ identity, ...found, builtFrom: Option.none() }, undefined), named)
    }).pipe(Effect.provide(sources("both")))
  )
})
