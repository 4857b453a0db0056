import { NodeHttpClient } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { DatabricksWorkspace, Fault, RunPlan } from "@flyte-databricks/emulators"
import { Effect, Layer, Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"

const workspace = DatabricksWorkspace.layer({ runPlan: RunPlan.plan("fails", { message: "boom" }) })

it.effect("rides out a 503", () =>
  Effect.gen(function* () {
    const { addServicePrincipal, faults, requests, url } = yield* DatabricksWorkspace.DatabricksWorkspace
    const { applicationId, secrets } = yield* addServicePrincipal() // made up; secrets are Redacted
    yield* faults.add({ path: "/oidc/v1/token", times: 1, action: Fault.status(503) })

    const ask = HttpClientRequest.post(`${url}/oidc/v1/token`).pipe(
      HttpClientRequest.basicAuth(applicationId, Redacted.value(secrets[0]!)),
      HttpClientRequest.bodyUrlParams({ grant_type: "client_credentials", scope: "all-apis" }),
      HttpClient.filterStatusOk(yield* HttpClient.HttpClient).execute
    )
    yield* Effect.retry(ask, { times: 1 })

    yield* TestClock.adjust("1 hour") // tokens given out have expired
    assert.lengthOf(yield* requests.all({ method: "POST", path: "/oidc/v1/token" }), 2)
  }).pipe(Effect.provide(Layer.merge(workspace, NodeHttpClient.layerUndici)))
)
