/** The same scenarios with Flyte's own connectors, in Python: what `rows.ts` notes of them is what they do. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Layer, Option } from "effect"
import * as PythonConnector from "../support/PythonConnector.ts"
import { of, rows } from "./rows.ts"
import { layer as theirsLayer, playTheirs } from "./sockets.ts"

const python = await Effect.runPromise(PythonConnector.find())

describe.skipIf(Option.isNone(python))("with Flyte's own connector,", () => {
  const executable = Option.getOrElse(python, () => "")
  layer(theirsLayer(executable).pipe(Layer.provide(NodeServices.layer)), { timeout: "1 minute" })((it) => {
    for (const flyte of ["Flyte 1", "Flyte 2"] as const) {
      for (const [name, { scenario, theirs }] of Object.entries(rows)) {
        if (theirs === undefined) continue
        const { ends, left = 0 } = of(theirs, flyte)
        it.effect(
          `${flyte}: ${name}`,
          () =>
            Effect.gen(function* () {
              const played = yield* playTheirs(name, scenario, flyte)
              if (ends !== undefined) assertEquals(played.ends, ends)
              if (left === "some") assert.isAbove(played.left, 0)
              else assertEquals(played.left, left)
            }),
          120_000
        )
      }
    }
  })
})
