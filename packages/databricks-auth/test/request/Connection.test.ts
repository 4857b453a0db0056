/** The PAT that a request of Flyte 2 carries: one more place for a PAT, the task's own choice. */
import {
  type AuthError,
  type Connection,
  DatabricksAuth,
  IdentityRecord,
  type TaskSettings
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Exit, Option, Redacted, Result } from "effect"
import { connector } from "../support/connector.ts"
import { instance } from "../support/environment.ts"
import { makeLogs } from "../support/logs.ts"
import { assertNoSecret, makeSpans, outcomeShownAs, shownAs } from "../support/secrecy.ts"

const sent = (token: string): Connection.Connection => ({ databricksToken: Option.some(Redacted.make(token)) })
const nothingSent: Connection.Connection = { databricksToken: Option.none() }
const naming = (connectionSecretName: string | undefined) => ({ connectionSecretName })

/** Who a task is, or why nobody. */
const resolve = (
  surroundings: Parameters<typeof connector>[0],
  connection: Connection.Connection | undefined,
  settings: TaskSettings.TaskSettings = {}
) =>
  DatabricksAuth.DatabricksAuth.use((auth) =>
    auth.resolve({ namespace: "team-a", settings, ...(connection === undefined ? {} : { connection }) })
  ).pipe(Effect.result, Effect.provide(connector(surroundings)))

const failure = <A>(result: Result.Result<A, AuthError.AuthError>): AuthError.AuthError =>
  Result.isFailure(result) ? result.failure : assert.fail("it was to fail")

const states = {
  "of Flyte 1, without a connection": { connection: undefined, settings: {} },
  "with no token": { connection: nothingSent, settings: naming(undefined) },
  "with no token, though one is named": { connection: nothingSent, settings: naming("my-token") },
  "with a blank token": { connection: sent(" \n"), settings: naming(undefined) },
  "with a blank token, though one is named": { connection: sent(""), settings: naming("my-token") },
  "with a token": { connection: sent("of-request"), settings: naming("my-token") },
  "with a token and a line's end": { connection: sent("of-request\n"), settings: {} },
  "with a token that no header may carry": { connection: sent("of\u0000request"), settings: naming("my-token") }
} as const
type State = keyof typeof states

const secretNameOf = (state: State) => {
  const { settings }: { readonly settings: TaskSettings.TaskSettings } = states[state]
  return Option.fromUndefinedOr(settings.connectionSecretName)
}

const secrets = { absent: {}, whole: { token: "of-namespace" }, broken: { token: " " } } as const

interface Combination {
  readonly state: State
  readonly secret: keyof typeof secrets
  readonly connectorPat: boolean
  readonly connectorPair: boolean
  readonly authType: "pat" | "oauth_m2m" | undefined
  readonly namespaceIdentity: "allow" | "require" | "ignore"
}

/**
 * The rule, told once more: what the task names is that one or an error; else the strongest mode first; among PATs the
 * request's, the namespace's, the connector's.
 */
const oracle = (given: Combination): string => {
  const { state, secret, authType } = given
  const shared = given.namespaceIdentity !== "require"
  if (authType !== "oauth_m2m" && Option.isSome(secretNameOf(state))) {
    if (state === "with a token") return "pat connection of the request"
    return state === "with no token, though one is named" ? "CredentialsMissing" : "CredentialsBroken"
  }
  if (authType !== "pat" && given.connectorPair && shared) return "oauth_m2m connector"
  if (authType === "oauth_m2m") return "CredentialsMissing"
  if (state.includes("with a token and")) return "pat connection of the request"
  if (given.namespaceIdentity !== "ignore") {
    if (secret === "whole") return "pat Secret team-a/databricks-token"
    if (secret === "broken") return "CredentialsBroken"
  }
  return given.connectorPat && shared ? "pat connector" : "CredentialsMissing"
}

const combinations: ReadonlyArray<Combination> = (Object.keys(states) as ReadonlyArray<State>).flatMap((state) =>
  (["absent", "whole", "broken"] as const).flatMap((secret) =>
    [false, true].flatMap((connectorPat) =>
      [false, true].flatMap((connectorPair) =>
        (["pat", "oauth_m2m", undefined] as const).flatMap((authType) =>
          (["allow", "require", "ignore"] as const).map((namespaceIdentity) => ({
            state,
            secret,
            connectorPat,
            connectorPair,
            authType,
            namespaceIdentity
          }))
        )
      )
    )
  )
)

describe("who a request is", () => {
  for (const state of Object.keys(states) as ReadonlyArray<State>) {
    it.effect(state, () =>
      Effect.gen(function* () {
        for (const combination of combinations.filter((one) => one.state === state)) {
          const { secret, authType } = combination
          const surroundings = {
            settings: {
              namespaceIdentity: combination.namespaceIdentity,
              authType
            },
            secrets: {
              ...(combination.connectorPat ? { FLYTE_DATABRICKS_ACCESS_TOKEN: "of-connector" } : {}),
              ...(combination.connectorPair
                ? { FLYTE_DATABRICKS_CLIENT_ID: "sp", FLYTE_DATABRICKS_CLIENT_SECRET: "secret" }
                : {})
            },
            cluster: secret === "absent" ? {} : { "team-a/databricks-token": secrets[secret] }
          }
          const result = yield* resolve(surroundings, states[state].connection, states[state].settings)
          const seen = Result.match(result, {
            onFailure: ({ reason }) => reason._tag,
            onSuccess: ({ identity }) => `${identity.authType} ${identity.source}`
          })
          assert.strictEqual(seen, oracle(combination), JSON.stringify(combination))
        }
      })
    )
  }

  it.effect("is told with the place that was looked at, and by Flyte 1 with no word of it", () =>
    Effect.gen(function* () {
      const { reason } = failure(yield* resolve({}, nothingSent, naming("my-token")))
      assert(reason._tag === "CredentialsMissing")
      assert.deepInclude(reason.looked, {
        source: 'connection.secrets["databricks_token"] of the request',
        outcome: "absent",
        detail: 'not sent, though the task names secret "my-token"'
      })
      assert.notInclude(failure(yield* resolve({}, undefined)).message, "connection")
    })
  )

  it.effect("does not show a token that stands where its secret's name should", () =>
    Effect.gen(function* () {
      const settings = naming("dapi0123456789abcdef0123456789abcdef")
      for (const connection of [nothingSent, sent("")]) {
        assert.notInclude(failure(yield* resolve({}, connection, settings)).message, "dapi0123")
      }
    })
  )
})

describe("where the operator lets tasks choose nothing, a request is refused", () => {
  const surroundings = {
    settings: { allowTaskAuthOverride: false },
    secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "of-connector" }
  }

  for (const [what, connection, settings] of [
    ["that brings a token", sent("of-request"), {}],
    ["whose task names one", nothingSent, naming("my-token")]
  ] as const) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const error = failure(yield* resolve(surroundings, connection, settings))
        assert.strictEqual(error.reason._tag, "TaskOverrideRefused")
        assert.include(error.message, "The task sets databricks_token")
      })
    )
  }

  it.effect("unless it brings none and names none, as by default", () =>
    Effect.gen(function* () {
      for (const connection of [nothingSent, sent(""), undefined]) {
        const result = yield* resolve(surroundings, connection, naming(undefined))
        assert.strictEqual(Result.isSuccess(result) && result.success.identity.source, "connector")
      }
    })
  )
})

describe("a run with the request's token", () => {
  const header = (auth: DatabricksAuth.DatabricksAuth["Service"], connection: Connection.Connection | undefined) =>
    Effect.gen(function* () {
      const credential = yield* auth.recall(IdentityRecord.empty(instance), connection)
      return Redacted.value((yield* auth.getHeader(credential)).authorization)
    })
  const others = {
    secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "of-connector" },
    cluster: { "team-a/databricks-token": { token: "of-namespace" } }
  }

  it.effect("is recorded as Flyte 2's own connector does: nothing of who it is", () =>
    DatabricksAuth.DatabricksAuth.use((auth) =>
      Effect.gen(function* () {
        const resolved = yield* auth.resolve({ namespace: "team-a", connection: sent("of-request") })
        assert.deepStrictEqual(auth.record(resolved), IdentityRecord.empty(instance))
        const { authorization } = yield* auth.getHeader(resolved)
        assert.strictEqual(Redacted.value(authorization), "Bearer of-request")
      })
    ).pipe(Effect.provide(connector(others)))
  )

  it.effect("goes on with the token that each request brings, and is nobody else without", () =>
    DatabricksAuth.DatabricksAuth.use((auth) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* header(auth, sent("of-request\n")), "Bearer of-request")
        assert.strictEqual(yield* header(auth, sent("dapi-sent-by-another")), "Bearer dapi-sent-by-another")
        for (const connection of [nothingSent, sent(" ")]) {
          const { reason, message } = yield* Effect.flip(header(auth, connection))
          assert.strictEqual(reason._tag, "CredentialsMissing")
          assert.include(message, "connection of the request")
          assert.notProperty(yield* auth.recall(IdentityRecord.empty(instance), connection), "storedToken")
        }
      })
    ).pipe(Effect.provide(connector({ ...others, settings: { authType: "oauth_m2m" } })))
  )

  it.effect("keeps it when Databricks refuses it once: there is no other, and a later task may need it", () =>
    DatabricksAuth.DatabricksAuth.use((auth) =>
      Effect.gen(function* () {
        const credential = yield* auth.recall(IdentityRecord.empty(instance), sent("of-request"))
        for (let refusals = 0; refusals < 3; refusals++) {
          const refused = yield* auth.getHeader(credential)
          assert.strictEqual(Redacted.value(refused.authorization), "Bearer of-request")
          yield* auth.invalidate(credential, refused)
        }
      })
    ).pipe(Effect.provide(connector(others)))
  )

  it.effect("is not what metadata of Flyte 1 means that says nothing: its PAT is looked for as at submit", () =>
    DatabricksAuth.DatabricksAuth.use((auth) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* header(auth, undefined), "Bearer of-connector")
      })
    ).pipe(Effect.provide(connector(others)))
  )

  it.effect("is not what other metadata of Flyte 2 means, whatever the request brings", () =>
    DatabricksAuth.DatabricksAuth.use((auth) =>
      Effect.gen(function* () {
        for (const [namespace, expected] of [
          ["team-a", "Bearer of-namespace"],
          ["team-b", "Bearer of-connector"]
        ] as const) {
          const recorded = auth.record(yield* auth.resolve({ namespace, connection: nothingSent }), nothingSent)
          assertEquals(recorded.authToken, Option.none())
          const credential = yield* auth.recall(recorded, sent("of-request"))
          const { authorization } = yield* auth.getHeader(credential)
          assert.strictEqual(Redacted.value(authorization), expected)
        }
      })
    ).pipe(Effect.provide(connector(others)))
  )

  it.effect("is not what a token in metadata means, whatever the request brings", () =>
    DatabricksAuth.DatabricksAuth.use((auth) =>
      Effect.gen(function* () {
        const recorded = auth.record(yield* auth.resolve({ namespace: "team-a" }))
        const { authorization } = yield* Effect.flatMap(auth.recall(recorded, sent("of-request")), auth.getHeader)
        assert.strictEqual(Redacted.value(authorization), "Bearer of-namespace")
      })
    ).pipe(Effect.provide(connector(others)))
  )

  it.effect("shows in no outcome, span or log line", () =>
    Effect.gen(function* () {
      const secret = "S3cr3tM4rk3r-of-request"
      const { tracer, spans } = yield* makeSpans
      const { lines, layer } = yield* makeLogs
      for (const token of [secret, `${secret}\u0000`, `${secret} ключ`]) {
        const exit = yield* DatabricksAuth.DatabricksAuth.use((auth) =>
          Effect.gen(function* () {
            const connection = sent(token)
            const resolved = yield* auth.resolve({ connection })
            const recalled = yield* auth.recall(IdentityRecord.empty(instance), connection)
            return { resolved, recalled, headers: yield* auth.getHeader(recalled), connection }
          })
        ).pipe(Effect.provide([connector({}), layer]), Effect.withTracer(tracer), Effect.exit)
        assert.strictEqual(Exit.isSuccess(exit), token === secret)
        assertNoSecret("the outcome", ...outcomeShownAs(exit))
      }
      assertNoSecret("spans", ...shownAs(yield* spans), ...(yield* lines).map(({ text }) => text))
    })
  )
})
