import { it } from "@effect/vitest"
import { DatabricksWorkspace, Fault, KubernetesApi } from "@flyte-databricks/emulators"
import { Console, Effect } from "effect"

const subject = "system:serviceaccount:team-a:spark"

it.effect("a cluster whose ServiceAccount is a service principal", () =>
  Effect.gen(function* () {
    const api = yield* KubernetesApi.make({ tls: true, serviceAccounts: [{ namespace: "team-a", name: "spark" }] })
    const workspace = yield* DatabricksWorkspace.make({
      trustedCas: [api.caPem!],
      servicePrincipals: [
        {
          applicationId: "sp-a",
          secrets: [],
          federationPolicies: [{ issuer: api.issuer, subject, audiences: ["databricks"] }]
        }
      ]
    })
    // A projected token file; or with something wrong about it: `iss`, `claims: { exp: 1 }`, `forged: true`.
    const token = yield* api.mintToken({ sub: subject, aud: ["databricks"] })
    yield* api.rotateSigningKey({ withdraw: true }) // the old key is no longer published
    yield* api.faults.add({ path: "*/token", action: Fault.mergePatch({ status: { token: "" } }) })
    yield* Console.log(String(token), yield* workspace.refusals) // [{ error, description, reason, … }]
  })
)
