/** The bundle that is attacked: built into a directory of its own, or one that is there already. */
import { NodeServices } from "@effect/platform-node"
import { Config, ConfigProvider, Context, Data, Effect, FileSystem, Layer } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

const app = fileURLToPath(new URL("../../..", import.meta.url))

class BuildFailed extends Data.TaggedError("BuildFailed") {}

export class Bundle extends Context.Service<Bundle, { readonly main: string }>()("test/hostile/Bundle") {}

export const layer = Layer.effect(
  Bundle,
  Effect.gen(function* () {
    const given = yield* Config.String("FLYTE_DATABRICKS_BUNDLE").pipe(Config.withDefault(""))
    if (given !== "") return { main: `${given}/main.js` }
    const directory = `${yield* FileSystem.FileSystem.use((files) => files.makeTempDirectoryScoped())}/connector`
    const build = yield* ChildProcess.make(process.execPath, ["tools/build.ts", directory], { cwd: app })
    if (Number(yield* build.exitCode) !== 0) return yield* new BuildFailed()
    return { main: `${directory}/main.js` }
  })
).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv())), Layer.provideMerge(NodeServices.layer))
