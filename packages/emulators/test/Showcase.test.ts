import { NodeServices } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, FileSystem } from "effect"
import { TestClock } from "effect/testing"
import * as Namespaces from "../src/showcase/Namespaces.ts"
import * as Showcase from "../src/showcase/Showcase.ts"

describe("the showcase", () => {
  it.effect("has what its namespaces bring, and service principals that trust them", () =>
    Effect.gen(function* () {
      const { kubernetes, workspace, environment } = yield* Showcase.make()
      assertEquals((yield* kubernetes.secrets).toSorted(), [
        "billing-production/databricks-token",
        "growth-staging/databricks-oauth",
        "search-production/databricks-oauth"
      ])
      assertEquals(environment.FLYTE_DATABRICKS_INSTANCE, workspace.url)
      const policies = yield* workspace.federationPolicies
      assertEquals(policies.map(({ subject }) => subject).toSorted(), [
        "system:serviceaccount:flyte:flyteconnector",
        "system:serviceaccount:fraud-production:spark",
        "system:serviceaccount:pricing-production:spark",
        "system:serviceaccount:risk-staging:batch",
        "system:serviceaccount:risk-staging:spark"
      ])
      assertEquals(environment.FLYTE_DATABRICKS_CLIENT_ID, Namespaces.connectorPrincipal.name)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("rotates the connector's projected token before it ends", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const { environment } = yield* Showcase.make()
      const read = files.readFileString(environment.FLYTE_DATABRICKS_OIDC_TOKEN_FILE)
      const first = yield* read
      yield* TestClock.adjust("30 minutes")
      yield* Effect.repeat(read, { until: (token) => token !== first })
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
