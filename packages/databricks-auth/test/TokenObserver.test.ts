/** Who is told of tokens, and of what. */
import { type Credential, DatabricksAuth, TokenObserver } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Duration, Effect, Exit, Layer, Ref } from "effect"
import { header, oauth, resolve } from "./support/connector.ts"
import { instance } from "./support/environment.ts"
import { jwt } from "./support/jwt.ts"
import { credentialOf, outage, refusal, token } from "./support/tokens.ts"

type Respond = NonNullable<DatabricksAuth.Memory["respond"]>

const cluster = {
  "team-a/databricks-oauth": oauth,
  "team-p/databricks-token": { token: "dapi-p" }
}

/** Gets these namespaces' headers, one after the other; who they were, and what the observer was told. */
const told = (respond: Respond, ...namespaces: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const issued = yield* Ref.make<ReadonlyArray<TokenObserver.Issued>>([])
    const refused = yield* Ref.make<ReadonlyArray<TokenObserver.Refused>>([])
    const observer = Layer.succeed(TokenObserver.TokenObserver, {
      issued: (one) => Ref.update(issued, (all) => [...all, one]),
      refused: (one) => Ref.update(refused, (all) => [...all, one])
    })
    const boundary = DatabricksAuth.layerMemory({ settings: { instance }, secrets: cluster, respond })
    const identities: Array<Credential.Credential["identity"]> = []
    yield* Effect.forEach(namespaces, (namespace) =>
      Effect.flatMap(resolve({ namespace }), (resolved) => {
        identities.push(resolved.identity)
        return Effect.exit(header(resolved))
      })
    ).pipe(Effect.provide(Layer.provide(boundary, observer), { local: true }))
    return { identities, issued: yield* Ref.get(issued), refused: yield* Ref.get(refused) }
  })

describe("the observer of tokens", () => {
  it.effect("is told of one that Databricks gave: whose it is, and how long it lasts", () =>
    Effect.gen(function* () {
      const { identities, issued, refused } = yield* told(() => Effect.succeed(token("t", "90 seconds")), "team-a")
      assertEquals(issued, [{ identity: identities[0]!, lifetimeMillis: 90_000 }])
      assert.deepStrictEqual(Object.keys(issued[0]!), ["identity", "lifetimeMillis"])
      assertEquals(refused, [])
    })
  )

  it.effect(
    "is told what the JWT says that it was exchanged for, and the id of the request, where they are known",
    () =>
      Effect.gen(function* () {
        const { token: _, ...said } = jwt()
        const { identities, issued } = yield* told(
          () => Effect.succeed({ ...token("t"), jwt: said, requestId: "request-1" }),
          "team-a"
        )
        const lifetimeMillis = Duration.toMillis("1 hour")
        assertEquals(issued, [{ identity: identities[0]!, lifetimeMillis, jwt: said, requestId: "request-1" }])
      })
  )

  it.effect("is told of each once, and of none that comes from the cache", () =>
    Effect.gen(function* () {
      const { issued } = yield* told((_, count) => Effect.succeed(token(`t${count}`)), "team-a", "team-a")
      assert.lengthOf(issued, 1)
    })
  )

  it.effect("is told of a refusal, and why", () =>
    Effect.gen(function* () {
      const { identities, issued, refused } = yield* told(() => Effect.fail(refusal), "team-a")
      assertEquals(refused, [{ identity: identities[0]!, error: refusal }])
      assertEquals(issued, [])
    })
  )

  it.effect("hears nothing of what may pass, and nothing of PATs, which are nobody's to give", () =>
    Effect.gen(function* () {
      const { issued, refused } = yield* told(() => Effect.fail(outage), "team-a", "team-p")
      assertEquals(issued, [])
      assertEquals(refused, [])
    })
  )

  it.effect("is nobody unless somebody asks to be", () =>
    Effect.gen(function* () {
      const { issued, refused } = TokenObserver.TokenObserver.defaultValue()
      const { identity } = credentialOf("team-a")
      assertEquals(yield* Effect.exit(issued({ identity, lifetimeMillis: 1 })), Exit.void)
      assertEquals(yield* Effect.exit(refused({ identity, error: refusal })), Exit.void)
    })
  )
})
