import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const filesIn = (root: string): ReadonlyArray<string> =>
  existsSync(root)
    ? readdirSync(root, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    : []

const firstDifference = (actual: string, expected: string): string => {
  const actualLines = actual.split("\n")
  const expectedLines = expected.split("\n")
  const at = expectedLines.findIndex((line, index) => line !== actualLines[index])
  const index = at === -1 ? expectedLines.length : at
  const show = (line: string | undefined) => (line === undefined ? "missing" : JSON.stringify(line.slice(0, 80)))
  return `line ${index + 1} is ${show(actualLines[index])}, generated is ${show(expectedLines[index])}`
}

/** One line for each file that is missing, left over or not the same, sorted by path; none where the trees agree. */
export const differences = (actualRoot: string, expectedRoot: string): ReadonlyArray<string> => {
  const actual = new Set(filesIn(actualRoot))
  const expected = new Set(filesIn(expectedRoot))
  return [...new Set([...actual, ...expected])].toSorted().flatMap((path) => {
    if (!actual.has(path)) return [`missing    ${path}`]
    if (!expected.has(path)) return [`left over  ${path}`]
    const actualText = readFileSync(join(actualRoot, path), "utf8")
    const expectedText = readFileSync(join(expectedRoot, path), "utf8")
    return actualText === expectedText ? [] : [`differs    ${path}: ${firstDifference(actualText, expectedText)}`]
  })
}
