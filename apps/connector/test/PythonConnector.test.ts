/**
 * A deployment that switches between Flyte's own connector and this one while runs go on, and docs/versions.md, which says
 * what each version can take over.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { RunPlan } from "@flyte-databricks/emulators"
import { Effect, Option, Predicate } from "effect"
import { Beside, identities, type Identity, layer as besideLayer } from "./support/beside.ts"
import { phaseOf } from "./support/FlyteClient.ts"
import { jobsTokens, readMetadata } from "./support/outcomes.ts"
import * as PythonConnector from "./support/PythonConnector.ts"
import { isAbout, read, tableOf } from "./support/versionTable.ts"
import { connectorPat } from "./support/World.ts"

const versions = ["1.13.0", "1.15.4", "1.16.4", "1.16.25", PythonConnector.current]
const python = await Effect.runPromise(PythonConnector.find(versions))

/** As Flyte finds it: the first version offers no other. */
const taskTypeOf = (version: string) => (version === "1.13.0" ? "spark" : "databricks")

// Who polls and cancels, by identity and version.
const document = read("versions.md")
const [header = [], ...table] = tableOf(document, "Runs of Flyte 1 that this connector submitted")
const columnOf = (version: string) => header.findIndex((cell) => isAbout(cell, version))
const rowOf = (name: string) => table.find(([cell]) => cell === name) ?? assert.fail(`no row ${name}`)
const takesOver = (version: string, name: string) => rowOf(name)[columnOf(version)] === "yes"
const keysOf = (name: string) => Number(rowOf(name)[1])
const notPersisted = "PAT of the namespace, with `FLYTE_DATABRICKS_PERSIST_PAT=false`"

describe("docs/versions.md", () => {
  it("has a row for each identity, and a column for each version", () => {
    assert.sameMembers(
      table.map(([cell]) => cell),
      [...identities.map(({ name }) => name), notPersisted]
    )
    assert.deepStrictEqual(versions.map(columnOf), [2, 2, 2, 3, 4])
  })

  it("names the versions that are run", () => {
    assert.include(document, `${versions.slice(0, -1).join(", ")} and ${versions.at(-1)}`)
  })
})

/** The run that a piece of metadata is of. */
const runOf = Effect.fnUntraced(function* (resourceMeta: Uint8Array) {
  const { workspace } = yield* Beside
  const { run_id } = readMetadata(resourceMeta)
  const run = (yield* workspace.runs).find(({ runId }) => String(runId) === run_id)
  assert(run !== undefined)
  return run
})

type Client = Effect.Success<ReturnType<Beside["Service"]["connect"]>>

/** What one submitted is followed by the other to its end, and another cancelled. */
const handOver = Effect.fnUntraced(function* (from: Client, to: Client, who: Identity, what: string) {
  const { workspace, host } = yield* Beside
  const followed = yield* from.create(who, `${what}, followed`)
  const { creator, jobId, runId } = yield* runOf(followed)
  assert.strictEqual(creator, who.principal)
  const phase = Effect.map(to.get(followed), phaseOf)
  assert.strictEqual(yield* phase, "INITIALIZING")
  assert.strictEqual((yield* to.get(followed)).logLinks[0]?.uri, `https://${host}/#job/${jobId}/run/${runId}`)
  yield* workspace.setRunPlan(runId, { phases: [{ lifeCycleState: "RUNNING" }] })
  assert.strictEqual(yield* phase, "RUNNING")
  yield* workspace.setRunPlan(runId, RunPlan.plan("succeeds", { pending: 0, running: 0 }))
  assert.strictEqual(yield* phase, "SUCCEEDED")

  const cancelled = yield* from.create(who, `${what}, cancelled`)
  yield* to.delete(cancelled)
  assert.strictEqual((yield* runOf(cancelled)).lifeCycleState, "TERMINATING")
  return followed
})

const refusals = (client: Client, resourceMeta: Uint8Array) =>
  Effect.all([Effect.flip(client.get(resourceMeta)), Effect.flip(client.delete(resourceMeta))])

// This connector alone sends a token by which Databricks knows an attempt again.
const isOurs = ({ request }: Effect.Success<ReturnType<typeof runOf>>) =>
  Predicate.hasProperty(request, "idempotency_token")

describe.skipIf(Option.isNone(python))("beside Flyte's own connector", () => {
  const executable = Option.getOrElse(python, () => "")
  layer(besideLayer(executable, versions), { excludeTestServices: true, timeout: "3 minutes" })((it) => {
    for (const version of versions) {
      const taskType = taskTypeOf(version)
      const both = Effect.gen(function* () {
        const { connect, ours, python } = yield* Beside
        return {
          ours: yield* connect(taskType, ours[0]),
          theirs: yield* connect(taskType, python(version))
        }
      })
      const shared = identities.filter(({ name }) => takesOver(version, name))

      describe(`in version ${version},`, () => {
        for (const who of identities) {
          const isTakenOver = takesOver(version, who.name)

          it.effect(`${isTakenOver ? "takes over" : "refuses"} what this one submitted as ${who.name}`, () =>
            Effect.gen(function* () {
              const { workspace } = yield* Beside
              const { ours, theirs } = yield* both
              if (isTakenOver) {
                const resourceMeta = yield* handOver(ours, theirs, who, `${version}, ${who.name}`)
                assert.lengthOf(Object.keys(readMetadata(resourceMeta)), keysOf(who.name))
                return
              }
              const resourceMeta = yield* ours.create(who, `${version}, ${who.name}`)
              yield* workspace.requests.clear
              for (const { details } of yield* refusals(theirs, resourceMeta)) {
                // The first key that it does not know, as a Python KeyError says it.
                assert.match(details, /'auth_(token|type)'/)
              }
              assert.deepStrictEqual(yield* jobsTokens(workspace), [])
            })
          )
        }

        for (const who of shared) {
          it.effect(`hands over what it submitted as ${who.name}`, () =>
            Effect.gen(function* () {
              const { ours, theirs } = yield* both
              yield* handOver(theirs, ours, who, `of ${version}, ${who.name}`)
            })
          )

          it.effect(`shares a name with this one, a replica of each, as ${who.name}`, () =>
            Effect.gen(function* () {
              const { connect, ours, python } = yield* Beside
              const name = yield* connect(taskType, python(version), ours[0])
              const runs: Array<Uint8Array> = []
              const kinds = new Set<boolean>()
              // Until both have taken their turn; who is connected first begins.
              for (let count = 0; runs.length < 4 || kinds.size < 2; count++) {
                assert.isBelow(count, 20)
                const resourceMeta = yield* name.create(who, `${version}, ${who.name}, shared ${count}`)
                kinds.add(isOurs(yield* runOf(resourceMeta)))
                runs.push(resourceMeta)
              }
              for (const resourceMeta of [...runs, ...runs, ...runs]) {
                assert.strictEqual(phaseOf(yield* name.get(resourceMeta)), "INITIALIZING")
              }
              for (const resourceMeta of runs) {
                // Flyte asks again, and may reach the other.
                yield* name.delete(resourceMeta)
                yield* name.delete(resourceMeta)
                const { creator, lifeCycleState } = yield* runOf(resourceMeta)
                assert.deepStrictEqual([creator, lifeCycleState], [who.principal, "TERMINATING"])
              }
            })
          )
        }

        it.effect("is updated to this one replica by replica, and back, and every run goes on", () =>
          Effect.gen(function* () {
            const { connect, ours, python } = yield* Beside
            const theirs = python(version)
            const runs: Array<readonly [Identity, Uint8Array]> = []
            const stages = [[theirs], [theirs, ours[0]], [ours[0], ours[1]], [ours[1], theirs], [theirs]]
            for (const [stage, ports] of stages.entries()) {
              const name = yield* connect(taskType, ...ports)
              for (const who of shared) {
                runs.push([who, yield* name.create(who, `${version}, ${who.name}, stage ${stage}`)])
              }
              // Twice each, so that every replica is asked.
              for (const [, resourceMeta] of [...runs, ...runs]) {
                assert.strictEqual(phaseOf(yield* name.get(resourceMeta)), "INITIALIZING")
              }
            }
            const back = yield* connect(taskType, theirs)
            for (const [who, resourceMeta] of runs) {
              yield* back.delete(resourceMeta)
              const { creator, lifeCycleState } = yield* runOf(resourceMeta)
              assert.deepStrictEqual([creator, lifeCycleState], [who.principal, "TERMINATING"])
            }
          })
        )
      })
    }

    it.effect(`is not given back a ${notPersisted.replaceAll("`", "")}`, () =>
      Effect.gen(function* () {
        const { connect, python, serve, workspace } = yield* Beside
        const { port } = yield* serve({ FLYTE_DATABRICKS_PERSIST_PAT: "false" })
        const who = identities.find(({ name }) => name === "PAT of the namespace") ?? assert.fail()
        for (const version of versions) {
          assert.isFalse(takesOver(version, notPersisted))
          const ours = yield* connect(taskTypeOf(version), port)
          const theirs = yield* connect(taskTypeOf(version), python(version))
          const resourceMeta = yield* ours.create(who, `${version}, not persisted`)
          assert.lengthOf(Object.keys(readMetadata(resourceMeta)), keysOf(notPersisted))
          yield* workspace.requests.clear
          yield* refusals(theirs, resourceMeta)
          const asked = version === PythonConnector.current ? [connectorPat.token, connectorPat.token] : []
          assert.deepStrictEqual(yield* jobsTokens(workspace), asked)
          yield* ours.delete(resourceMeta)
        }
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
    )
  })
})
