// THIRD-PARTY-NOTICES: who made what is in the bundle, and the terms of each in full.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { BundledPackage } from "./bundled.ts"

const root = join(import.meta.dirname, "../../..")

const read = (...path: ReadonlyArray<string>): string => readFileSync(join(...path), "utf8").trim()

/** The comment that a source begins with. */
const head = (source: string): string => /^(?:\/\/.*\n)+/.exec(source)?.[0].replaceAll(/^\/\/ ?/gm, "") ?? ""

// Packages without a file of their licence, and what stands for it.
const withoutFile: Readonly<Record<string, (directory: string) => ReadonlyArray<string>>> = {
  // Apache-2.0, and BSD-3-Clause for one module.
  "@bufbuild/protobuf": (directory) => [read(root, "LICENSE"), head(read(directory, "dist/esm/wire/varint.js"))]
}

const isLicence = (file: string): boolean => /^(licen[cs]e|unlicense|copying|notice)(\.(md|txt))?$/i.test(file)

const rule = "=".repeat(80)
const block = (heading: string, texts: ReadonlyArray<string>) => [rule, heading, rule, "", ...texts, ""].join("\n")

const notice = ({ directory, license, name, version }: BundledPackage): string => {
  const files = readdirSync(directory).filter(isLicence).toSorted()
  const texts = files.length > 0 ? files.map((file) => read(directory, file)) : (withoutFile[name]?.(directory) ?? [])
  if (texts.length === 0 || texts.includes("")) {
    throw new Error(`${name} ${version} (${license}) has no file with its licence: say in notices.ts where its text is`)
  }
  return block(`${name} ${version} (${license})`, texts)
}

/** The text; `outdir` is where esbuild left what sources say of themselves. */
export const notices = (packages: ReadonlyArray<BundledPackage>, outdir: string): string => {
  const legal = readdirSync(outdir).filter((file) => file.endsWith(".LEGAL.txt"))
  return [
    `The bundle holds code of these ${packages.length} packages.\n`,
    ...packages.map(notice),
    block(
      "What sources say of themselves",
      legal.toSorted().map((file) => read(outdir, file))
    )
  ].join("\n")
}
