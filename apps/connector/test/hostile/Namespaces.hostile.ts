/** Whoever writes a Secret of their own namespace: what stands in it may cost the others nothing. */
import { describe } from "@effect/vitest"
import { KubernetesApi } from "@flyte-databricks/emulators"
import { Effect, FileSystem } from "effect"
import { recipe } from "./support/recipe.ts"
import { attack } from "./support/Target.ts"

describe("a namespace", () => {
  const secret = (name: string, data: Record<string, string>) =>
    recipe(name, { cpuMillis: 2000, peakMb: 250 }, (target) => attack(target, "creates", { namespace: "team" }), {
      answers: { token: { status: 401, body: '{"error":"invalid_client","error_description":"no"}' } },
      environment: Effect.gen(function* () {
        const directory = yield* FileSystem.FileSystem.use((files) => files.makeTempDirectoryScoped())
        const kubeconfigFile = `${directory}/kubeconfig`
        yield* KubernetesApi.make({
          tls: true,
          kubeconfigFile,
          secrets: [{ namespace: "team", name: "databricks-oauth", data }]
        })
        return { KUBECONFIG: kubeconfigFile, FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m" }
      })
    })
  secret("whose client secret begins 5,000 JWTs", { client_id: "sp", client_secret: "eyJ".repeat(5000) })
  secret("whose client secret begins 20,000 JWTs", { client_id: "sp", client_secret: "eyJ".repeat(20_000) })
  secret("whose client secret begins 80,000 JWTs", { client_id: "sp", client_secret: "eyJ".repeat(80_000) })
  secret("whose Secret has 65,000 keys", {
    ...Object.fromEntries(Array.from({ length: 65_000 }, (_, n) => [`k${n}`, "v"])),
    client_id: "sp",
    client_secret: "secret"
  })
})
