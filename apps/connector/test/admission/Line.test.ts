/** Whose turn it is, whatever comes and in whichever order. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import * as Line from "../../src/admission/Line.ts"
import type * as Ticket from "../../src/admission/Ticket.ts"

const unlimited = { submit: 1e9, get: 1e9, cancel: 1e9, output: 1e9 }

const place = (workspace: string, namespace = "team", kind: Ticket.Kind = "get"): Ticket.Place => ({
  workspace,
  namespace,
  kind
})

/** A line, and those who stand in it. */
const make = (atOnce: number, perSecond: Ticket.Limits["perSecond"] = unlimited) => {
  const lines = Line.make({ atOnce, perSecond })
  const tickets: Array<Ticket.Ticket> = []
  const of = (state: Ticket.Ticket["state"]) => tickets.filter((ticket) => ticket.state === state)
  return {
    lines,
    of,
    come: (where: Ticket.Place, now = 0, patience = 10_000, isAhead = false): Ticket.Ticket => {
      const [ticket] = lines.arrive(where, now + patience, now, isAhead)
      tickets.push(ticket)
      return ticket
    },
    /** An answer comes, and whoever may goes next. */
    answer: (ticket: Ticket.Ticket, now: number) => {
      lines.leave(ticket, now, { _tag: "Answered" })
      return lines.step(now)
    }
  }
}

const workspaceOf = ({ line }: Ticket.Ticket): string => line.workspace.name
const namespaceOf = ({ line }: Ticket.Ticket): string => `${workspaceOf({ line } as Ticket.Ticket)}/${line.namespace}`

describe("a line alone", () => {
  it("has a third of all, and the next of it waits", () => {
    const { come, of } = make(128)
    for (let n = 0; n < 100; n++) come(place("slow"))
    assert.strictEqual(of("goes").length, 43)
    assert.strictEqual(of("waits").length, 57)
  })

  it("has no more than half with all others of its workspace: as many as there are connections to it", () => {
    const { come, of } = make(128)
    for (let n = 0; n < 1000; n++) come(place("slow", `team-${n % 50}`))
    assert.strictEqual(of("goes").length, 64)
  })

  it("has one where one is all that there is", () => {
    const { come, of, answer } = make(1)
    for (let n = 0; n < 3; n++) come(place("one"))
    assert.strictEqual(of("goes").length, 1)
    answer(of("goes")[0]!, 10)
    assert.strictEqual(of("goes").length, 1)
    assert.strictEqual(of("waits").length, 1)
  })

  it("is served in the order of arrival", () => {
    const { come, of, answer } = make(3)
    const all = Array.from({ length: 20 }, (_, n) => come(place("one"), n))
    const went = [...of("goes")]
    for (let now = 100; of("goes").length > 0; now += 10) went.push(...answer(of("goes")[0]!, now))
    assert.deepStrictEqual(
      went.map((ticket) => all.indexOf(ticket)),
      all.map((_, n) => n)
    )
  })
})

describe("a workspace that does not answer", () => {
  it("leaves room for others, and so do many such", () => {
    const { come } = make(192)
    for (let n = 0; n < 1000; n++) for (const slow of ["a", "b", "c"]) come(place(slow, `team-${n % 7}`))
    assert.strictEqual(come(place("fast")).state, "goes")
    for (let n = 0; n < 7; n++) assert.strictEqual(come(place("fast", `team-${n}`)).state, "goes")
  })

  it("is not waited for by other namespaces of the same workspace, where one alone is slow", () => {
    const { come } = make(192)
    for (let n = 0; n < 1000; n++) come(place("one", "slow"))
    for (let n = 0; n < 10; n++) assert.strictEqual(come(place("one", `team-${n}`)).state, "goes")
  })
})

describe("a greedy namespace", () => {
  it("waits for itself: whoever else comes is next", () => {
    const { come, of, answer } = make(8)
    for (let n = 0; n < 500; n++) come(place("one", "greedy"))
    for (let n = 0; n < 500; n++) come(place("one", `greedy-${n % 5}`))
    const modest = come(place("one", "modest"), 5)
    let answers = 0
    for (let now = 10; modest.state === "waits"; now += 10) {
      answer(of("goes")[0]!, now)
      answers += 1
    }
    assert.strictEqual(modest.state, "goes")
    assert.isAtMost(answers, 8)
  })

  it("gets as much as each other, where all want all", () => {
    const { come, of, answer } = make(30)
    const names = ["a", "b", "c", "d", "e"]
    const served = new Map<string, number>()
    for (const [n, name] of names.entries()) {
      for (let count = 0; count < 200 * (n + 1); count++) come(place("one", name), 0, 1e9)
    }
    for (let now = 1; now <= 500; now++) {
      const [first] = of("goes").toSorted((one, other) => one.since - other.since)
      served.set(namespaceOf(first!), (served.get(namespaceOf(first!)) ?? 0) + 1)
      answer(first!, now)
    }
    for (const count of served.values()) assert.closeTo(count, 100, 10)
    assert.strictEqual(served.size, names.length)
  })
})

describe("the limit of a workspace", () => {
  const perSecond = { ...unlimited, submit: 35, get: 100 }

  it("holds submits back and not the polls behind them", () => {
    const { come, of } = make(192, perSecond)
    for (let n = 0; n < 50; n++) come(place("one", "team", "submit"))
    assert.strictEqual(of("goes").length, 3)
    assert.strictEqual(come(place("one", "team", "get")).state, "goes")
    assert.strictEqual(come(place("other", "team", "submit")).state, "goes")
  })

  it("lets the next go when there is a token, and says when", () => {
    const { come, of, lines } = make(192, perSecond)
    for (let n = 0; n < 10; n++) come(place("one", "team", "submit"))
    const at = lines.wakeAt(0)
    assert.isAbove(at, 0)
    assert.isAtMost(at, 33)
    assert.strictEqual(lines.step(at - 1).length, 0)
    assert.strictEqual(lines.step(at).length, 1)
    assert.strictEqual(of("goes").length, 4)
  })

  it("is shared by namespaces, turn by turn", () => {
    const { come, lines } = make(192, perSecond)
    for (let n = 0; n < 100; n++) come(place("one", "greedy", "submit"))
    const modest = come(place("one", "modest", "submit"))
    let others = 0
    for (let now = lines.wakeAt(0); modest.state === "waits"; now = lines.wakeAt(now)) {
      others += lines.step(now).filter((ticket) => ticket !== modest).length
    }
    assert.isAtMost(others, 1)
  })

  it("is lower once it answers 429", () => {
    const { come, lines, of } = make(192, perSecond)
    const first = come(place("one", "team", "submit"))
    lines.leave(first, 100, { _tag: "Limited", retryAfterMillis: 5000 })
    for (let n = 0; n < 10; n++) come(place("one", "team", "submit"), 100)
    assert.strictEqual(of("goes").length, 0)
    lines.step(1000)
    assert.strictEqual(of("goes").length, 0)
    lines.step(1100)
    assert.strictEqual(of("goes").length, 1)
  })
})

describe("who would be late", () => {
  it("is told at once, where those before him take too long", () => {
    const { come, of, answer } = make(3)
    for (let n = 0; n < 5; n++) come(place("one"), 0)
    // Each takes five seconds.
    answer(of("goes")[0]!, 5000)
    assert.strictEqual(come(place("one"), 5000, 9000).refusal?.why, "late")
    assert.strictEqual(come(place("one"), 5000, 60_000).state, "waits")
  })

  it("is not told where he is in time if answers come twice as soon as of late, when many came at once", () => {
    const { come, of, answer } = make(3)
    for (let n = 0; n < 5; n++) come(place("one"), 0)
    answer(of("goes")[0]!, 5000)
    // Three are before him.
    assert.strictEqual(come(place("one"), 5000, 12_600).state, "waits")
    assert.strictEqual(come(place("one"), 5000, 12_400).refusal?.why, "late")
  })

  it("is told by the time that is left for an answer, else", () => {
    const { come, lines, of, answer } = make(6)
    come(place("one"), 0)
    come(place("one"), 0)
    answer(of("goes")[0]!, 1000)
    come(place("one"), 1000)
    const waits = come(place("one"), 1000, 3000)
    assert.strictEqual(waits.state, "waits")
    assert.strictEqual(lines.wakeAt(1000), 4000 - 1000 - 150)
    assert.strictEqual(lines.step(2849).length, 0)
    assert.strictEqual(lines.step(2850)[0], waits)
    assert.strictEqual(waits.refusal?.why, "late")
    assert.strictEqual(waits.refusal?.bound, "requests")
    assert.strictEqual(lines.waiting(), 0)
  })

  it("is told what he waits for: the requests under way, or the limit of the workspace", () => {
    const { come } = make(192, { ...unlimited, submit: 1 })
    for (let n = 0; n < 5; n++) come(place("one", "team", "submit"))
    const late = come(place("one", "team", "submit"), 0, 3000)
    assert.strictEqual(late.refusal?.why, "late")
    assert.strictEqual(late.refusal?.bound, "rate")
  })

  it("is not told so while nobody knows how long answers take", () => {
    const { come, of } = make(192)
    for (let n = 0; n < 1000; n++) come(place("one"))
    assert.strictEqual(of("over").length, 0)
  })
})

describe("the line is bounded", () => {
  it("in how many wait", () => {
    const { come, lines } = make(1)
    for (let n = 0; n <= Line.mostWaiting; n++) come(place("one", `team-${n % 10}`))
    assert.strictEqual(lines.waiting(), Line.mostWaiting)
    assert.strictEqual(lines.full()?.why, "full")
    assert.strictEqual(come(place("one")).refusal?.why, "full")
    assert.strictEqual(lines.waiting(), Line.mostWaiting)
  })

  it("in how many workspaces it remembers, but for those that are asked", () => {
    const { come, lines } = make(10_000, { ...unlimited, submit: 1 })
    const first = come(place("first", "team", "submit"))
    for (let n = 0; n < 3 * Line.mostWorkspaces; n++) lines.leave(come(place(`w-${n}`)), 0)
    assert.isAtMost(lines.workspaces(), Line.mostWorkspaces + 1)
    // It is known that it was asked.
    assert.strictEqual(come(place("first", "other", "submit")).state, "waits")
    lines.leave(first, 0)
  })
})

describe("a call ahead of its request", () => {
  const ahead = ({ come }: ReturnType<typeof make>, now: number) => come(place("one"), now, 10_000, true)

  it("has a turn as a request does, and its request is made in that", () => {
    const world = make(3)
    const call = ahead(world, 0)
    const next = world.come(place("one"), 0)
    assert.deepStrictEqual([call.state, next.state], ["has", "waits"])
    assert.isTrue(world.lines.use(call, 50))
    assert.deepStrictEqual([call.state, call.since, world.lines.underWay()], ["goes", 50, 1])
    world.answer(call, 100)
    assert.strictEqual(next.state, "goes")
  })

  it("loses its turn to somebody who waits, once it did nothing with it for a second", () => {
    const world = make(3)
    const call = ahead(world, 0)
    const next = world.come(place("one"), 500)
    assert.strictEqual(world.lines.wakeAt(500), Line.mostAhead)
    assert.deepStrictEqual(world.lines.step(Line.mostAhead - 1), [])
    assert.deepStrictEqual(world.lines.step(Line.mostAhead), [next])
    assert.isFalse(world.lines.use(call, Line.mostAhead))
    assert.strictEqual(world.lines.underWay(), 1)
  })

  it("keeps its turn for as long as nobody waits", () => {
    const world = make(3)
    const call = ahead(world, 0)
    world.lines.step(60_000)
    assert.isTrue(world.lines.use(call, 60_000))
  })

  it("that sends nothing takes nothing of its workspace's limit, and says nothing of how slow it is", () => {
    const world = make(192, { ...unlimited, submit: 10 })
    for (let n = 0; n < 100; n++) {
      const call = world.come(place("one", "team", "submit"), n, 1000, true)
      assert.strictEqual(call.state, "has")
      world.lines.leave(call, n + 900)
    }
    assert.strictEqual(world.come(place("one", "team", "submit"), 1000).state, "goes")
    assert.strictEqual(world.come(place("one", "team", "submit"), 1000, 800).state, "waits")
  })
})

describe("whatever happens", () => {
  const Event = Schema.Struct({
    what: Schema.Literals(["comes", "comes", "ahead", "uses", "answered", "answered", "limited", "leaves", "time"]),
    workspace: Schema.Literals(["a", "b", "c"]),
    namespace: Schema.Literals(["x", "y", "z"]),
    kind: Schema.Literals(["submit", "get", "output"]),
    which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 })),
    millis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3000 }))
  })
  const events = Arbitrary.array(Arbitrary.schema(Event), { minLength: 60, maxLength: 200 })
  const atOnce = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 12 }))

  const play = (
    { lines, come, of }: ReturnType<typeof make>,
    happening: ReadonlyArray<typeof Event.Type>,
    check: (now: number) => void
  ): number => {
    let now = 0
    for (const { what, which, millis, ...where } of happening) {
      const pick = (tickets: ReadonlyArray<Ticket.Ticket>) => tickets[which % Math.max(1, tickets.length)]
      if (what === "comes" || what === "ahead") come(where, now, 2 * millis, what === "ahead")
      if (what === "time") {
        const until = now + millis
        while (lines.wakeAt(now) <= until) lines.step((now = Math.max(now, lines.wakeAt(now))))
        now = until
      }
      const ahead = pick(of("has"))
      if (what === "uses" && ahead !== undefined) assert.isTrue(lines.use(ahead, now))
      const ticket = what === "leaves" ? pick([...of("goes"), ...of("has"), ...of("waits")]) : pick(of("goes"))
      if (ticket !== undefined && (what === "answered" || what === "limited" || what === "leaves")) {
        const outcome = {
          answered: { _tag: "Answered" },
          limited: { _tag: "Limited", retryAfterMillis: millis },
          leaves: undefined
        } as const
        lines.leave(ticket, now, outcome[what])
      }
      lines.step(now)
      check(now)
    }
    return now
  }

  const count = (tickets: ReadonlyArray<Ticket.Ticket>, by: (ticket: Ticket.Ticket) => string) => {
    const counts = new Map<string, number>()
    for (const ticket of tickets) counts.set(by(ticket), (counts.get(by(ticket)) ?? 0) + 1)
    return counts
  }

  it.prop(
    "no more are under way than may be, and nobody waits who may go",
    { atOnce, events },
    ({ atOnce, events }) => {
      const world = make(atOnce)
      const unlimited = events.filter(({ what }) => what !== "limited")
      play(world, unlimited, (now) => {
        const going = [...world.of("goes"), ...world.of("has")]
        assert.isAtMost(going.length, atOnce)
        assert.strictEqual(world.lines.underWay(), going.length)
        assert.strictEqual(world.lines.waiting(), world.of("waits").length)
        const ofWorkspace = count(going, workspaceOf)
        const ofLine = count(going, namespaceOf)
        for (const ticket of world.of("waits")) {
          const left = atOnce - going.length - (ofWorkspace.get(workspaceOf(ticket)) ?? 0)
          assert.isAtMost(left, ofLine.get(namespaceOf(ticket)) ?? 0)
          for (const { since } of world.of("has")) assert.isBelow(now - since, Line.mostAhead)
        }
      })
    },
    { arbitrary: { runs: 200 } }
  )

  it.prop(
    "everybody who waits is served in time or told, and nothing is left behind",
    { atOnce, events },
    ({ atOnce, events }) => {
      const world = make(atOnce, { submit: 3, get: 8, cancel: 3, output: 8 })
      const { lines, of } = world
      let now = play(world, events, (at) => {
        for (const { endsAt } of of("waits")) assert.isAbove(endsAt, at)
      })
      while (lines.waiting() + lines.underWay() > 0) {
        const [going] = [...of("goes"), ...of("has")]
        if (going !== undefined) lines.leave(going, now, { _tag: "Answered" })
        lines.step(now)
        const at = lines.wakeAt(now)
        const nobody = of("goes").length + of("has").length === 0
        if (nobody && lines.waiting() > 0) assert.isBelow(at, Infinity)
        if (at > now && at < Infinity && nobody) lines.step((now = at))
      }
      for (const { state } of [...of("waits"), ...of("has"), ...of("goes")]) assert.strictEqual(state, "over")
      assert.isAtMost(lines.workspaces(), 3)
    },
    { arbitrary: { runs: 200 } }
  )
})
