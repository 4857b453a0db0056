/**
 * The packages as a stranger meets them: packed, installed into an empty folder, compiled against by two compilers and two
 * ways to resolve modules, and run on the runtimes that they are for. `npm run test:packages`.
 */
import { execFileSync, spawn } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join, relative } from "node:path"
import { buildAll } from "./build.ts"
import { built, packages, root, scope } from "./packages.ts"
import { installTools, tools } from "./tools.ts"

const here = join(root, "tools/packages")
const stranger = mkdtempSync(join(tmpdir(), "stranger-"))

let passed = 0
const failures: Array<string> = []

/** Runs one check. The others run also where it fails. */
const check = async (what: string, run: () => unknown): Promise<boolean> => {
  const start = performance.now()
  try {
    await run()
    passed += 1
    console.log(`  passed  ${what} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
    return true
  } catch (error) {
    const said = error as { readonly stdout?: string; readonly stderr?: string; readonly message?: string }
    const text = [said.stdout, said.stderr].filter(Boolean).join("\n") || String(said.message)
    failures.push(what)
    console.log(`  FAILED  ${what}\n${text.trim().slice(0, 4000).replaceAll(/^/gm, "          ")}`)
    return false
  }
}

interface Options {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

const environment = (more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => {
  // What npm and Node.js were told for this run is nothing that a stranger has.
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|NODE_OPTIONS$|FLYTE_|DATABRICKS_)/i.test(name) || name === "npm_config_registry"
  )
  return { ...Object.fromEntries(inherited), ...more }
}

const run = (program: string, options: ReadonlyArray<string>, { cwd = stranger, env = {} }: Options = {}): string =>
  execFileSync(program, options, {
    cwd,
    encoding: "utf8",
    env: environment(env),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 300_000,
    maxBuffer: 64 * 1024 * 1024
  })

const npm = (options: ReadonlyArray<string>, cwd = stranger): string =>
  run("npm", [...options, "--no-audit", "--no-fund", "--loglevel=error"], { cwd })

const readJson = <A>(file: string): A => JSON.parse(readFileSync(file, "utf8")) as A

const write = (file: string, text: string): void => {
  mkdirSync(join(stranger, file, ".."), { recursive: true })
  writeFileSync(join(stranger, file), text)
}

const executables = (): Readonly<Record<string, ReadonlyArray<string>>> => {
  const node = (major: number) => [join(tools, `node-${major}-${process.arch}/bin/node`)]
  const bun = process.arch === "arm64" ? "aarch64" : process.arch
  return {
    "Node.js 20": node(20),
    "Node.js 22": node(22),
    "Node.js 24": node(24),
    Bun: [join(tools, `@oven/bun-linux-${bun}/bin/bun`)],
    Deno: [join(tools, `@deno/linux-${process.arch}-glibc/deno`), "run", "--allow-all", "--quiet"]
  }
}

const compilers = {
  "TypeScript 5.9": join(tools, "typescript/bin/tsc"),
  "TypeScript 7": join(root, "node_modules/typescript/bin/tsc")
}

const resolutions = {
  NodeNext: { module: "nodenext", moduleResolution: "nodenext" },
  Bundler: { module: "esnext", moduleResolution: "bundler" }
}

interface Built {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, { readonly types: string } | string | null>>
  readonly engines: { readonly node: string }
}

/** What runs where it is imported. */
const isProgram = (module: string): boolean => module.endsWith("/main")

const pack = (): ReadonlyArray<{ readonly name: string; readonly file: string; readonly manifest: Built }> =>
  packages.map(({ name }) => {
    const folder = join(built, name)
    const [packed] = JSON.parse(npm(["pack", "--json", "--pack-destination", stranger], folder)) as ReadonlyArray<{
      readonly filename: string
    }>
    return {
      name,
      file: join(stranger, packed!.filename.replace("@", "").replace("/", "-")),
      manifest: readJson<Built>(join(folder, "package.json"))
    }
  })

const versionOf = (dependency: string): string =>
  readJson<{ readonly version: string }>(join(root, "node_modules", dependency, "package.json")).version

/** Packages that bring their own: each in `examples` with a manifest. */
const examples = (): ReadonlyArray<string> =>
  readdirSync(join(root, "examples")).filter((name) => existsSync(join(root, "examples", name, "package.json")))

interface Example {
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** What examples need beside the packages. */
const dependenciesOfExamples = (): ReadonlyArray<string> => {
  const manifests = examples().map((name) => readJson<Example>(join(root, "examples", name, "package.json")))
  const needed = manifests.flatMap(({ dependencies, devDependencies }) =>
    Object.keys({ ...dependencies, ...devDependencies })
  )
  return [...new Set(needed)]
    .filter((name) => !name.startsWith(`${scope}/`))
    .map((name) => `${name}@${versionOf(name)}`)
}

const install = (tarballs: ReadonlyArray<string>): void => {
  write("package.json", JSON.stringify({ name: "stranger", private: true, type: "module" }))
  const beside = ["effect", "@effect/platform-node", "@types/node"].map((name) => `${name}@${versionOf(name)}`)
  npm(["install", ...new Set([...tarballs, ...beside, ...dependenciesOfExamples()])])
}

/** The public modules of a package, as a program imports them. */
const modulesOf = ({ name, exports }: Built): ReadonlyArray<string> =>
  Object.entries(exports)
    .filter(([, target]) => typeof target === "object" && target !== null)
    .map(([path]) => `${name}${path.slice(1)}`)

/** Imports every public module, so that a compiler reads each declaration. */
const importAll = (manifests: ReadonlyArray<Built>): string =>
  manifests
    .flatMap(modulesOf)
    .map((module, index) => `import type * as M${index} from "${module}"\nexport type { M${index} }`)
    .join("\n")

const compile = (compiler: string, resolution: object, files: ReadonlyArray<string>): void => {
  const options = {
    target: "es2022",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    allowImportingTsExtensions: true,
    types: ["node"],
    ...resolution
  }
  write("tsconfig.json", JSON.stringify({ compilerOptions: options, files }))
  run(process.execPath, [compiler, "-p", "tsconfig.json"])
}

/** Runs what needs a workspace, with the one of the packed emulators. */
const withWorkspace = async (use: (env: Readonly<Record<string, string>>) => Promise<void>): Promise<void> => {
  const [oldest] = executables()["Node.js 22"]!
  const server = spawn(oldest!, ["workspace.mjs"], {
    cwd: stranger,
    env: environment(),
    stdio: ["ignore", "pipe", "inherit"]
  })
  try {
    const [line] = await new Promise<ReadonlyArray<string>>((resolve, reject) => {
      let said = ""
      server.stdout.on("data", (chunk: Buffer) => {
        said += chunk.toString()
        if (said.includes("\n")) resolve(said.split("\n"))
      })
      server.on("exit", (code) => reject(new Error(`the packed emulator ended with ${code}`)))
    })
    await use(JSON.parse(line!) as Record<string, string>)
  } finally {
    server.kill()
  }
}

/** What the types of a module are made of: its own declaration, and those that it imports. */
const declarationsOf = (file: string, seen = new Map<string, ReadonlyArray<string>>()) => {
  if (seen.has(file)) return seen
  const text = readFileSync(file, "utf8").replaceAll(/\/\*[\s\S]*?\*\//g, "")
  const imported = [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, name]) => name!)
  seen.set(
    file,
    imported.filter((name) => !name.startsWith("."))
  )
  for (const name of imported.filter((name) => name.startsWith("."))) {
    declarationsOf(join(dirname(file), name.replace(/\.js$/, ".d.ts")), seen)
  }
  return seen
}

/** Who does not know Effect meets none of its types. */
const expectPlain = (modules: ReadonlyArray<string>): void => {
  const dist = join(built, "databricks-auth/dist")
  for (const module of modules) {
    for (const [file, others] of declarationsOf(join(dist, `${module}.d.ts`))) {
      if (others.length > 0) throw new Error(`${relative(dist, file)}, of ${module}, imports ${others.join(", ")}`)
    }
  }
}

const expectHeader = (said: string): void => {
  if (!/^Bearer of \d+ characters$/m.test(said)) throw new Error(`no header was printed, but: ${said}`)
}

const start = performance.now()
let canRun = await check("the tools of the gate are there", installTools)
canRun &&= await check("the packages are built", buildAll)
if (canRun) {
  const packed: Array<ReturnType<typeof pack>[number]> = []
  canRun = await check("they are packed", () => packed.push(...pack()))
  for (const { name, file } of packed) {
    await check(`publint: ${name}`, () => run(process.execPath, [join(tools, "publint/src/cli.js"), "--strict", file]))
    await check(`are the types wrong: ${name}`, () =>
      run(process.execPath, [
        join(tools, "@arethetypeswrong/cli/dist/index.js"),
        file,
        "--profile",
        "esm-only",
        "--format",
        "ascii",
        "--no-emoji"
      ])
    )
  }
  canRun &&= await check("they are installed into an empty folder", () => install(packed.map(({ file }) => file)))
  if (canRun) {
    const programs = join(here, "stranger")
    for (const file of readdirSync(programs)) cpSync(join(programs, file), join(stranger, file))
    // The programs of the README, which say what a stranger would type.
    const core = join(root, "packages/databricks-auth")
    const shown = readdirSync(core).filter((file) => /^example.*\.ts$/.test(file))
    for (const file of shown) cpSync(join(core, file), join(stranger, file))
    for (const name of examples()) {
      cpSync(join(root, "examples", name), join(stranger, "examples", name), {
        recursive: true,
        filter: (source) => !/^(node_modules|build|tsconfig.*\.json|.*\.tsbuildinfo)$/.test(basename(source))
      })
    }
    write("all.ts", importAll(packed.map(({ manifest }) => manifest)))

    const sources = [
      "all.ts",
      ...shown,
      ...readdirSync(programs).filter((file) => file.endsWith(".ts")),
      ...examples().flatMap((name) =>
        readdirSync(join(stranger, "examples", name), { recursive: true, encoding: "utf8" })
          .filter((file) => /(?<!\.d)\.ts$/.test(file))
          .map((file) => join("examples", name, file))
      )
    ]
    for (const [compiler, program] of Object.entries(compilers)) {
      for (const [resolution, options] of Object.entries(resolutions)) {
        await check(`${compiler}, ${resolution}, libraries checked`, () => compile(program, options, sources))
      }
    }
    await check("the client's types know no Effect", () =>
      expectPlain(["client", ...["azure", "sdk", "sql", "undici"].map((name) => `client/adapters/${name}`)])
    )
    for (const { manifest } of packed) {
      const { name, engines } = manifest
      const runtime = `Node.js ${/\d+/.exec(engines.node)![0]}`
      await check(`every module of ${name} loads on ${runtime}, its oldest`, () =>
        run(executables()[runtime]![0]!, ["load.mjs", ...modulesOf(manifest).filter((module) => !isProgram(module))])
      )
    }
    await check("npx @flyte-databricks/emulators", () => {
      const said = run("npx", ["--no-install", "@flyte-databricks/emulators", "--help"])
      if (!/databricks[^]*kubernetes/.test(said)) throw new Error(`its help says neither of its commands: ${said}`)
    })
    await check("a workspace of the packed emulators, and a header of it", () =>
      withWorkspace(async (env) => {
        for (const [runtime, [program, ...options]] of Object.entries(executables())) {
          for (const file of ["header.mjs", "client.mjs"]) {
            await check(`${file} on ${runtime}`, () => expectHeader(run(program!, [...options, file], { env })))
          }
        }
        for (const file of shown) {
          await check(`${file} of the README`, () =>
            run(process.execPath, [...(file.includes(".test.") ? ["--test"] : []), file], {
              env: { ...env, FLYTE_DATABRICKS_INSTANCE: "dbc-a1b2.cloud.databricks.com" }
            })
          )
        }
      })
    )
    for (const name of examples()) {
      const { scripts = {} } = readJson<Example>(join(root, "examples", name, "package.json"))
      await check(`examples/${name}`, () => {
        if (scripts["test"] === undefined) throw new Error(`examples/${name} has no script "test"`)
        return npm(["test"], join(stranger, "examples", name))
      })
    }
  }
}
rmSync(stranger, { recursive: true, force: true })
const seconds = ((performance.now() - start) / 1000).toFixed(0)
if (failures.length > 0) console.error(`\nFailed after ${seconds} s:\n  ${failures.join("\n  ")}`)
console.log(`\n${passed} passed, ${failures.length} failed`)
process.exitCode = failures.length === 0 ? 0 : 1
