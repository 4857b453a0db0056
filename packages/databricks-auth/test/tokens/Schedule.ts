/**
 * Schedules of what may happen to a cache, and the world that they happen in: a source of tokens that behaves as told,
 * and a model for each credential, which says what must come of it.
 */
import { type Credential, type Token } from "@flyte-databricks/databricks-auth"
import { assert } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { credentialOf, token } from "../support/tokens.ts"
import { TokenModel } from "./TokenModel.ts"

/** Two identities, and a run of one of them that goes on with the token that its metadata stores. */
export const credentials = { a: credentialOf("a"), b: credentialOf("b"), s: credentialOf("a", "dapi") }
export type Key = keyof typeof credentials
const keys: ReadonlyArray<Key> = ["a", "b", "s"]

export const keyOf = ({ identity, storedToken }: Credential.Credential): Key =>
  storedToken === undefined ? (identity.key === credentials.a.identity.key ? "a" : "b") : "s"

export const perKey = <A>(make: (key: Key) => A): Record<Key, A> => ({ a: make("a"), b: make("b"), s: make("s") })

const key = Schema.Literals(keys)
const index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))
const Call = Schema.TaggedStruct("Call", { key })
const Pass = Schema.TaggedStruct("Pass", {
  millis: Schema.Literals([1, 999, 1_000, 5_000, 25_000, 25_000, 300_000, 3_600_000])
})

/** Calls happen most of all. */
const Event = Schema.Union([
  Call,
  Call,
  Call,
  Call,
  Pass,
  Pass,
  Schema.TaggedStruct("Interrupt", { caller: index }),
  Schema.TaggedStruct("Refuse", { key, header: index }),
  Schema.TaggedStruct("Rotate", { key }),
  Schema.TaggedStruct("Roll", { chance: Schema.Literals([0, 0.3, 0.5, 0.999]) }),
  Schema.TaggedStruct("Behave", {
    key,
    outcome: Schema.Literals(["grant", "grant", "grant", "grant", "repeat", "fail", "fail", "die", "throw"]),
    delay: Schema.Literals([0, 500, 500, 5_000, 30_000, 400_000]),
    lifetime: Schema.Literals([1_000, 40_000, 60_000, 90_000, 600_000, 600_000])
  })
])
export type Event = typeof Event.Type
type Behaviour = Omit<Extract<Event, { _tag: "Behave" }>, "_tag" | "key">

export const schedules = Arbitrary.array(Arbitrary.schema(Event), { maxLength: 80 })

/** An assertion of chai's costs more than all that is asserted here. */
export const assertSame = (actual: unknown, expected: unknown, what?: string): void => {
  if (actual !== expected) assert.strictEqual(actual, expected, what)
}

/** A request for a token, and what will come of it. */
export interface Request extends Behaviour {
  readonly key: Key
  readonly value: string
  readonly secret: number
}

export class World {
  readonly models = perKey(() => new TokenModel())
  readonly behaviour = perKey((): Behaviour => ({ outcome: "grant", delay: 500, lifetime: 600_000 }))
  readonly secrets = perKey(() => 0)
  readonly requests = perKey(() => 0)
  readonly headers = perKey((): Array<Credential.AuthHeader> => [])
  readonly tally = { grants: 0, hits: 0, failures: 0, refreshes: 0 }
  chance = 0.5
  readonly #inFlight = perKey(() => 0)
  readonly #expiries = new Map<string, number>()

  begin(key: Key, refused: boolean, isWaitedFor: boolean): Request {
    const model = this.models[key]
    this.requests[key] += 1
    this.#inFlight[key] += 1
    assertSame(this.#inFlight[key], 1, "two requests in flight for one credential")
    assertSame(this.requests[key], model.requests, "a request that nobody needs")
    assertSame(refused, model.refused, "told wrongly whether a token was refused before")
    assertSame(isWaitedFor, !model.inBackground, "told wrongly whether somebody waits")
    if (model.state.is === "refreshing") this.tally.refreshes += 1
    const behaviour = this.behaviour[key]
    const value = behaviour.outcome === "repeat" ? `${key}-again` : `${key}${this.requests[key]}`
    return { ...behaviour, key, value, secret: this.secrets[key] }
  }

  end({ key, outcome, value, secret, lifetime }: Request, now: number): void {
    const model = this.models[key]
    this.#inFlight[key] -= 1
    if (outcome === "grant" || outcome === "repeat") {
      this.tally.grants += 1
      model.dropped.delete(value)
      this.#expiries.set(value, now + lifetime)
      model.succeed(now, value, secret, lifetime, this.chance)
    } else {
      this.tally.failures += 1
      model.fail(now, outcome === "fail" ? "error" : "defect", this.chance)
    }
  }

  /** A caller gets this token, who asked when these had been dropped. */
  got(key: Key, header: Credential.AuthHeader, value: string, now: number, dropped: ReadonlySet<string>): void {
    assertSame(value[0], key, "a foreign token")
    assertSame(now < this.#expiries.get(value)!, true, "an expired token")
    assertSame(dropped.has(value) && this.models[key].dropped.has(value), false, "a token that was dropped before")
    this.headers[key].push(header)
  }

  /** After an event nothing is left undone. */
  check(after: Event, now: number, stateOf: (key: Key) => string): void {
    for (const key of keys) {
      assertSame(this.requests[key], this.models[key].requests, after._tag)
      assertSame(stateOf(key), this.models[key].name(now), after._tag)
    }
  }
}

export const tokenOf = ({ value, lifetime, secret }: Request): Token.Token => token(value, lifetime, String(secret))

/** That what happened in all of these is enough for them to mean something. */
export const assertEventful = (tallies: ReadonlyArray<World["tally"]>): void => {
  for (const what of ["grants", "hits", "failures", "refreshes"] as const) {
    assert.isAbove(
      tallies.reduce((sum, tally) => sum + tally[what], 0),
      50,
      what
    )
  }
}
