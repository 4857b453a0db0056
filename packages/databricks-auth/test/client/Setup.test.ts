/** A way to log in that a package brings to the client. */
import { assert, describe, it } from "@effect/vitest"
import { AuthError, DatabricksAuth, PatSource } from "@flyte-databricks/databricks-auth"
import { Effect, Layer, Redacted } from "effect"
import { DatabricksError } from "../../src/client.ts"
import * as Setup from "../../src/client/Setup.ts"
import { clientOf, rejection } from "./support.ts"

const host = "https://dbc-1.cloud.databricks.com"
const tokens = { namespaces: { "team-a/databricks-token": Redacted.make("dapi-a") }, connector: Redacted.make("dapi") }
const boundary = (settings: ReturnType<typeof Setup.settings>) =>
  DatabricksAuth.layerPat.pipe(Layer.provide([PatSource.layerMemory(tokens), settings]))
const whole = (host: string): Setup.Setup => ({ layer: boundary(Setup.settings(host)), context: {} })

describe("a way to log in", () => {
  it("shows its type, and can be given no other", () => {
    const auth = Setup.auth("mine", { make: () => Effect.succeed(whole(host)) })
    assert.deepStrictEqual(auth, { type: "mine" })
    assert.isTrue(Object.isFrozen(auth))
  })

  it.effect("says the host itself where the client is given none", () =>
    Effect.gen(function* () {
      const way = { make: (host: string) => Effect.succeed(whole(host)), host: Effect.succeed(host) }
      const client = yield* clientOf({ auth: Setup.auth("mine", way) })
      assert.strictEqual(yield* Effect.promise(client.origin), host)
      const other = yield* clientOf({ host: "https://dbc-2.cloud.databricks.com", auth: Setup.auth("mine", way) })
      assert.strictEqual(yield* Effect.promise(other.origin), "https://dbc-2.cloud.databricks.com")
    })
  )

  it.effect("is one that was made here: a value that looks like it is refused", () =>
    Effect.gen(function* () {
      const client = yield* clientOf({ host, auth: { type: "pat" } })
      const { code, message } = yield* rejection(client.headers)
      assert.deepStrictEqual(
        [code, message],
        ["configuration_invalid", "auth is none that pat(), oauthM2M(), oidc() or fromEnvironment() made."]
      )
    })
  )

  it.effect("calls its credential as the core does, where it has no name for it", () =>
    Effect.gen(function* () {
      const client = yield* clientOf({ host, auth: Setup.auth("mine", { make: () => Effect.succeed(whole(host)) }) })
      const { identity, looked } = yield* Effect.promise(client.explain)
      assert.strictEqual(identity?.source, "connector")
      assert.deepStrictEqual(
        looked.map(({ outcome }) => outcome),
        ["used"]
      )
    })
  )

  it.effect("serves one identity, and looks into no namespace unless it asks for that", () =>
    Effect.gen(function* () {
      const tokenOf = Effect.fnUntraced(function* (settings: ReturnType<typeof Setup.settings>) {
        const setup = { layer: boundary(settings), context: { namespace: "team-a" } }
        const client = yield* clientOf({ host, auth: Setup.auth("mine", { make: () => Effect.succeed(setup) }) })
        return (yield* Effect.promise(client.token)).accessToken
      })
      assert.strictEqual(yield* tokenOf(Setup.settings(host)), "dapi")
      assert.strictEqual(yield* tokenOf(Setup.settings(host, { namespaceIdentity: "require" })), "dapi-a")
    })
  )

  it.effect("serves a host that is an IP address, since it was given", () =>
    Effect.gen(function* () {
      const address = "https://10.1.2.3"
      const setup = Effect.succeed(whole(address))
      const client = yield* clientOf({ host: address, auth: Setup.auth("mine", { make: () => setup }) })
      assert.deepStrictEqual(yield* Effect.promise(client.headers), { authorization: "Bearer dapi" })
    })
  )

  it.effect("that fails is a fault of the configuration, leaves nothing open, and is made anew by the next call", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const opened = Layer.effectDiscard(
        Effect.acquireRelease(
          Effect.sync(() => void events.push("opened")),
          () => Effect.sync(() => void events.push("closed"))
        )
      )
      const failed = Layer.effect(DatabricksAuth.DatabricksAuth, Effect.fail(new Error("The vault is sealed."))).pipe(
        Layer.provide(opened)
      )
      let makes = 0
      const make = () => Effect.sync(() => (++makes === 1 ? { ...whole(host), layer: failed } : whole(host)))
      const client = yield* clientOf({ host, auth: Setup.auth("mine", { make }) })
      const { code, message } = yield* rejection(client.headers)
      assert.deepStrictEqual([code, message], ["configuration_invalid", "The vault is sealed."])
      assert.deepStrictEqual(events, ["opened", "closed"])
      assert.deepStrictEqual(yield* Effect.promise(client.headers), { authorization: "Bearer dapi" })
      assert.strictEqual(makes, 2)
    })
  )

  it.effect("is closed with the client, and with nothing before", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const scoped = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => void events.push("closed"))))
      const setup = { ...whole(host), layer: Layer.merge(whole(host).layer, scoped) }
      const client = yield* clientOf({ host, auth: Setup.auth("mine", { make: () => Effect.succeed(setup) }) })
      yield* Effect.promise(client.headers)
      yield* Effect.promise(client.explain)
      assert.deepStrictEqual(events, [])
      yield* Effect.promise(client.close)
      assert.deepStrictEqual(events, ["closed"])
    })
  )

  it.effect("is closed also where the client ends while it is still being opened", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const scoped = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => void events.push("closed"))))
      let go = () => {}
      const gate = new Promise<void>((resolve) => (go = resolve))
      const setup = { ...whole(host), layer: Layer.merge(whole(host).layer, scoped) }
      const make = () =>
        Effect.as(
          Effect.promise(() => gate),
          setup
        )
      const client = yield* clientOf({ host, auth: Setup.auth("mine", { make }) })
      const waiting = rejection(client.headers)
      const [error] = yield* Effect.all(
        [
          waiting,
          Effect.promise(async () => {
            const closing = client.close()
            go()
            await closing
          })
        ],
        { concurrency: "unbounded" }
      )
      assert.strictEqual(error.code, "closed")
      assert.deepStrictEqual(events, ["closed"])
    })
  )

  it.effect("may fail with an error of the core, or of the client", () =>
    Effect.gen(function* () {
      const core = new AuthError.AuthError({ reason: new AuthError.InstanceMissing() })
      const own = new DatabricksError("access_forbidden", "Not you.")
      const codes: Array<string> = []
      for (const error of [core, own]) {
        const client = yield* clientOf({ host, auth: Setup.auth("mine", { make: () => Effect.fail(error) }) })
        codes.push((yield* rejection(client.headers)).code)
        // Before anything was looked at, nothing was found.
        const { looked } = yield* Effect.promise(client.explain)
        assert.deepStrictEqual(looked, [])
      }
      assert.deepStrictEqual(codes, ["configuration_invalid", "access_forbidden"])
    })
  )
})
