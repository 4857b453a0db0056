// The packages of which something is in the bundle, by what esbuild says that it read.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Metafile } from "esbuild"

/** A package that is not of this repository. */
export interface BundledPackage {
  readonly name: string
  readonly version: string
  /** An SPDX expression. */
  readonly license: string
  /** `sha512-…`, as the lockfile has it. */
  readonly integrity: string
  readonly directory: string
}

const root = join(import.meta.dirname, "../../..")
const lockfile: { readonly packages: Record<string, { readonly integrity?: string }> } = JSON.parse(
  readFileSync(join(root, "package-lock.json"), "utf8")
)

const packageDirectory = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/

/** Every package that has bytes in the outputs, sorted. */
export const packagesOf = (metafile: Metafile, app: string): ReadonlyArray<BundledPackage> => {
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs))
  const directories = new Set(inputs.flatMap((input) => packageDirectory.exec(input)?.[0] ?? []))
  return [...directories].map((path) => read(path, join(app, path))).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

const read = (path: string, directory: string): BundledPackage => {
  const { name, version, license }: Record<string, unknown> = JSON.parse(
    readFileSync(join(directory, "package.json"), "utf8")
  )
  const { integrity } = lockfile.packages[path.slice(path.indexOf("node_modules/"))] ?? {}
  if (typeof name !== "string" || typeof version !== "string") throw new Error(`${path} has no name or no version`)
  if (typeof license !== "string" || license === "") throw new Error(`${name} ${version} names no licence (${path})`)
  if (integrity === undefined) throw new Error(`${name} ${version} is not in package-lock.json (${path})`)
  return { name, version, license, integrity, directory }
}
