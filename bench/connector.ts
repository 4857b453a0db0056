/**
 * CreateTask and GetTask through the connector, beside Flyte's Python connector where its Python is there
 * (`npm run setup:python`) and beside the least that Node can do: same callers, same requests, same workspace, mode M2M, no
 * Kubernetes. It writes `reports/connector.md`.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { load } from "./support/client.ts"
import * as Connectors from "./support/connectors.ts"
import { inTurn, type Message, messages, pathOf } from "./support/messages.ts"
import { ownFunctions, owners, type Profiled, profiled } from "./support/profile.ts"
import { type Figures, report } from "./support/report.ts"

const rounds = 5
const starts = 5
const seconds = 2
/** How long all of them are called before anything counts: a program that runs on a compiler's guesses is another one. */
const warmUp = 8

export const benchConnector = async (): Promise<void> => {
  const kinds = [Connectors.bundle()]
  if (Connectors.hasPython) kinds.push(Connectors.flytes)
  else console.log(`Flyte's Python connector is left out: no ${Connectors.python} (npm run setup:python).`)
  kinds.push(Connectors.floor)
  const workspace = await Connectors.startWorkspace()
  const asked = Object.entries(messages(workspace.host))
  const points = asked.flatMap(([operation, message]) =>
    [1, 32, 256].map((callers) => ({ operation, message, callers }))
  )
  const figures = new Map<string, Figures>(
    kinds.map(({ name }) => [name, { start: [], startCpu: [], idle: [], loaded: [], calls: {} }])
  )
  try {
    for (let round = 0; round < starts; round++) {
      for (const kind of inTurn(kinds, round)) {
        const running = await Connectors.start(kind, workspace)
        figures.get(kind.name)!.start.push(running.startMs)
        figures.get(kind.name)!.startCpu.push(running.startCpuMs)
        await running.stop()
      }
    }
    const running = new Map<string, Connectors.Running>()
    for (const kind of kinds) running.set(kind.name, await Connectors.start(kind, workspace))
    await new Promise((resolve) => setTimeout(resolve, 3000))
    for (const [name, { rss }] of running) figures.get(name)!.idle.push(rss())
    for (const { port } of running.values()) {
      for (const [operation, message] of asked)
        await load(port, pathOf(operation), message, { callers: 32, seconds: warmUp })
    }
    for (let round = 0; round < rounds; round++) {
      for (const { operation, message, callers } of points) {
        for (const [name, { port, cpuMs }] of inTurn([...running], round)) {
          const before = cpuMs()
          const result = await load(port, pathOf(operation), message, { callers, seconds })
          const { calls } = figures.get(name)!
          ;(calls[`${operation} ${callers}`] ??= []).push({ ...result, cpuMs: (cpuMs() - before) / result.calls })
        }
      }
    }
    for (const [name, { rssMax }] of running) figures.get(name)!.loaded.push(rssMax())
    for (const { stop } of running.values()) await stop()
    const profile: Record<string, Profiled> = {}
    for (const [operation, message] of asked) profile[operation] = await profileOf(workspace, operation, message)
    const text = report({ figures, profile, rounds, starts, seconds })
    writeFileSync(join(Connectors.root, "bench/reports/connector.md"), text)
    console.log(text)
  } finally {
    Connectors.stopAll()
    workspace.stop()
  }
}

const profileOf = async (workspace: Connectors.Workspace, operation: string, message: Message): Promise<Profiled> => {
  const profile = await profiled(async (flags) => {
    const { port, stop } = await Connectors.start(Connectors.sources(...flags), workspace)
    await load(port, pathOf(operation), message, { callers: 32, seconds: 2 * warmUp })
    await stop()
  })
  return { owners: owners(profile), functions: ownFunctions(profile) }
}
