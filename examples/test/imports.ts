import { parseSync } from "oxc-parser"

/** What of this repository's packages anybody may import: the named entries of what is published. */
const published: Readonly<Record<string, ReadonlyArray<string>>> = {
  "@flyte-databricks/databricks-auth": ["", "/testing", "/client"],
  "@flyte-databricks/databricks-http": [""],
  "@flyte-databricks/databricks-jobs": [""],
  "@flyte-databricks/diagnosis": [""],
  "@flyte-databricks/kubernetes": [""],
  "@flyte-databricks/flyte-protocol": [""],
  "@flyte-databricks/emulators": [""]
}

/** The module specifiers of a text. */
const specifiersOf = (text: string): ReadonlyArray<string> => {
  const { dynamicImports, staticExports, staticImports } = parseSync("module.ts", text).module
  return [
    ...staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...staticExports.flatMap(({ entries }) => entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? [])),
    ...dynamicImports.map(({ moduleRequest: { end, start } }) => text.slice(start, end).replaceAll(/^["']|["']$/g, ""))
  ]
}

/** The package that a specifier names, and the path in it. */
const partsOf = (specifier: string): readonly [name: string, path: string] => {
  const name = /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier
  return [name, specifier.slice(name.length)]
}

/** What a text imports that a package with these dependencies may not. */
export const foreignImports = (text: string, dependencies: ReadonlyArray<string>): ReadonlyArray<string> =>
  specifiersOf(text).filter((specifier) => {
    if (specifier.startsWith("node:")) return false
    if (specifier.startsWith(".")) return /\/(packages|apps)\//.test(specifier)
    const [name, path] = partsOf(specifier)
    if (!dependencies.includes(name) && !toolsOfTests.includes(name)) return true
    const entries = published[name]
    return entries !== undefined && !entries.includes(path)
  })

/** What the repository installs once, for all tests. */
const toolsOfTests = ["@effect/vitest", "vitest", "effect"]
