/**
 * Builds what is published into `dist/packages`: JavaScript, types and maps beside the sources that they point to. The
 * repository itself runs the sources.
 */
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { type Manifest, manifestOf } from "./manifest.ts"
import { built, packages, type Published, root } from "./packages.ts"

const read = <A>(file: string): A => JSON.parse(readFileSync(file, "utf8")) as A

const write = (file: string, value: unknown): void => writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)

const filesUnder = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))

const isLeftOut =
  ({ leaveOut = [] }: Published) =>
  (module: string): boolean =>
    leaveOut.some((folder) => module.startsWith(`${folder}/`))

const tsc = (...options: ReadonlyArray<string>): void => {
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...options], { stdio: "inherit" })
}

const compile = (published: Published, to: string): void => {
  const from = join(root, "packages", published.name)
  const own = join(from, "tsconfig.json")
  const { references } = read<{ readonly references: ReadonlyArray<{ readonly path: string }> }>(own)
  const config = join(built, `${published.name}.tsconfig.json`)
  write(config, {
    extends: own,
    compilerOptions: {
      rootDir: join(from, "src"),
      outDir: to,
      composite: false,
      incremental: false,
      declaration: true,
      declarationMap: true,
      emitDeclarationOnly: false,
      sourceMap: true
    },
    include: [join(from, "src")],
    exclude: (published.leaveOut ?? []).map((folder) => join(from, "src", folder)),
    references: references.map(({ path }) => ({ path: resolve(from, path) }))
  })
  tsc("-p", config)
  rmSync(config)
}

interface SourceMap {
  readonly sources: ReadonlyArray<string>
  readonly mappings: string
}

/** Maps lead to the sources of this repository; here they are beside the code. */
const point = (file: string, from: string, to: string, linesBefore: number): void => {
  const map = read<SourceMap>(file)
  write(file, {
    ...map,
    sources: map.sources.map((source) =>
      relative(dirname(file), join(to, "src", relative(from, resolve(dirname(file), source))))
    ),
    mappings: ";".repeat(linesBefore) + map.mappings
  })
}

// The compiler drops what a module says of itself where the import that follows is for types alone, or is not used in them.
const withModuleComment = (types: string, source: string): string => {
  const [comment] = /^(?:#!.*\n)?\/\*\*[\s\S]*?\*\/\n/.exec(source) ?? [""]
  const said = comment.replace(/^#!.*\n/, "")
  return said === "" || types.startsWith(said.trimEnd()) ? types : said + types
}

// In a declaration, too, a relative import names the file that is there.
const withExtensions = (types: string): string =>
  types.replace(/((?:from|import\()\s*"\.{1,2}\/[^"\n]*)\.ts"/g, '$1.js"')

const build = (published: Published): void => {
  const from = join(root, "packages", published.name)
  const to = join(built, published.name)
  const sources = join(from, "src")
  rmSync(to, { recursive: true, force: true })
  mkdirSync(to, { recursive: true })
  compile(published, join(to, "dist"))

  const modules = filesUnder(sources).filter((module) => !isLeftOut(published)(module))
  for (const module of modules) {
    const target = join(to, "src", module)
    mkdirSync(dirname(target), { recursive: true })
    cpSync(join(sources, module), target)
  }
  for (const module of modules.filter((module) => module.endsWith(".ts"))) {
    const file = join(to, "dist", module.replace(/\.ts$/, ""))
    const emitted = readFileSync(`${file}.d.ts`, "utf8")
    const types = withModuleComment(emitted, readFileSync(join(sources, module), "utf8"))
    writeFileSync(`${file}.d.ts`, withExtensions(types))
    point(`${file}.d.ts.map`, sources, to, types.split("\n").length - emitted.split("\n").length)
    point(`${file}.js.map`, sources, to, 0)
  }

  for (const folder of published.also ?? []) cpSync(join(from, folder), join(to, folder), { recursive: true })
  for (const file of ["README.md", "CHANGELOG.md"]) cpSync(join(from, file), join(to, file))
  cpSync(join(root, "LICENSE"), join(to, "LICENSE"))
  const { repository } = read<Manifest>(join(root, "package.json"))
  write(
    join(to, "package.json"),
    manifestOf(published, read<Manifest>(join(from, "package.json")), modules.toSorted(), repository)
  )
  console.log(`${relative(root, to)}: ${modules.length} modules`)
}

export const buildAll = (): void => {
  mkdirSync(built, { recursive: true })
  // What a package imports from another is read from that one's types.
  tsc("-b", ...packages.map(({ name }) => join(root, "packages", name)))
  packages.forEach(build)
}

if (
  process.argv[1] !== undefined &&
  existsSync(process.argv[1]) &&
  process.argv[1] === fileURLToPath(import.meta.url)
) {
  buildAll()
}
