/** Tables in docs/ that say something by the version of Flyte's own connector. */
import { readFileSync } from "node:fs"

export const read = (file: string): string => readFileSync(new URL(`../../../../docs/${file}`, import.meta.url), "utf8")

/** The cells of the first table below a heading, its own heading first. */
export const tableOf = (document: string, heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = (document.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "").split("\n")
  const start = lines.findIndex((line) => line.startsWith("|"))
  const length = lines.slice(start).findIndex((line) => !line.startsWith("|"))
  return lines
    .slice(start, start + length)
    .filter((line) => !line.startsWith("| ---"))
    .map((line) => line.split("|").slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
}

const number = (version: string) => version.split(".").reduce((sum, part) => sum * 1000 + Number(part), 0)

/** Whether a cell such as `1.16.15 to 1.16.27` or `1.16.28 and later` is about a version. */
export const isAbout = (cell: string, version: string): boolean => {
  const [, from, to = "9.0.0"] = /^(\d+\.\d+\.\d+) (?:to (\d+\.\d+\.\d+)|and later)$/.exec(cell) ?? []
  return from !== undefined && number(from) <= number(version) && number(version) <= number(to)
}
