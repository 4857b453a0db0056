/** What images hold: the connector's, as it was just built, and Flyte's own, whose place this machine's Python takes. */
import { Effect, FileSystem, Schema } from "effect"
import { dirname } from "node:path"
import { root } from "../../charts/support/helm.ts"
import { run } from "../../support/commands.ts"
import * as PythonConnector from "../../support/PythonConnector.ts"

export interface Image {
  readonly rootfs: string
  readonly env: Readonly<Record<string, string>>
  readonly entrypoint: ReadonlyArray<string>
  readonly command: ReadonlyArray<string>
  readonly user: { readonly uid: number; readonly gid: number }
}

const Inspected = Schema.fromJsonString(
  Schema.Struct({
    OCIv1: Schema.Struct({
      config: Schema.Struct({
        Env: Schema.Array(Schema.String),
        Entrypoint: Schema.Array(Schema.String),
        Cmd: Schema.Array(Schema.String),
        User: Schema.String,
        Labels: Schema.Record(Schema.String, Schema.String)
      }),
      rootfs: Schema.Struct({ diff_ids: Schema.Array(Schema.String) })
    })
  })
)

/** Builds the connector's image from the sources as they are. */
export const build = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const said = yield* run("bash", [`${root}tools/deploy/image.sh`])
  const { OCIv1 } = yield* Schema.decodeEffect(Inspected)(yield* files.readFileString(`${root}.deploy/image.json`))
  const { config, rootfs } = OCIv1
  const [uid = 0, gid = 0] = config.User.split(":").map(Number)
  const image: Image = {
    rootfs: `${root}.deploy/image`,
    env: Object.fromEntries(
      config.Env.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)])
    ),
    entrypoint: config.Entrypoint,
    command: config.Cmd,
    user: { uid, gid }
  }
  return { image, said, labels: config.Labels, layers: rootfs.diff_ids }
})

/** Flyte's own images by their names: the connectors of both Flytes that are installed on this machine. */
export const ofFlyte =
  (python: string) =>
  (name: string): Image | undefined =>
    /\/flyteagent:1\.15\./.test(name)
      ? installed(python, PythonConnector.environment(python, "1.15.4"))
      : /\/(flyteagent|flyte-connectors):/.test(name)
        ? installed(python, {})
        : undefined

/** What an image of Flyte's would have on the PATH. */
const installed = (python: string, env: Readonly<Record<string, string>>): Image => ({
  rootfs: "/",
  env: { PATH: `${dirname(python)}:/usr/bin:/bin`, HOME: "/tmp", ...env },
  entrypoint: [],
  command: [],
  user: { uid: 0, gid: 0 }
})
