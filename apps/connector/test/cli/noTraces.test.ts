/** Errors without traces, in a process of its own: what is taken off is taken off for all of it. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { run } from "../support/commands.ts"

const module = new URL("../../src/cli/noTraces.ts", import.meta.url).href
// Effect does so around each function that it names.
const program = `await import(${JSON.stringify(module)})
Error.stackTraceLimit = 5
console.log(new Error("no answer").stack)`

const stackWith = (options: string) =>
  run(process.execPath, ["--input-type=module", "-e", program], { NODE_OPTIONS: options }).pipe(
    Effect.map((said) => said.trim()),
    Effect.provide(NodeServices.layer)
  )

describe("an error of the connector's process", () => {
  it.live("has no trace, which would keep what was on the stack, though a library asks for one", () =>
    Effect.map(stackWith(""), (stack) => assert.notMatch(stack, /^ {4}at /m))
  )

  it.live("has one where somebody looks for a defect", () =>
    Effect.map(stackWith("--stack-trace-limit=20"), (stack) => assert.match(stack, /^ {4}at /m))
  )
})
