/**
 * What was seen of Flyte's own programs, propeller of Flyte 1 and the executor of Flyte 2, each as a scenario: with this
 * connector and with Flyte's own, in Python. `Rows.long.test.ts` plays them with this one in memory, `RowsPython.long.test.ts` with
 * the others as they are.
 */
import type { RunPlan } from "@flyte-databricks/emulators"
import { Effect } from "effect"
import type { Order } from "./orders.ts"
import { badEnds, goesBack, slowStart } from "./plans.ts"
import type { Result, Scenario } from "./Scenario.ts"

type Flyte = Order["version"]

/** What comes of a row; what is left out is zero. */
interface Expected extends Partial<Omit<Result, "ends">> {
  readonly ends: Result["ends"]
  /** For how long, at the most, a run goes on that Flyte does not follow, in seconds. */
  readonly longest?: number
  /** How many phases an attempt has at the most, where it is not the four of a good one. */
  readonly changes?: number
  /** How many deletes Flyte makes at the most: one in an outage may or may not be made again. */
  readonly deletes?: number
}

/** In both versions, or in each. */
type InBoth<A> = A | Readonly<Record<Flyte, A>>

export interface Row {
  readonly scenario: Scenario
  readonly ours: InBoth<Expected>
  /** Of Flyte's own: how tasks end, and how many runs nobody follows and nobody cancels. Left out where it is not played. */
  readonly theirs?: InBoth<{ readonly ends?: Result["ends"]; readonly left?: number | "some" }>
}

/** The one of a version. */
export const of = <A extends object>(both: InBoth<A>, flyte: Flyte): A => ("Flyte 1" in both ? both[flyte] : both)

const outage = (from: number, seconds: number) => ({ what: "nobody there" as const, from, until: from + seconds })
const submitTakes = (seconds: number) => ({ what: "slow" as const, seconds, calls: "submit" as const })

const fine = (tasks: number) => ({ ends: { SUCCEEDED: tasks }, runs: tasks })
const theirsFine = (tasks: number) => ({ ends: { SUCCEEDED: tasks } })

const outages: Readonly<Record<string, Row>> = {
  "outage of 60 s": {
    scenario: { tasks: 6, troubles: [outage(30, 60)] },
    ours: fine(6),
    theirs: { ends: { hung: 6 } }
  },
  "restart in an outage": {
    scenario: {
      tasks: 4,
      troubles: [outage(30, 45)],
      events: ({ connector }) => Effect.delay(connector.restart("2 seconds"), "35 seconds")
    },
    ours: fine(4),
    theirs: { ends: { hung: 4 } }
  },
  "abort in an outage of 15 s": {
    scenario: { tasks: 4, abortAfter: 36, troubles: [outage(45, 15)] },
    ours: { ends: { aborted: 4 }, runs: 4, changes: 3, deletes: 8 },
    // Flyte 1 gives up after twelve deletes, one right after the other.
    theirs: { "Flyte 1": { left: "some" }, "Flyte 2": { ends: { aborted: 4 } } }
  },
  "outage of 20 s at create": {
    scenario: { tasks: 6, habits: { attempts: 4 }, troubles: [outage(0, 20)] },
    ours: fine(6),
    theirs: { ends: { "lost, attempts used up": 6 } }
  },
  "run not found for a while": {
    scenario: { tasks: 3, troubles: [{ what: "run not found", from: 30, until: 45 }] },
    ours: fine(3),
    theirs: theirsFine(3)
  }
}

const slow: Readonly<Record<string, Row>> = {
  "the answer of a submit takes 6 s": {
    scenario: { tasks: 4, troubles: [submitTakes(6)] },
    ours: fine(4),
    theirs: theirsFine(4)
  },
  "every call takes 5 s": {
    scenario: { tasks: 4, troubles: [{ what: "slow", seconds: 5, calls: "all" }] },
    ours: fine(4),
    theirs: theirsFine(4)
  },
  "abort with every call at 5 s": {
    scenario: { tasks: 4, abortAfter: 30, troubles: [{ what: "slow", seconds: 5, calls: "all", from: 20 }] },
    ours: { ends: { aborted: 4 }, runs: 4, changes: 3, deletes: 4 },
    theirs: { ends: { aborted: 4 } }
  }
}

const lostAnswers: Readonly<Record<string, Row>> = {
  "CreateTask's answer lost on the way to Flyte": {
    scenario: { tasks: 6, way: (before) => (before < 6 ? "answer lost" : "arrives") },
    ours: { ends: { SUCCEEDED: 6 }, runs: 12, unknown: 6, longest: 15 },
    theirs: { ends: { SUCCEEDED: 6 }, left: 6 }
  },
  "its connection lost midway": {
    scenario: { tasks: 6, troubles: [submitTakes(4)], way: (before) => (before < 6 ? "connection lost" : "arrives") },
    ours: { ends: { SUCCEEDED: 6 }, runs: 12, unknown: 6, longest: 5 },
    theirs: { ends: { SUCCEEDED: 6 }, left: 6 }
  },
  "the next attempt supersedes": {
    scenario: { tasks: 6, troubles: [{ ...submitTakes(12), until: 9 }] },
    ours: { ends: { SUCCEEDED: 6 }, runs: 12, unknown: 6, longest: 10 },
    theirs: { ends: { SUCCEEDED: 6 }, left: 6 }
  },
  "Flyte killed amid its creates, back in 10 s": {
    scenario: {
      tasks: 6,
      troubles: [submitTakes(4)],
      events: ({ restartFlyte }) => Effect.delay(restartFlyte("10 seconds"), "2 seconds")
    },
    ours: fine(6),
    theirs: { ends: { SUCCEEDED: 6 }, left: 6 }
  },
  "Flyte killed amid its creates, back in 30 s": {
    scenario: {
      tasks: 6,
      troubles: [submitTakes(4)],
      events: ({ restartFlyte }) => Effect.delay(restartFlyte("30 seconds"), "2 seconds")
    },
    ours: fine(6)
  }
}

const restarts: Readonly<Record<string, Row>> = {
  "restart of the connector": {
    scenario: {
      tasks: 6,
      within: 30,
      troubles: [submitTakes(2)],
      events: ({ connector }) => Effect.delay(connector.update, "16 seconds")
    },
    ours: fine(6),
    theirs: { ends: { SUCCEEDED: 6 }, left: 1 }
  },
  "one of two replicas killed amid a create": {
    scenario: {
      tasks: 6,
      within: 30,
      replicas: 2,
      troubles: [submitTakes(2)],
      events: ({ connector }) => Effect.delay(connector.restart("5 seconds"), "16 seconds")
    },
    // A crash forgets what it was submitting.
    ours: { ends: { SUCCEEDED: 6 }, runs: 7, unknown: 1, left: 1, longest: 100 },
    theirs: { ends: { SUCCEEDED: 6 }, left: 1 }
  },
  "rolling update of two replicas": {
    scenario: {
      tasks: 100,
      within: 60,
      replicas: 2,
      events: ({ connector }) => Effect.delay(connector.update, "30 seconds")
    },
    ours: fine(100)
  },
  "Flyte killed and back": {
    scenario: { tasks: 6, events: ({ restartFlyte }) => Effect.delay(restartFlyte("20 seconds"), "40 seconds") },
    ours: fine(6),
    theirs: theirsFine(6)
  },
  "Flyte killed and back in an outage": {
    scenario: {
      tasks: 6,
      troubles: [outage(30, 50)],
      events: ({ restartFlyte }) => Effect.delay(restartFlyte("5 seconds"), "60 seconds")
    },
    ours: fine(6),
    // Flyte 2 stores how often it failed.
    theirs: { "Flyte 1": theirsFine(6), "Flyte 2": { ends: { lost: 6 } } }
  },
  "connector away for 14 s": {
    scenario: { tasks: 4, events: ({ connector }) => Effect.delay(connector.restart("14 seconds"), "30 seconds") },
    ours: fine(4),
    theirs: theirsFine(4)
  },
  "connector away for 14 s, its task types not listed": {
    scenario: {
      tasks: 4,
      isListed: false,
      events: ({ connector }) => Effect.delay(connector.restart("14 seconds"), "30 seconds")
    },
    ours: {
      "Flyte 1": { ends: { "lost to another plugin": 4 }, runs: 4, left: 4, changes: 3 },
      "Flyte 2": fine(4)
    },
    theirs: { "Flyte 1": { ends: { "lost to another plugin": 4 }, left: 4 }, "Flyte 2": theirsFine(4) }
  }
}

const flyteItself: Readonly<Record<string, Row>> = {
  "the admin refuses 20 % of events": {
    scenario: { tasks: 100, within: 60, habits: { refusedEvents: 0.2 } },
    ours: fine(100),
    theirs: { ends: { SUCCEEDED: 100 }, left: "some" }
  },
  "old copies are looked at after a resync": {
    scenario: { tasks: 20, within: 20, replicas: 2, habits: { staleCopies: 0.5 } },
    ours: fine(20),
    theirs: { ends: { SUCCEEDED: 20 }, left: "some" }
  },
  "run ends badly": {
    scenario: { tasks: 4, plan: (task) => badEnds[task] as RunPlan.RunPlan },
    // An internal error is tried again.
    ours: { ends: { FAILED: 3, RETRYABLE_FAILED: 1 }, runs: 6, deletes: 6 },
    theirs: { ends: { FAILED: 3, RETRYABLE_FAILED: 1 } }
  },
  "phases lower than before": {
    scenario: { tasks: 4, plan: () => goesBack },
    // Flyte 1 shows it, and then nothing more until the end. Flyte 2 does not.
    ours: {
      "Flyte 1": { ...fine(4), back: 4, seenBack: 4, changes: 6 },
      "Flyte 2": { ...fine(4), back: 4, changes: 6 }
    },
    theirs: theirsFine(4)
  }
}

// Flyte asks them in turn, and each remembers something else of a run.
const replicas: Readonly<Record<string, Row>> = {
  "two replicas in an outage": {
    scenario: { tasks: 20, within: 60, replicas: 2, troubles: [outage(62, 60)] },
    ours: fine(20)
  },
  "two replicas that start anew in an outage": {
    scenario: {
      tasks: 20,
      within: 60,
      replicas: 2,
      troubles: [outage(62, 60)],
      events: ({ connector }) => Effect.delay(connector.update, "65 seconds")
    },
    ours: fine(20)
  },
  // RUNNING a little early, once and back.
  "two replicas in an outage, all runs PENDING": {
    scenario: { tasks: 20, within: 60, replicas: 2, plan: () => slowStart, troubles: [outage(75, 30)] },
    ours: { ...fine(20), back: 20, changes: 6 }
  }
}

/** By their names. */
export const rows: Readonly<Record<string, Row>> = {
  ...outages,
  ...slow,
  ...lostAnswers,
  ...restarts,
  ...flyteItself,
  ...replicas
}
