/**
 * The connector in the box that Flyte's charts give it (300 MiB, half a core), beside Flyte's Python connector and the floor, each
 * alone in it: cold start, 1 to 1,000 callers, and a steady run. It writes `reports/box.md`. Control groups need root.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Box, makeBox } from "./support/cgroup.ts"
import { callOnce, load, steady, type Throughput } from "./support/client.ts"
import * as Connectors from "./support/connectors.ts"
import { type Message, messages, pathOf, poll } from "./support/messages.ts"
import { type BoxFigures, boxReport } from "./support/boxReport.ts"

/** How long the workspace takes for an answer, in milliseconds. */
const answersAfter = 50
const seconds = 5
const rates = { CreateTask: 10, GetTask: 50 }
const identities = 10_000

export const benchBox = async ({ steadySeconds = 600 }: { readonly steadySeconds?: number }): Promise<void> => {
  const kinds = [Connectors.bundle(), ...(Connectors.hasPython ? [Connectors.flytes] : []), Connectors.floor]
  const workspace = await Connectors.startWorkspace(answersAfter)
  const figures = new Map<string, BoxFigures>()
  try {
    for (const kind of kinds) {
      const box = makeBox()
      try {
        figures.set(kind.name, await measure(kind, workspace, box, steadySeconds))
      } finally {
        Connectors.stopAll()
        await new Promise((resolve) => setTimeout(resolve, 500))
        box.remove()
      }
    }
    const text = boxReport(figures, { answersAfter, seconds, steadySeconds, rates, identities })
    writeFileSync(join(Connectors.root, "bench/reports/box.md"), text)
    console.log(text)
  } finally {
    workspace.stop()
  }
}

const measure = async (
  kind: Connectors.Kind,
  workspace: Connectors.Workspace,
  box: Box,
  steadySeconds: number
): Promise<BoxFigures> => {
  const asked = messages(workspace.host)
  const { port, rss, rssMax, startMs, stop } = await Connectors.start(kind, workspace, box)
  const began = performance.now()
  await callOnce(port, pathOf("CreateTask"), asked.CreateTask())
  const firstCreate = startMs + performance.now() - began
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const rest = rss()
  // As it is in a cluster that has just scaled up: the steady run comes first, to a process that is not warm.
  const runs = kind.name === Connectors.flytes.name ? asked.GetTask : polls(workspace.host)
  const [creates, gets] = await Promise.all([
    steady(port, pathOf("CreateTask"), asked.CreateTask, { perSecond: rates.CreateTask, seconds: steadySeconds }),
    steady(port, pathOf("GetTask"), runs, { perSecond: rates.GetTask, seconds: steadySeconds })
  ])
  const calls: Record<string, Throughput> = {}
  for (const callers of [1, 32, 256, 1000]) {
    for (const [operation, message] of Object.entries(asked)) {
      calls[`${operation} ${callers}`] = await load(port, pathOf(operation), message, { callers, seconds })
    }
  }
  const figures = {
    serving: startMs,
    firstCreate,
    rest,
    calls,
    steady: { CreateTask: creates, GetTask: gets },
    rssMax: rssMax(),
    memoryMax: box.memoryMax(),
    kills: box.kills()
  }
  await stop()
  return figures
}

/** Polls of as many identities, each with a token of its own; every other one is the connector's, whose token is renewed. */
const polls = (host: string): Message => {
  const own = messages(host).GetTask
  let polled = 0
  return () => {
    const n = polled++ % identities
    return n % 2 === 0 ? own() : poll(host, { auth_type: "pat", auth_token: `pat-of-run-${n}` })
  }
}
