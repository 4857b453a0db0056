/**
 * Who asks when: identities, as Flyte's executions ask about them. The same seed gives the same day.
 */

/** The course of a day, in seconds since its start. */
export interface Day {
  readonly identities: number
  readonly seconds: number
  /** Identities arrive over so long. */
  readonly rampUp: number
  readonly outage: { readonly from: number; readonly to: number }
  /** The connector starts anew, without tokens, and everybody asks within the same second. */
  readonly restart: number | undefined
}

/** How often Flyte asks about a run, in seconds. */
export const pollEvery = 100
// One in fifty works for twenty minutes every three hours, and is forgotten in between.
const occasionalOneIn = 50
const occasional = { every: 10_800, awake: 1_200 }
// On the hour, schedules start workflows of a tenth of the identities, all of them within a second.
const scheduledOneIn = 10
// Once an hour or so an identity's workflow fans out, and asks so many times at once.
const fanOut = 10

export interface Workload {
  /** Who calls in this step, by number; a number may come several times. */
  readonly callers: (step: number) => ReadonlyArray<number>
}

/** `stepMillis` divides a second; `chance` gives numbers from 0 to 1. */
export const makeWorkload = (day: Day, stepMillis: number, chance: () => number): Workload => {
  const perSecond = 1000 / stepMillis
  const everybody = Array.from({ length: day.identities }, (_, identity) => identity)
  const arrives = everybody.map(() => chance() * day.rampUp * perSecond)
  const sleepsFrom = everybody.map(() => chance() * occasional.every)
  const byPhase = Map.groupBy(everybody, () => Math.floor(chance() * pollEvery * perSecond))
  const fans = Map.groupBy(
    Array.from({ length: Math.round((day.identities * day.seconds) / 3600) }, () => ({
      step: Math.floor(chance() * day.seconds * perSecond),
      identity: Math.floor(chance() * day.identities)
    })),
    ({ step }) => step
  )

  const isAwake = (identity: number, step: number): boolean =>
    step >= arrives[identity]! &&
    (identity % occasionalOneIn > 0 || (step / perSecond + sleepsFrom[identity]!) % occasional.every < occasional.awake)

  const scheduled = (step: number): ReadonlyArray<number> => {
    const hour = Math.floor(step / (3600 * perSecond))
    const part = step % (3600 * perSecond)
    if (part >= perSecond) return []
    return everybody.filter(
      (identity) =>
        (identity + hour) % scheduledOneIn === 0 && Math.floor(identity / scheduledOneIn) % perSecond === part
    )
  }

  return {
    callers: (step) =>
      [
        ...(step === (day.restart ?? Number.NaN) * perSecond ? everybody : []),
        ...(byPhase.get(step % (pollEvery * perSecond)) ?? []),
        ...(fans.get(step) ?? []).flatMap(({ identity }) => Array.from({ length: fanOut }, () => identity)),
        ...scheduled(step)
      ].filter((identity) => isAwake(identity, step))
  }
}
