import { type AuthError, ConnectorSecrets, ConnectorSettings, ProjectedToken } from "@flyte-databricks/databricks-auth"
import { assert } from "@effect/vitest"
import { type FileSystem, Layer, Path } from "effect"
import { environment } from "./environment.ts"
import { defaultPath } from "./oidc.ts"

/** The source of a connector with these variables and files. */
export const source = (env: Record<string, string>, files: Layer.Layer<FileSystem.FileSystem>) =>
  ProjectedToken.layer.pipe(
    Layer.provide([Layer.orDie(ConnectorSettings.layerConfig), ConnectorSecrets.layerMemory(env)]),
    Layer.provide([files, Path.layer, environment(env)])
  )

/** Why a file is broken, which no second try mends. */
export const broken = (error: AuthError.AuthError) => {
  assert(error.reason._tag === "CredentialsBroken", `${error.reason._tag}: ${error.message}`)
  assert.isFalse(error.retryable)
  return error.reason
}

/** The file that Kubernetes projects a token to. */
export const mounted: ProjectedToken.TokenFile = { path: defaultPath, from: "default" }
