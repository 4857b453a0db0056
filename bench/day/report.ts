/**
 * What came of the simulated days, as Markdown.
 */
import type { Simulated } from "./simulate.ts"
import { type Phase, summarise, type Summary, type Tally } from "./tally.ts"
import { type Day, pollEvery } from "./workload.ts"

const hour = 3600

/** The parts of a day. What callers without a token ask for cannot be put off: it has parts of its own. */
const phasesOf = ({ outage, rampUp, restart, seconds }: Day) => {
  const settled = rampUp + pollEvery
  const recovered = outage.to + hour
  const end = restart ?? seconds
  return {
    arrival: { name: "identities arrive", from: 0, to: settled },
    before: { name: "steady", from: settled, to: outage.from },
    outage: { name: "outage", from: outage.from, to: outage.to },
    recovery: { name: "the hour after", from: outage.to, to: recovered },
    after: { name: "steady", from: recovered, to: end },
    ...(restart === undefined
      ? {}
      : {
          restart: { name: "restart, all at once", from: restart, to: restart + 60 },
          waves: { name: "after it", from: restart + 60, to: seconds }
        })
  } satisfies Record<string, Phase>
}

export interface Verdict {
  readonly mean: number
  readonly largest: number
  readonly withGoodToken: number
  readonly ranOut: number
}

const all: ReadonlyArray<keyof Summary["waited"]> = ["good", "ran out", "none"]

/** Everything but the callers without a token: arrival and restart. */
export const judge = (day: Day, tally: Tally): Verdict => {
  const { before, outage, recovery, after, waves } = phasesOf(day)
  const paced = [before, outage, recovery, after, ...(waves === undefined ? [] : [waves])]
  const summaries = paced.map((phase) => summarise(tally, phase))
  const everything = summarise(tally, { from: 0, to: day.seconds })
  const seconds = paced.reduce((sum, { from, to }) => sum + to - from, 0)
  return {
    mean: summaries.reduce((sum, { requests }) => sum + requests, 0) / seconds,
    largest: Math.max(...summaries.map(({ largest }) => largest)),
    withGoodToken: everything.waited.good + everything.failed.good,
    ranOut: everything.waited["ran out"] + everything.failed["ran out"]
  }
}

const count = (value: number): string => value.toLocaleString("en-GB")

const table = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [header, header.map((_, column) => (column === 0 ? "---" : "---:")), ...rows]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n")

const clock = (seconds: number): string =>
  `${String(Math.floor(seconds / hour)).padStart(2, "0")}:${String(Math.floor((seconds % hour) / 60)).padStart(2, "0")}`

const split = (counts: Summary["waited"]): string => all.map((token) => count(counts[token])).join(" / ")

const phaseTable = (day: Day, tally: Tally): string =>
  table(
    [
      "",
      "from",
      "requests",
      "mean a second",
      "most in a second",
      "calls that waited*",
      "calls that failed*",
      "longest wait"
    ],
    Object.values(phasesOf(day)).map((phase) => {
      const { requests, mean, largest, waited, failed, longestWaitMillis } = summarise(tally, phase)
      return [
        phase.name,
        clock(phase.from),
        count(requests),
        mean.toFixed(2),
        count(largest),
        split(waited),
        split(failed),
        `${(longestWaitMillis / 1000).toFixed(1)} s`
      ]
    })
  )

const peerTable = (day: Day, tallies: Readonly<Record<string, Tally>>): string => {
  const { outage, recovery, restart, waves, before } = phasesOf(day)
  return table(
    [
      "",
      "requests per identity",
      "most in a second: steady",
      "outage",
      "the hour after",
      "restart",
      "after it",
      "calls that waited*",
      "calls that failed*"
    ],
    Object.entries(tallies).map(([name, tally]) => {
      const largest = (phase: Phase | undefined) => (phase === undefined ? "" : count(summarise(tally, phase).largest))
      const { requests, waited, failed } = summarise(tally, { from: 0, to: day.seconds })
      return [
        name,
        (requests / day.identities).toFixed(1),
        ...[before, outage, recovery, restart, waves].map(largest),
        split(waited),
        split(failed)
      ]
    })
  )
}

const verdict = (day: Day, { tally, logged }: Simulated): string => {
  const { largest, mean, ranOut, withGoodToken } = judge(day, tally)
  const held = (holds: boolean) => (holds ? "Held" : "**Missed**")
  return [
    `- ${held(withGoodToken === 0)}: nobody waits or fails while the token is good. ${count(withGoodToken)} of ${count(tally.calls)} calls did.`,
    `- ${held(largest <= 3 * mean)}: never more than three times the mean in a second. The most was ${count(largest)}, the mean ${mean.toFixed(2)}: ${(largest / mean).toFixed(1)} times.`,
    `- ${count(ranOut)} calls waited or failed because the token ran out while it was in use.`,
    `- The log got ${count(logged)} lines.`
  ].join("\n")
}

export interface Results {
  readonly seed: string
  readonly day: Day
  readonly refusing: Simulated
  readonly shortDay: Day
  readonly hanging: Simulated
  readonly peers: Readonly<Record<string, Tally>>
}

export const report = ({
  day,
  hanging,
  peers,
  refusing,
  seed,
  shortDay
}: Results): string => `# A day of ${count(day.identities)} identities

Written by \`npm run bench -- day\`, seed ${seed}. The real core (boundary, token cache, client of the token endpoint with its retries
and circuit breaker) runs on a clock that is moved on by hand; only the network is simulated. Tokens last an hour.

Each identity is asked about every ${pollEvery} seconds, at a moment of its own. Beyond that, workflows fan out (ten calls at once, once an
hour per identity), and on the hour schedules start workflows of a tenth of all identities within one second. One identity in fifty
works for twenty minutes every three hours only: it is new, or forgotten, when it comes. They arrive over the first
${day.rampUp / 60} minutes. At ${clock(day.outage.from)} the token endpoint is down for ${(day.outage.to - day.outage.from) / 60} minutes. At ${clock(day.restart ?? 0)} the connector is restarted, and everybody asks
within one second.

![Requests per second](day.svg)

## The endpoint answers 503

${phaseTable(day, refusing.tally)}

\\* whose token was good / ran out while it was in use / was not there: new, forgotten, or the connector is new. Arrival and restart are
those without a token, who cannot be put off; the mean below leaves both out.

${verdict(day, refusing)}

## The endpoint hangs

The first ${shortDay.seconds / hour} hours of a day whose outage begins at ${clock(shortDay.outage.from)}, without a restart.

${phaseTable(shortDay, hanging.tally)}

${verdict(shortDay, hanging)}

## The same day under other policies

A model of when they ask, not their code: for the SDKs, a renewal in the background min(TTL/2, 20 min) ahead, tried again after a
minute (JavaScript: none); for Flyte's Python connector, none, a new token for the last 60 seconds and three tries. The endpoint answers 503.

${peerTable(day, { "this project": refusing.tally, ...peers })}
`
