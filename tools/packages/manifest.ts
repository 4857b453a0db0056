/**
 * A package's manifest as it is published: every public module by name, its types beside its code, and what it shares
 * with a program as a peer.
 */
import { join } from "node:path"
import type { Published } from "./packages.ts"

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
  readonly exports: Readonly<Record<string, string | null>>
  readonly imports?: Readonly<Record<string, string>>
  readonly bin?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: unknown
  readonly repository?: { readonly type: string; readonly url: string }
}

// Two copies of effect in one program do not know each other's services. As a peer, npm says so when it installs.
const peers = ["effect", "@effect/platform-node"]

const inDist = (source: string, extension: string): string =>
  source.replace(/^\.\/src\//, "./dist/").replace(/\.ts$/, extension)

const entry = (source: string) => ({ types: inDist(source, ".d.ts"), default: inDist(source, ".js") })

const isInternal = (module: string): boolean => module.split("/").includes("internal")

/** The sub-path of a module: that of an `index.ts` is its folder's. */
const subPath = (module: string): string => (module === "index.ts" ? "." : `./${module.replace(/(\/index)?\.ts$/, "")}`)

/** `modules` are those of `src`, as in `http/Answer.ts`. */
export const manifestOf = (
  { name, node, sideEffects, also = [] }: Published,
  own: Manifest,
  modules: ReadonlyArray<string>,
  repository: Manifest["repository"]
) => {
  const bin = Object.entries(own.bin ?? {})
  const programs = bin.map(([, source]) => source.replace(/^\.\/src\//, ""))
  const named = Object.entries(own.exports).filter(([path, source]) => source !== null && !path.includes("*"))
  const exported = new Map<string, unknown>(
    modules
      .filter((module) => !isInternal(module) && !programs.includes(module))
      .map((module) => [subPath(module), entry(`./src/${module}`)])
  )
  for (const [path, source] of named) exported.set(path, entry(source!))
  const paths = [...exported].toSorted(([one], [other]) => (one < other ? -1 : 1))
  const dependencies = Object.entries(own.dependencies ?? {})
  return {
    name: own.name,
    version: own.version,
    description: own.description,
    license: own.license,
    ...(repository === undefined ? {} : { repository: { ...repository, directory: join("packages", name) } }),
    type: "module",
    sideEffects,
    engines: { node },
    files: ["dist", "src", ...also, "CHANGELOG.md"],
    ...(own.imports === undefined ? {} : { imports: own.imports }),
    ...(bin.length === 0
      ? {}
      : { bin: Object.fromEntries(bin.map(([command, source]) => [command, inDist(source, ".js").slice(2)])) }),
    exports: {
      ...Object.fromEntries(paths),
      "./package.json": "./package.json",
      "./internal/*": null,
      "./*/internal/*": null
    },
    dependencies: Object.fromEntries(
      dependencies
        .filter(([dependency]) => !peers.includes(dependency))
        .map(([dependency, range]) => [dependency, range === "*" ? `^${own.version}` : range])
    ),
    peerDependencies: {
      ...own.peerDependencies,
      ...Object.fromEntries(
        dependencies
          .filter(([dependency]) => peers.includes(dependency))
          .map(([dependency, version]) => [dependency, `^${version}`])
      )
    },
    ...(own.peerDependenciesMeta === undefined ? {} : { peerDependenciesMeta: own.peerDependenciesMeta })
  }
}
