/**
 * The alarms that are set on a clock, kept by one fiber that sleeps until the first of them. Calls set several each, and
 * hardly any rings: a sleeper of its own for each costs more than the rest of the watch.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"

interface Alarm {
  /** On the clock's monotonic time, in milliseconds. */
  readonly at: number
  readonly ring: () => void
}

// What an addition of fractions loses, in milliseconds.
const tiny = 1e-3

const make = (clock: Clock.Clock, scheduler: Scheduler.Scheduler) => {
  const run = Effect.runForkWith(Context.make(Clock.Clock, clock).pipe(Context.add(Scheduler.Scheduler, scheduler)))
  /** The first is the next. Most are set for later than all others. */
  const alarms: Array<Alarm> = []
  let sleeper: Fiber.Fiber<void> | undefined
  let wakesAt = Infinity

  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  /** How many are for earlier. */
  const before = (at: number): number => {
    let low = 0
    let high = alarms.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (alarms[middle]!.at < at) low = middle + 1
      else high = middle
    }
    return low
  }

  const wake = (): void => {
    wakesAt = Infinity
    const until = now() + tiny
    while (alarms.length > 0 && alarms[0]!.at <= until) alarms.shift()!.ring()
    sleep()
  }

  /** Sees to it that somebody wakes for the first, and that nobody sleeps for none: a process would not end. */
  const sleep = (): void => {
    const at = alarms[0]?.at ?? Infinity
    if (at < Infinity && at >= wakesAt) return
    wakesAt = at
    sleeper?.interruptUnsafe()
    sleeper = undefined
    if (at === Infinity) return
    const sleeping = run(Effect.sleep(at - now()))
    sleeper = sleeping
    sleeping.addObserver((exit) => {
      if (Exit.isSuccess(exit) && wakesAt === at) wake()
    })
  }

  return {
    set: (millis: number, ring: () => void): (() => void) => {
      const alarm = { at: now() + millis, ring }
      alarms.splice(before(alarm.at + tiny), 0, alarm)
      sleep()
      return () => {
        const index = alarms.indexOf(alarm, before(alarm.at))
        if (index === -1) return
        alarms.splice(index, 1)
        if (alarms.length === 0) sleep()
      }
    }
  }
}

const byClock = new WeakMap<Clock.Clock, ReturnType<typeof make>>()

/** Has an alarm ring after so many milliseconds, on the clock of a fiber; what it gives turns it off. */
export const set = (fiber: Fiber.Fiber<unknown, unknown>, millis: number, ring: () => void): (() => void) => {
  const clock = fiber.getRef(Clock.Clock)
  const alarms = byClock.get(clock) ?? make(clock, fiber.getRef(Scheduler.Scheduler))
  byClock.set(clock, alarms)
  return alarms.set(millis, ring)
}
