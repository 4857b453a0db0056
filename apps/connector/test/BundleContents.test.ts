/** What is said about the bundle: its version, whose code it holds, and under which terms. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Schema, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import { packagesOf } from "../tools/bundled.ts"
import { notices } from "../tools/notices.ts"

const app = fileURLToPath(new URL("..", import.meta.url))

const SourceMap = Schema.fromJsonString(Schema.Struct({ sources: Schema.Array(Schema.String) }))
const Manifest = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))
const Bom = Schema.fromJsonString(
  Schema.Struct({
    bomFormat: Schema.Literal("CycloneDX"),
    metadata: Schema.Struct({ component: Schema.Struct({ version: Schema.String }) }),
    components: Schema.Array(
      Schema.Struct({
        group: Schema.optional(Schema.String),
        name: Schema.String,
        version: Schema.String,
        purl: Schema.String,
        hashes: Schema.optional(
          Schema.Array(
            Schema.Struct({ alg: Schema.String, content: Schema.String.check(Schema.isPattern(/^[0-9a-f]+$/)) })
          )
        )
      })
    )
  })
)

const says = (args: ReadonlyArray<string>) =>
  Effect.flatMap(ChildProcess.make(process.execPath, args, { cwd: app }), (handle) =>
    handle.stdout.pipe(Stream.decodeText(), Stream.mkString)
  )

describe("the bundle", () => {
  it.live("says its commit, lists the packages that its source maps name, and has the terms of each", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const bundle = `${yield* files.makeTempDirectoryScoped()}/connector`
      yield* says(["tools/build.ts", "--commit", "4f2a9c1d0b7e5566", bundle])
      const manifest = yield* Schema.decodeEffect(Manifest)(yield* files.readFileString(`${app}/package.json`))
      assert.strictEqual(
        yield* says([`${bundle}/main.js`, "--version"]),
        `connector v${manifest.version}+4f2a9c1d0b7e\n`
      )
      assert.strictEqual(yield* says(["src/main.ts", "--version"]), `connector v${manifest.version}+dev\n`)

      // The list is made from what esbuild read; its maps are another witness. (Some packages are built themselves, and
      // their own maps lead out of them.)
      const bundled = new Map<string, string>()
      for (const file of (yield* files.readDirectory(bundle)).filter((name) => name.endsWith(".map"))) {
        const map = yield* Schema.decodeEffect(SourceMap)(yield* files.readFileString(`${bundle}/${file}`))
        for (const source of map.sources) {
          const [, directory, name] = /^(?:\.\.\/)+(.*?node_modules\/((?:@[^/]+\/)?[^@./][^/]*))\//.exec(source) ?? []
          if (directory === undefined || name === undefined) continue
          const path = `${app}/../../${directory.slice(directory.indexOf("node_modules/"))}/package.json`
          bundled.set(name, (yield* Schema.decodeEffect(Manifest)(yield* files.readFileString(path))).version)
        }
      }
      assert.isAbove(bundled.size, 10)

      // It is of no platform: text alone, and nothing that loads an addon. deploy/Containerfile builds it on any.
      const texts = yield* files.readDirectory(bundle)
      assert.deepStrictEqual(
        texts.filter((name) => !/\.(js|js\.map|json|txt)$/.test(name)),
        []
      )
      for (const name of texts.filter((name) => name.endsWith(".js"))) {
        assert.notMatch(yield* files.readFileString(`${bundle}/${name}`), /dlopen|[\w/]\.node["'`]/, name)
      }

      const bom = yield* Schema.decodeEffect(Bom)(yield* files.readFileString(`${bundle}/sbom.cdx.json`))
      assert.strictEqual(bom.metadata.component.version, `${manifest.version}+4f2a9c1d0b7e`)
      const listed = bom.components.map(({ group, name, version }) => [group ? `${group}/${name}` : name, version])
      assert.includeDeepMembers(listed, [...bundled, ["node", process.versions.node]])
      for (const { hashes, name } of bom.components) {
        if (name !== "node")
          assert.deepStrictEqual(
            hashes?.map(({ alg, content }) => [alg, content.length]),
            [["SHA-512", 128]]
          )
      }

      const text = yield* files.readFileString(`${bundle}/THIRD-PARTY-NOTICES.txt`)
      for (const [name, version] of bundled) assert.include(text, `\n${name} ${version} (`)
      // BSD-3-Clause of Google's, which stands in a comment that the bundler drops.
      assert.include(text, "Neither the name of Google Inc.")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("is not built with a package that names no licence, or comes without its text", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      const metafile = {
        inputs: {},
        outputs: {
          "main.js": {
            bytes: 1,
            imports: [],
            exports: [],
            inputs: { "node_modules/ms/index.js": { bytesInOutput: 1 }, "src/main.ts": { bytesInOutput: 1 } }
          }
        }
      }
      const home = `${directory}/node_modules/ms`
      yield* files.makeDirectory(home, { recursive: true })
      const write = (manifest: object) => files.writeFileString(`${home}/package.json`, JSON.stringify(manifest))

      yield* write({ name: "ms", version: "2.1.3" })
      assert.throws(() => packagesOf(metafile, directory), /^ms 2\.1\.3 names no licence/)
      yield* write({ name: "ms", version: "2.1.3", license: "MIT" })
      assert.throws(() => notices(packagesOf(metafile, directory), directory), /^ms 2\.1\.3 \(MIT\) has no file/)
      yield* files.writeFileString(`${home}/license.md`, "The terms of ms")
      assert.include(notices(packagesOf(metafile, directory), directory), "\nms 2.1.3 (MIT)\n")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
