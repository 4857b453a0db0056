/**
 * What the process runs in.
 */
import { variable } from "@flyte-databricks/databricks-auth/request/Variable"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { getHeapStatistics } from "node:v8"
import { Finding, type Passed } from "@flyte-databricks/diagnosis/Check"

const oldestNode = 24

/** The version of Node.js, and its heap beside the memory that the container may use. */
export const runtime = Effect.fnUntraced(function* (): Effect.fn.Return<Passed<void>, Finding, FileSystem.FileSystem> {
  const major = Number(process.versions.node.split(".")[0])
  if (major < oldestNode) {
    return yield* new Finding({ code: "FDC504", detail: `It is ${process.version}, expected ${oldestNode} or later.` })
  }
  const heap = getHeapStatistics().heap_size_limit
  const memory = yield* memoryLimit
  const options = [...process.execArgv, Option.getOrElse(yield* Effect.orDie(variable("NODE_OPTIONS")), () => "")]
  return {
    value: undefined,
    text: `Node.js ${process.version}.`,
    facts: { heap_limit: mebibytes(heap), memory_limit: memory === undefined ? "none" : mebibytes(memory) },
    noticed: [
      // A fifth of a small container is what Node.js needs beside its heap.
      ...(memory !== undefined && heap > memory * 0.8
        ? [new Finding({ code: "FDC503", detail: `The heap may grow to ${mebibytes(heap)}, of ${mebibytes(memory)}.` })]
        : []),
      ...(options.some((option) => youngGeneration.test(option))
        ? []
        : [new Finding({ code: "FDC505", detail: "--max-semi-space-size is not among the options of Node.js." })])
    ]
  }
})

// Node.js takes an underscore for a hyphen.
const youngGeneration = /--max[-_]semi[-_]space[-_]size/

// The limit of the container: cgroup v2, then v1. A number beyond any machine's memory means none.
const memoryLimit: Effect.Effect<number | undefined, never, FileSystem.FileSystem> = FileSystem.FileSystem.use(
  (files) =>
    Effect.gen(function* () {
      for (const file of ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]) {
        const limit = Number(yield* Effect.orElseSucceed(files.readFileString(file), () => ""))
        if (limit > 0 && limit < 2 ** 50) return limit
      }
      return undefined
    })
)

const mebibytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`
