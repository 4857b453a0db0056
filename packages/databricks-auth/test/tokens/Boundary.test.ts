/** The cache behind the boundary, before the real client of the token endpoint: what passes through each mode. */
import {
  AuthError,
  ClientCredentialsSource,
  ConnectorSettings,
  DatabricksAuth,
  Identity,
  ProjectedToken,
  ServiceAccountTokens,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Context, Effect, Exit, Layer, Option, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import { environment } from "../support/environment.ts"
import { type Answer, answer, makeHttp } from "../support/http.ts"
import { jwt } from "../support/jwt.ts"
import { host, withoutJitter } from "../support/tokens.ts"

const tokenFile = "/var/run/secrets/databricks/token"
const origin = Identity.NamespaceSecret.make({ namespace: "team-a", name: "databricks-oauth" })
const audience = "databricks"
const clientId = "app-1"

const identities: Record<string, Identity.Identity> = {
  "OAuth M2M": new Identity.OAuthM2MIdentity({ instance: host, clientId: Option.some(clientId), origin }),
  "OIDC Model 1": new Identity.OidcConnectorIdentity({ instance: host, clientId, tokenFile, audience }),
  "OIDC Model 2": new Identity.OidcNamespaceIdentity({
    instance: host,
    clientId,
    namespace: "team-a",
    serviceAccount: "spark",
    audience
  })
}

/** Both kinds of modes that ask a token endpoint, which gives these answers. */
const connector = (...answers: ReadonlyArray<Answer>) =>
  Effect.map(makeHttp(...answers), ({ layer, sent }) => {
    const credentials = ClientCredentialsSource.layerMemory({
      namespaces: { "team-a/databricks-oauth": { clientId, clientSecret: Redacted.make("hunter2") } }
    })
    const subjects = Layer.merge(
      ProjectedToken.layerMemory({ files: { [tokenFile]: jwt() }, clientId }),
      ServiceAccountTokens.layerMemory({
        "team-a": [{ serviceAccount: "spark", clientId, audience: Option.none() }]
      })
    )
    const beneath = Layer.mergeAll(
      TokenEndpoint.layer.pipe(Layer.provide([layer, withoutJitter])),
      Layer.orDie(ConnectorSettings.layerConfig).pipe(Layer.provide(environment({}))),
      withoutJitter
    )
    const m2m = DatabricksAuth.layerOAuthM2M.pipe(Layer.provide(credentials), Layer.provide(beneath))
    const oidc = DatabricksAuth.layerOidcFederation.pipe(Layer.provide(subjects), Layer.provide(beneath))
    return {
      of: (identity: Identity.Identity) => (identity._tag === "oauth_m2m" ? m2m : oidc),
      requests: Effect.map(sent, ({ length }) => length)
    }
  })

describe("each mode that asks the token endpoint", () => {
  it.effect.each(Object.entries(identities))("%s: tells those who wait how it goes", ([, identity]) =>
    Effect.gen(function* () {
      const auth = yield* DatabricksAuth.DatabricksAuth
      const fiber = yield* Effect.forkChild(Effect.flip(auth.getHeader({ identity })), { startImmediately: true })
      yield* TestClock.adjust("700 millis")
      assertEquals(
        yield* auth.progress({ identity }),
        Option.some({ endpoint: `https://${host}/oidc/v1/token`, attempts: 3, lastAnswer: "status 503" })
      )
      yield* TestClock.adjust("8 seconds")
      assert.isDefined(fiber.pollUnsafe())
      assertEquals(yield* auth.progress({ identity }), Option.none())
    }).pipe((test) => Effect.flatMap(connector(answer(503)), ({ of }) => Effect.provide(test, of(identity))))
  )

  it.effect.each(Object.entries(identities))("%s: asks once for what nobody waits for", ([, identity]) =>
    Effect.gen(function* () {
      const granted = answer(200, { access_token: "t1", token_type: "Bearer", expires_in: 3600 })
      const { of, requests } = yield* connector(granted, answer(503))
      yield* Effect.gen(function* () {
        const auth = yield* DatabricksAuth.DatabricksAuth
        yield* auth.getHeader({ identity })
        yield* TestClock.adjust("40 minutes")
        yield* auth.getHeader({ identity })
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(yield* requests, 2)
      }).pipe(Effect.provide(of(identity)))
    })
  )
})

describe("a service whose layer is closed", () => {
  it.effect("says so to whoever asks it for a header, and what to do", () =>
    Effect.gen(function* () {
      const identity = identities["OAuth M2M"]!
      const { of, requests } = yield* connector(answer(200, { access_token: "t1", expires_in: 3600 }))
      const scope = yield* Scope.make()
      const { getHeader } = Context.get(yield* Layer.buildWithScope(of(identity), scope), DatabricksAuth.DatabricksAuth)
      yield* getHeader({ identity })
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(getHeader({ identity }))
      assertEquals(error.reason, new AuthError.AuthClosed())
      assert.include(error.message, "Keep that scope (or the ManagedRuntime) open")
      assert.strictEqual(yield* requests, 1)
    })
  )
})
