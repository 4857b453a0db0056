/**
 * Where kube-apiserver and etcd are. The variable is the one that controller tests use everywhere (envtest).
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { fileURLToPath } from "node:url"
import { AssetsMissing, ControlPlaneError } from "./ControlPlaneError.ts"

/** The paths of the two programs. */
export interface Assets {
  readonly etcd: string
  readonly apiServer: string
}

const built = fileURLToPath(new URL("../../../../../.kubernetes/bin", import.meta.url))

/** Finds the programs in the folder that `KUBEBUILDER_ASSETS` names, else in the repository's `.kubernetes/bin`. */
export const locate = Effect.gen(function* () {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* Config.String("KUBEBUILDER_ASSETS").pipe(Config.withDefault(built))
  const missing = yield* Effect.filter(["kube-apiserver", "etcd"], (name) =>
    Effect.orElseSucceed(
      Effect.map(fileSystem.exists(path.join(folder, name)), (exists) => !exists),
      () => true
    )
  )
  if (missing.length > 0) return yield* new ControlPlaneError({ reason: new AssetsMissing({ folder, missing }) })
  return { etcd: path.join(folder, "etcd"), apiServer: path.join(folder, "kube-apiserver") } satisfies Assets
})
