/** Federation by any source of ID tokens: the laws, and an explanation that names the source that it was. */
import {
  AuthSummary,
  ConnectorSettings,
  DatabricksAuth,
  IdTokenSource,
  Oidc,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { AuthMemory, IdToken, Laws } from "@flyte-databricks/databricks-auth/testing"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Layer, Option, Result } from "effect"
import { environment, instance } from "../support/environment.ts"
import { sources } from "../support/sources.ts"

const mode = Oidc.mode({ clientId: "app-0" })

/** What is in the variable. */
interface World {
  readonly token: string
}

const sourceOf = (env: Record<string, string>) =>
  IdTokenSource.layerEnvironment().pipe(Layer.provide(environment(env)), Layer.orDie)

const subject: Laws.Subject<World> = {
  mode,
  wired: Effect.provide(mode.wire, [sources, IdTokenSource.layerMemory()]),
  boundary: ({ token }, settings) =>
    AuthMemory.layerOf([mode], { respond: Laws.bySecret, settings }).pipe(
      Layer.provide(sourceOf(token === undefined ? {} : { DATABRICKS_OIDC_TOKEN: token }))
    ),
  secretMark: IdToken.signature,
  places: { connector: { whole: { token: IdToken.text() }, broken: { token: `no JWT ${IdToken.signature}` } } }
}

describe("OIDC over an environment variable", () => {
  for (const { holds, name } of Laws.of(subject)) it.effect(name, () => holds)
})

const auth = DatabricksAuth.DatabricksAuth
const on = (settings: ConnectorSettings.Options = {}) =>
  AuthMemory.layerOf([mode], { settings: { instance, ...settings } }).pipe(
    Layer.provide(sourceOf({ DATABRICKS_OIDC_TOKEN: IdToken.text() }))
  )

describe("an identity by OIDC", () => {
  it.effect("is of the source that it was, in explanation, identity and summary", () =>
    Effect.gen(function* () {
      const { explanation, identity } = yield* auth.use(({ resolve }) => resolve({ namespace: "team-a" }))
      const name = "environment variable DATABRICKS_OIDC_TOKEN"
      assert.deepStrictEqual(explanation, [{ source: name, outcome: "used" }])
      assert.strictEqual(identity.source, name)
      const facts = yield* AuthSummary.AuthSummary.use(({ describe }) => describe)
      assert.strictEqual(facts["idToken"], name)
      assert.strictEqual(facts["authType"], "auto-detect: oidc_federation")
    }).pipe(Effect.provide(on()))
  )

  it.effect("is nobody where the source has no ID token, and the explanation says what is not there", () =>
    Effect.gen(function* () {
      const { reason } = yield* auth.use(({ resolve }) => Effect.flip(resolve({})))
      assert(reason._tag === "CredentialsMissing", reason.message)
      const source = "environment variable DATABRICKS_OIDC_TOKEN"
      assert.deepStrictEqual(reason.looked, [{ source, outcome: "absent", detail: "is not set" }])
    }).pipe(Effect.provide(AuthMemory.layerOf([mode], { settings: { instance } }).pipe(Layer.provide(sourceOf({})))))
  )

  it.effect("is the task's client, where it names one", () =>
    Effect.gen(function* () {
      const who = yield* auth.use(({ resolve }) => resolve({ settings: { clientId: "app-1" } }))
      yield* auth.use(({ getHeader }) => getHeader(who))
      const [asked] = yield* AuthMemory.AuthMemory.use((memory) => memory.asked)
      assert.strictEqual(asked?.clientId, "app-1")
      assert.isTrue(asked?.isTaskClient)
      const secret = "dose0123456789abcdef0123456789abcdef"
      const leaky = yield* auth.use(({ resolve }) => Effect.flip(resolve({ settings: { clientId: secret } })))
      assert.notInclude(leaky.message, secret)
      assert.include(leaky.message, "databricksClientId of the task")
    }).pipe(Effect.provide(on()))
  )

  it.effect("is nobody where what looks like a secret was given for a client id", () =>
    Effect.gen(function* () {
      const secret = "dose0123456789abcdef0123456789abcdef"
      const layer = AuthMemory.layerOf([Oidc.mode({ clientId: secret })], { settings: { instance } }).pipe(
        Layer.provide(IdTokenSource.layerMemory(IdToken.text()))
      )
      const { message } = yield* auth.use(({ resolve }) => Effect.flip(resolve({}))).pipe(Effect.provide(layer))
      assert.include(message, "This service has what looks like a secret for a client id.")
      assert.notInclude(message, secret)
    })
  )

  it.effect("asks for the audience that was pinned, as long as it is allowed", () =>
    Effect.gen(function* () {
      const settings = { instance, allowedAudiences: ["other"] }
      const recorded = yield* auth
        .use((boundary) =>
          Effect.map(boundary.resolve({ settings: { oidcAudience: "other" } }), (who) => boundary.record(who))
        )
        .pipe(Effect.provide(on(settings)))
      assertEquals(recorded.parameters, Option.some({ audience: "other" }))
      const header = auth.use((boundary) => Effect.flatMap(boundary.recall(recorded), boundary.getHeader))
      assert.isTrue(Result.isSuccess(yield* Effect.result(Effect.provide(header, on(settings)))))
      const error = yield* Effect.flip(Effect.provide(header, on({ allowedAudiences: ["third"] })))
      assert.include(error.message, "audience other is not one of databricks, third.")
      assert.include(error.message, "FLYTE_DATABRICKS_ALLOWED_AUDIENCES")
    })
  )

  it.effect("says what its ID token says, without it", () =>
    Effect.gen(function* () {
      const said = yield* auth.use((boundary) =>
        Effect.flatMap(boundary.resolve({ namespace: "team-a" }), boundary.subject)
      )
      assert.strictEqual(Option.getOrThrow(said).claims.sub, IdToken.claims.sub)
      assert.notProperty(Option.getOrThrow(said), "token")
    }).pipe(Effect.provide(on()))
  )

  it.effect("that a connector without the mode is to go on with is an error that names it", () =>
    Effect.gen(function* () {
      const recorded = yield* auth
        .use((boundary) => Effect.map(boundary.resolve({}), (who) => boundary.record(who)))
        .pipe(Effect.provide(on()))
      const recalled = auth.use(({ recall }) => Effect.flip(recall(recorded)))
      const { message } = yield* Effect.provide(recalled, DatabricksAuth.layerMemory({ settings: { instance } }))
      assert.include(message, "asks for auth type oidc_federation by mode oidc, which is not served here")
    })
  )

  it.effect("gets no header of a connector without the mode, and the error names it", () =>
    Effect.gen(function* () {
      const { identity } = yield* auth.use(({ resolve }) => resolve({})).pipe(Effect.provide(on()))
      const header = auth.use(({ getHeader }) => Effect.flip(getHeader({ identity })))
      const { message } = yield* Effect.provide(header, DatabricksAuth.layerMemory({ settings: { instance } }))
      assert.include(message, "asks for auth type oidc_federation by mode oidc, which is not served here")
    })
  )

  it.effect("whose record has no parameters is for the default audience", () =>
    Effect.gen(function* () {
      const boundary = yield* auth
      const recorded = boundary.record(yield* boundary.resolve({}))
      const { identity } = yield* boundary.recall({ ...recorded, parameters: Option.none() })
      assert(identity._tag === "extension")
      assert.deepStrictEqual(identity.parameters, { audience: "databricks" })
    }).pipe(Effect.provide(on({ oidcAudience: "of-the-operator" })))
  )

  it.effect("whose record lost its client id is an error", () =>
    Effect.gen(function* () {
      const boundary = yield* auth
      const recorded = boundary.record(yield* boundary.resolve({}))
      const { message } = yield* Effect.flip(boundary.recall({ ...recorded, clientId: Option.none() }))
      assert.include(message, 'The job metadata of a run by mode oidc is "incomplete", expected client_id.')
    }).pipe(Effect.provide(on()))
  )

  it.effect("is shared by namespaces, and so refused where each has to bring its own", () =>
    Effect.gen(function* () {
      const recorded = yield* auth
        .use((boundary) => Effect.map(boundary.resolve({}), (who) => boundary.record(who)))
        .pipe(Effect.provide(on()))
      const header = auth.use((boundary) => Effect.flatMap(boundary.recall(recorded), boundary.getHeader))
      const { reason } = yield* Effect.flip(Effect.provide(header, on({ namespaceIdentity: "require" })))
      assert.strictEqual(reason._tag, "IdentityRefused")
    })
  )

  it.effect("is what layerOidc is the boundary over", () =>
    Effect.gen(function* () {
      const { identity } = yield* auth.use(({ resolve }) => resolve({}))
      assert.strictEqual(identity.principal, "app-2")
    }).pipe(
      Effect.provide(
        DatabricksAuth.layerOidc({ clientId: "app-2" }).pipe(
          Layer.provide([
            IdTokenSource.layerMemory(IdToken.text()),
            TokenEndpoint.layerMemory(Laws.bySecret),
            ConnectorSettings.layer({ instance })
          ])
        )
      )
    )
  )
})
