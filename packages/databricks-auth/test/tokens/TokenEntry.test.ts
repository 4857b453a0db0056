/** The states and transitions of `TokenEntry` alone: no fibers, no clock. */
import { type AuthError, TokenPolicy } from "@flyte-databricks/databricks-auth"
import * as TokenEntry from "@flyte-databricks/databricks-auth/tokens/TokenEntry"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Exit, Redacted } from "effect"
import { outage } from "../support/tokens.ts"
import {
  assertEventful,
  assertSame,
  type Event,
  type Key,
  perKey,
  type Request,
  schedules,
  tokenOf,
  World
} from "./Schedule.ts"

type Result = Deferred.Deferred<{ readonly authorization: Redacted.Redacted<string> }, AuthError.AuthError>

const policy = TokenPolicy.defaults

/** The machine of each credential, what it asked for and who waits for that. */
class Machines {
  readonly world = new World()
  now = 0
  readonly #entries = perKey(() => TokenEntry.empty)
  readonly #flights = perKey((): { readonly request: Request; readonly asked: number } | undefined => undefined)
  readonly #waiting = perKey((): Array<{ readonly result: Result; readonly dropped: ReadonlySet<string> }> => [])
  readonly #pacer = TokenPolicy.makePacer()
  readonly #modelsPacer = TokenPolicy.makePacer()

  happen(event: Event): void {
    const { world } = this
    switch (event._tag) {
      case "Call":
        this.#call(event.key)
        break
      case "Pass":
        this.#pass(event.millis)
        break
      case "Refuse": {
        const header = world.headers[event.key].at(-1 - event.header)
        if (header === undefined) break
        world.models[event.key].refuse(valueOf(header))
        this.#entries[event.key] = TokenEntry.refused(this.#entries[event.key], header)
        break
      }
      case "Rotate": {
        const secret = (world.secrets[event.key] += 1)
        world.models[event.key].replace(secret)
        this.#entries[event.key] = TokenEntry.replaced(this.#entries[event.key], Redacted.make(String(secret)))
        break
      }
      case "Roll":
        world.chance = event.chance
        break
      case "Behave":
        world.behaviour[event.key] = event
    }
    this.#pass(0)
    world.check(event, this.now, (key) => nameOf(this.#entries[key], this.now))
  }

  /** All requests end, and all who wait are answered. */
  finish(): void {
    this.#pass(10_800_000)
    assert.deepStrictEqual(Object.values(this.#waiting).flat(), [])
  }

  #call(key: Key): void {
    const { world, now } = this
    const model = world.models[key]
    const dropped = new Set(model.dropped)
    const before = model.requests
    const expected = model.call(now, (token) => this.#modelsPacer.allows(now, 3, token))
    if (model.requests > before) this.#modelsPacer.count(now)
    const result: Result = Deferred.makeUnsafe()
    const isTurn = (times: TokenPolicy.Times) => this.#pacer.allows(now, 3, times)
    const { state, command } = TokenEntry.get(this.#entries[key], { now, isTurn, result })
    this.#entries[key] = state
    if (command._tag === "Fetch" || command._tag === "Refresh") {
      this.#pacer.count(now)
      this.#request(key, command)
    }
    if ("exit" in command) {
      if (Exit.isSuccess(command.exit)) {
        world.tally.hits += 1
        assertSame(typeof expected === "object" && expected.gets, valueOf(command.exit.value))
        world.got(key, command.exit.value, valueOf(command.exit.value), now, dropped)
      } else assertSame(expected, "the failure")
    } else {
      assertSame(expected, "waits")
      this.#waiting[key].push({ result: command.result, dropped })
    }
  }

  #request(key: Key, { _tag, refused }: TokenEntry.CommandOf<"Fetch" | "Refresh">): void {
    this.#flights[key] = { request: this.world.begin(key, refused, _tag === "Fetch"), asked: this.now }
  }

  /** Time goes on from one end of a request to the next. */
  #pass(millis: number): void {
    const until = this.now + millis
    for (;;) {
      const flights = Object.values(this.#flights).filter((flight) => flight !== undefined)
      const next = flights.toSorted((one, other) => endOf(one) - endOf(other))[0]
      if (next === undefined || endOf(next) > until) break
      this.now = endOf(next)
      this.#end(next)
    }
    this.now = until
  }

  #end({ request, asked }: { readonly request: Request; readonly asked: number }): void {
    const { world, now } = this
    const { key } = request
    const { chance } = world
    this.#flights[key] = undefined
    world.end(request, now)
    const { state, command } = TokenEntry.ended(this.#entries[key], outcomeOf(request, asked, chance), {
      now,
      chance,
      policy
    })
    this.#entries[key] = state
    if (command?._tag === "Fetch") return this.#request(key, command)
    if (command?._tag !== "Settle") return assertSame(command?._tag, "PutOff")
    const { result, exit } = command
    for (const waiting of this.#waiting[key]) {
      assertSame(waiting.result, result, "a caller who waits for something that does not come")
      if (Exit.isSuccess(exit)) world.got(key, exit.value, valueOf(exit.value), now, waiting.dropped)
    }
    this.#waiting[key] = []
  }
}

const endOf = ({ request, asked }: { readonly request: Request; readonly asked: number }): number =>
  asked + (request.outcome === "throw" ? 0 : request.delay)

const valueOf = ({ authorization }: { readonly authorization: Redacted.Redacted<string> }): string =>
  Redacted.value(authorization)

const outcomeOf = (
  request: Request,
  asked: number,
  chance: number
): Exit.Exit<TokenEntry.Held, AuthError.AuthError> => {
  if (request.outcome === "fail") return Exit.fail(outage)
  if (request.outcome === "die" || request.outcome === "throw") return Exit.failCause(Cause.die(new Error("bug")))
  const { value, builtFrom, lifetime } = tokenOf(request)
  return Exit.succeed({
    header: Exit.succeed({ authorization: value }) as TokenEntry.Held["header"],
    builtFrom,
    times: TokenPolicy.timesOf(policy, asked, Duration.toMillis(lifetime), chance)
  })
}

/** The state as the model names it. */
const nameOf = (entry: TokenEntry.Entry, now: number): string => {
  switch (entry._tag) {
    case "Fresh":
      return now < entry.held.times.usableUntil ? "fresh" : "expired"
    case "Refreshing":
      return now < entry.held.times.usableUntil ? "refreshing" : "fetching"
    case "Failed":
      return now < entry.until ? "failed" : "empty"
    case "Empty":
    case "Fetching":
      return entry._tag.toLowerCase()
  }
}

const play = (events: ReadonlyArray<Event>): World["tally"] => {
  const machines = new Machines()
  for (const event of events) machines.happen(event)
  machines.finish()
  return machines.world.tally
}

describe("the machine, whatever happens, in whatever order,", () => {
  const tallies: Array<World["tally"]> = []
  it.prop(
    "gives nobody an expired, a foreign or a dropped token, asks for nothing twice, and answers everybody",
    { events: schedules },
    ({ events }) => void tallies.push(play(events)),
    { arbitrary: { runs: 3000, size: 80 } }
  )

  it("and enough does happen for this to mean something", () => assertEventful(tallies))
})
