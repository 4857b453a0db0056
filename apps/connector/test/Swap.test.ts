/**
 * docs/swap.md: with what its first step sets, nobody's identity changes when this connector takes the place of Flyte's own.
 * The same task in the same world is asked of both; Flyte's is its own code.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as PythonConnector from "./support/PythonConnector.ts"
import { layer as swapLayer, Swap, type Taken, World } from "./support/swap.ts"
import { isAbout, read, tableOf } from "./support/versionTable.ts"

const versions = ["1.16.4", "1.16.25", PythonConnector.current]
const python = await Effect.runPromise(PythonConnector.find(versions))

// What the guide's first step sets, by version.
const [, ...rows] = tableOf(read("swap.md"), "First step: nobody changes")
const settingsIn = (cell = ""): Record<string, string> =>
  Object.fromEntries([...cell.matchAll(/`(\w+)=(\w+)`/g)].map(([, name = "", value = ""]) => [name, value]))
const rowOf = (of: (cell: string) => boolean) => rows.find(([cell = ""]) => of(cell)) ?? assert.fail("no such row")
const guided = (version: string, { authType, rights }: World) => {
  const [, cell = ""] = rowOf((of) => isAbout(of, version))
  const isKept = cell.includes("where it is not set yet") && authType !== "unset"
  return {
    ...(isKept ? {} : settingsIn(cell)),
    ...(rights ? {} : settingsIn(rowOf((of) => of.endsWith("may not read Secrets"))[1]))
  }
}

/** A world in which nothing is broken, and a task that says no more than its auth type. */
const sound = (world: World): World => ({
  ...world,
  connectorPat: world.connectorPat === "unset" ? "unset" : "prefixed",
  tokenFile: world.tokenFile === "missing" ? "there" : world.tokenFile,
  awsFile: world.awsFile === "missing" ? "there" : world.awsFile,
  patSecret: world.patSecret === "absent" ? "absent" : "whole",
  oauthSecret: world.oauthSecret === "absent" ? "absent" : "whole",
  accounts: world.accounts.startsWith("one") ? world.accounts : "none",
  task: {
    authType: world.task.authType,
    tokenSecret: "unset",
    oauthSecret: "unset",
    clientId: "unset",
    tokenFile: "unset",
    audience: false
  }
})

const runs = { arbitrary: { seed: 20_261_129, runs: 500 }, timeout: 120_000 }
const bearerOf = (taken: Taken) => ("bearer" in taken ? taken.bearer : undefined)

describe.skipIf(Option.isNone(python))("with the guide's first step", () => {
  layer(
    swapLayer(
      Option.getOrElse(python, () => ""),
      versions
    ),
    { excludeTestServices: true, timeout: "1 minute" }
  )((it) => {
    for (const version of versions) {
      it.effect.prop(
        `a task is who it was with ${version}, or there is an error that says why`,
        { world: World },
        ({ world }) =>
          Effect.gen(function* () {
            const { flytes, ours } = yield* Swap
            const theirs = yield* flytes(version, world)
            const own = yield* ours(world, guided(version, world))
            if ("error" in own) return assert.isAbove(own.error.length, 40)
            if ("bearer" in theirs) return assert.strictEqual(own.bearer, theirs.bearer)
            // Flyte's own connector refused it; this one reads the variable without Flyte's prefix too.
            assert.deepStrictEqual([own.bearer, world.connectorPat], ["dapi-connector", "plain"])
          }),
        runs
      )

      it.effect.prop(
        `a task that names nothing is who it was with ${version}, without an error, where nothing is broken`,
        { world: World },
        ({ world: any }) =>
          Effect.gen(function* () {
            const { flytes, ours } = yield* Swap
            // What an older version does not read is refused: the guide says so.
            const { task, ...world } = sound(any)
            const authType = version === PythonConnector.current ? task.authType : "unset"
            const plain = { ...world, task: { ...task, authType } }
            const theirs = yield* flytes(version, plain)
            const own = yield* ours(plain, guided(version, plain))
            assert.strictEqual(bearerOf(own), bearerOf(theirs))
          }),
        runs
      )
    }

    it.effect("which is what keeps them: without it the strongest identity that is there would be everybody's", () =>
      Effect.gen(function* () {
        const { flytes, ours } = yield* Swap
        const world: World = {
          authType: "unset",
          connectorPat: "prefixed",
          clientId: true,
          clientSecret: true,
          tokenFile: "unset",
          awsFile: "unset",
          defaultFile: false,
          rights: true,
          hasNamespace: true,
          patSecret: "absent",
          oauthSecret: "absent",
          accounts: "none",
          task: {
            authType: "unset",
            tokenSecret: "unset",
            oauthSecret: "unset",
            clientId: "unset",
            tokenFile: "unset",
            audience: false
          }
        }
        assert.strictEqual(bearerOf(yield* flytes(PythonConnector.current, world)), "dapi-connector")
        assert.strictEqual(bearerOf(yield* ours(world, {})), "app-connector/secret-connector")
        assert.strictEqual(bearerOf(yield* ours(world, guided(PythonConnector.current, world))), "dapi-connector")
      })
    )
  })
})
