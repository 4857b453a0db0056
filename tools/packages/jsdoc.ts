/**
 * Whether the face of the core says what it is: each export of the modules of its index, of the client and of `testing`,
 * and each member of their interfaces and services, has a doc comment. So for the way to Databricks and the diagnosis.
 * `npm run check:docs`.
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { parseSync, Visitor } from "oxc-parser"
import { root } from "./packages.ts"

interface Node {
  readonly start: number
}

interface Member extends Node {
  readonly type: string
  readonly key?: { readonly start: number; readonly end: number }
}

/** A type of the same name as a schema or a class says nothing that the value does not. */
const isCompanion = (text: string): boolean =>
  /^(export )?type (\w+) = (typeof \2\.(Type|Service)|\w+\.\2)\b/.test(text)

const undocumented = (file: string): ReadonlyArray<string> => {
  const text = readFileSync(file, "utf8")
  const { comments, program } = parseSync(file, text)
  const ends = new Set(
    comments
      .filter(({ type, value }) => type === "Block" && value.startsWith("*"))
      .map(({ end }) => end + /^\s*/.exec(text.slice(end))![0].length)
  )
  const found: Array<string> = []
  const require = ({ start }: Node, name: string): void => {
    if (!ends.has(start)) found.push(`${relative(root, file)}:${text.slice(0, start).split("\n").length} ${name}`)
  }
  const heritages: Array<readonly [start: number, end: number, name: string]> = []
  const shapes: Array<readonly [start: number, end: number]> = []
  const members = (all: ReadonlyArray<Member>, of: string): void => {
    for (const { key, start, type } of all) {
      if (type !== "TSPropertySignature" && type !== "TSMethodSignature") continue
      require({ start }, `${of}.${key === undefined ? "" : text.slice(key.start, key.end)}`)
    }
  }
  new Visitor({
    ExportNamedDeclaration: (node) => {
      const { declaration } = node
      if (declaration === null || isCompanion(text.slice(node.start, node.start + 200))) return
      const name =
        declaration.type === "VariableDeclaration"
          ? text.slice(declaration.declarations[0]!.id.start, declaration.declarations[0]!.id.end).split(":")[0]!
          : "id" in declaration && declaration.id !== null && "name" in declaration.id
            ? String(declaration.id.name)
            : declaration.type
      require(node, name)
      if (declaration.type === "TSInterfaceDeclaration") members(declaration.body.body, name)
      if (declaration.type === "ClassDeclaration") heritages.push([declaration.start, declaration.body.start, name])
    },
    // The shape of a service is a type argument of what its class extends.
    TSTypeLiteral: (node) => {
      const service = heritages.find(([start, end]) => start < node.start && node.end <= end)
      const isInner = shapes.some(([start, end]) => start <= node.start && node.end <= end)
      if (service === undefined || isInner) return
      shapes.push([node.start, node.end])
      members(node.members, service[2])
    }
  }).visit(program)
  return found
}

const core = join(root, "packages/databricks-auth/src")

const exportedBy = (file: string): ReadonlyArray<string> =>
  [...readFileSync(join(core, file), "utf8").matchAll(/^export \* as \w+ from "(.+)"$/gm)].map(([, name]) =>
    join(dirname(file), name!)
  )

const typescriptIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(core, folder))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(folder, file))

const face = [
  ...exportedBy("index.ts"),
  ...exportedBy("testing.ts"),
  "client.ts",
  ...typescriptIn("client"),
  ...typescriptIn("client/adapters"),
  "../../kubernetes/src/client.ts",
  ...exportedBy("../../databricks-http/src/index.ts"),
  ...exportedBy("../../diagnosis/src/index.ts")
].map((file) => join(core, file))

const found = face.flatMap(undocumented).toSorted()
if (found.length > 0) {
  console.error(`Without a doc comment (/** … */ above it):\n  ${found.join("\n  ")}`)
  process.exitCode = 1
}
