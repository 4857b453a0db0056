/** No regular expression of what is deployed takes more than time in proportion to what strangers send. */
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseSync, Visitor } from "oxc-parser"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const deployed = "{packages/{databricks-auth,databricks-jobs,kubernetes,flyte-protocol},apps/connector}/src/**/*.ts"
const sources = globSync(deployed, { cwd: root }).filter((path) => !/testing|generated|gen\//.test(path))

interface Expression {
  readonly where: string
  readonly expression: RegExp
}

const expressionsOf = (path: string): ReadonlyArray<Expression> => {
  const text = readFileSync(`${root}${path}`, "utf8")
  const found: Array<Expression> = []
  const { program } = parseSync(path, text)
  new Visitor({
    Literal: (node) => {
      if (!("regex" in node)) return
      const where = `${path}:${text.slice(0, node.start).split("\n").length}`
      found.push({ where, expression: new RegExp(node.regex.pattern, node.regex.flags) })
    }
  }).visit(program)
  return found
}

const expressions = sources.flatMap(expressionsOf)

const length = 60_000
const common = [
  "a",
  "A",
  "0",
  " ",
  "\n",
  "\t",
  ",",
  ".",
  "-",
  "_",
  "/",
  ":",
  "@",
  "%",
  "&",
  "=",
  '"',
  "\\",
  "[",
  "{",
  "<",
  "*"
]

/** What such an expression could try again and again: its own letters, alone, by two, and words of it, with no end. */
const inputsOf = ({ source }: RegExp): ReadonlyArray<string> => {
  const words = source.match(/[A-Za-z0-9]{2,}/g) ?? []
  const marks = [...new Set(source.replaceAll(/\\[dswDSWbBnrtpPux]|[A-Za-z0-9()[\]{}?+*^$|]/g, ""))]
  const single = [...new Set([...common, ...marks, ...words])]
  const pairs = [...marks, "a", " "].flatMap((one) => [...marks, ...words, "a", "\\"].map((other) => `${one}${other}`))
  return [...single, ...new Set(pairs)].flatMap((part) => {
    const many = part.repeat(Math.ceil(length / part.length))
    return [many, `${many}\u0000`, `${words[0] ?? ""}${many}\u0000`]
  })
}

// In proportion it is a millisecond or two; by the square it is seconds.
const limitMs = 300

describe("what is deployed has regular expressions", () => {
  it("which are found", () => {
    assert.isAbove(expressions.length, 80)
  })

  it.each(expressions.map(({ where, expression }) => [where, expression] as const))("%s is linear", (_, expression) => {
    for (const input of inputsOf(expression)) {
      const before = process.threadCpuUsage().user
      // As `replaceAll` and `matchAll` go on from each place.
      if (expression.global) input.replaceAll(expression, "")
      else expression.exec(input)
      const took = (process.threadCpuUsage().user - before) / 1000
      assert.isBelow(took, limitMs, `${expression} on ${JSON.stringify(input.slice(0, 40))}…`)
    }
  })
})
