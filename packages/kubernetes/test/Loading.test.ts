import { NodeServices } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { assertEquals, assertTrue } from "@effect/vitest/utils"
import { Effect, Schema } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import { kubeconfig, temporaryFile } from "./support/emulated.ts"

const Report = Schema.fromJsonString(
  Schema.Struct({ cluster: Schema.NullOr(Schema.String), loaded: Schema.Array(Schema.String) })
)

/** Builds the service in a process of its own, in this environment alone. */
const build = Effect.fnUntraced(function* (env: Record<string, string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const script = fileURLToPath(new URL("support/buildLayer.ts", import.meta.url))
  const lines = yield* spawner.lines(ChildProcess.make(process.execPath, [script], { env, extendEnv: false }))
  return yield* Schema.decodeEffect(Report)(lines.at(-1)!)
}, Effect.provide(NodeServices.layer))

const library = "@kubernetes/client-node"

describe("the Kubernetes client library", () => {
  it.effect("is not loaded where no cluster is configured", () =>
    Effect.gen(function* () {
      const { cluster, loaded } = yield* build({})
      assertEquals(cluster, null)
      assertTrue(!loaded.includes(library))
    })
  )

  it.effect("is loaded where one is", () =>
    Effect.gen(function* () {
      const text = kubeconfig({ cluster: { server: "https://127.0.0.1:6443" }, user: { token: "t" } })
      const { cluster, loaded } = yield* build({ KUBECONFIG: yield* temporaryFile("kubeconfig", text) })
      assertEquals(cluster, "kubeconfig context test (https://127.0.0.1:6443)")
      assertTrue(loaded.includes(library))
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
