/** One attack as a test: a workspace, a connector in its box, and what the attack may cost. */
import { NodeServices } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { Effect, FileSystem, Option, type Scope } from "effect"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { Base64Url } from "effect/encoding"
import { box } from "./Box.ts"
import { type Budget, bundle, start, type Target, withstand } from "./Target.ts"
import * as Workspace from "./Workspace.ts"

export interface Setting {
  readonly answers?: Readonly<Record<string, Workspace.Answer>>
  readonly environment?: Effect.Effect<Record<string, string>, unknown, Scope.Scope | FileSystem.FileSystem>
}

const segment = (claims: object) => Base64Url.encode(JSON.stringify(claims))
const jwt = `${segment({ alg: "none" })}.${segment({ iss: "https://issuer", sub: "connector", aud: "databricks", exp: 4e9 })}.c2ln`

export const recipe = <A, E>(
  name: string,
  budget: Budget,
  work: (
    target: Target,
    workspace: { readonly url: string }
  ) => Effect.Effect<A, E, Scope.Scope | ChildProcessSpawner | FileSystem.FileSystem>,
  { answers = {}, environment = Effect.succeed({}) }: Setting = {}
) =>
  it.live(name, () =>
    Effect.gen(function* () {
      const found = yield* box
      if (Option.isNone(found)) return
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      yield* files.writeFileString(`${directory}/token`, jwt)
      const workspace = yield* Workspace.make(answers)
      const target = yield* start(found.value, yield* bundle, {
        FLYTE_DATABRICKS_INSTANCE: workspace.url,
        FLYTE_DATABRICKS_CLIENT_ID: "3f2b1a00-0000-4000-8000-000000000001",
        FLYTE_DATABRICKS_OIDC_TOKEN_FILE: `${directory}/token`,
        ...(yield* environment)
      })
      yield* withstand(name, target, budget, work(target, workspace))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
