import { DatabricksAuth, IdentityRecord, Kubernetes, OAuthM2M } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Exit, FileSystem, Layer, Option, Path, Redacted } from "effect"
import {
  asked,
  auth,
  connector,
  header,
  oauth,
  on,
  pair,
  poll,
  resolve,
  type Surroundings,
  teamA
} from "./support/connector.ts"
import { environment, instance } from "./support/environment.ts"
import { answer, makeHttp } from "./support/http.ts"
import { bearer } from "./support/tokens.ts"

describe("a task gets its header", () => {
  const ways: ReadonlyArray<readonly [string, Surroundings, string, string]> = [
    [
      "the PAT of its namespace",
      { cluster: { "team-a/databricks-token": { token: "dapi-a" } } },
      "pat",
      "Bearer dapi-a"
    ],
    ["the connector's PAT", { secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" } }, "pat", "Bearer dapi-0"],
    [
      "the client credentials of its namespace",
      { cluster: { "team-a/databricks-oauth": oauth } },
      "oauth_m2m",
      "Bearer t1"
    ],
    ["the connector's client credentials", { secrets: pair }, "oauth_m2m", "Bearer t1"],
    [
      "the ServiceAccount of its namespace",
      {
        serviceAccounts: {
          "team-a/spark": {
            labels: { "flyte.org/databricks-enabled": "true" },
            annotations: { "flyte.org/databricks-client-id": "app-a" }
          }
        }
      },
      "oidc_namespace",
      "Bearer t1"
    ],
    [
      "the connector's pod",
      { secrets: { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }, jwtFile: "/var/run/secrets/databricks/token" },
      "oidc_connector",
      "Bearer t1"
    ]
  ]
  it.effect.each(ways)("from %s", ([, surroundings, mode, expected]) =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      const { identity, namespace, explanation } = resolved
      assert.strictEqual(identity._tag, mode)
      assertEquals(namespace, Option.some("team-a"))
      assert.strictEqual(explanation.at(-1)?.outcome, "used")
      assert.strictEqual(bearer(yield* header(resolved)), expected)
    }).pipe(on(surroundings))
  )

  it.effect("from the cache the second time, without a fiber", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      const first = yield* header(resolved)
      const { getHeader } = yield* auth
      const second = getHeader(yield* resolve(teamA))
      assert.isTrue(Exit.isExit(second))
      assert.strictEqual(yield* second, first)
      assert.deepStrictEqual(yield* asked, ["app-a"])
    }).pipe(on({ cluster: { "team-a/databricks-oauth": oauth } }))
  )

  it.effect("which two namespaces share only where they share the identity", () =>
    Effect.gen(function* () {
      const [a, b, c, d] = yield* Effect.forEach(["team-a", "team-b", "team-c", "team-d"], (namespace) =>
        Effect.flatMap(resolve({ namespace }), header)
      )
      assert.deepStrictEqual([a!, b!, c!, d!].map(bearer), ["Bearer t1", "Bearer t2", "Bearer t3", "Bearer t3"])
    }).pipe(on({ cluster: { "team-a/databricks-oauth": oauth, "team-b/databricks-oauth": oauth }, secrets: pair }))
  )

  it.effect("from the namespace that the operator's template makes of it", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve({ namespace: "flyte", project: "snacks", domain: "dev" })
      assertEquals(resolved.namespace, Option.some("snacks-dev"))
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer dapi-dev")
    }).pipe(
      on({
        settings: { namespaceTemplate: "{project}-{domain}" },
        cluster: {
          "snacks-dev/databricks-token": { token: "dapi-dev" },
          "flyte/databricks-token": { token: "dapi-flyte" }
        }
      })
    )
  )
})

describe("a task that is refused", () => {
  it.effect("for its instance has no credential read for it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(resolve({ ...teamA, settings: { instance: "evil.com" } }))
      assert.strictEqual(error.reason._tag, "InstanceRefused")
      const { reads } = yield* Kubernetes.KubernetesMemory
      assert.deepStrictEqual(yield* reads, [])
      assert.deepStrictEqual(yield* asked, [])
    }).pipe(on({ cluster: { "team-a/databricks-token": { token: "dapi-a" } }, secrets: pair }))
  )

  it.effect("for a setting has no credential read for it", () =>
    Effect.gen(function* () {
      for (const settings of [{ authType: "x" }, { tokenSecretName: "../x" }, { clientId: "x".repeat(257) }]) {
        yield* Effect.flip(resolve({ ...teamA, settings }))
      }
      assert.deepStrictEqual(yield* Kubernetes.KubernetesMemory.use(({ reads }) => reads), [])
    }).pipe(on({ cluster: { "team-a/databricks-token": { token: "dapi-a" } } }))
  )
})

describe("a mode that a task may choose credentials of by one setting more", () => {
  it.effect("has it refused with the others, where tasks may not choose", () =>
    Effect.gen(function* () {
      for (const settings of [{ workspaceId: "1" }, { tokenSecretName: "s" }]) {
        const { reason } = yield* Effect.flip(resolve({ ...teamA, settings }))
        assert.strictEqual(reason._tag, "TaskOverrideRefused")
      }
      assert.strictEqual(bearer(yield* Effect.flatMap(resolve(teamA), header)), "Bearer t1")
    }).pipe(
      Effect.provide(
        DatabricksAuth.layerMemoryOf(
          [{ ...OAuthM2M.mode, taskSettings: [...OAuthM2M.mode.taskSettings, "workspaceId"] }],
          { settings: { instance, allowTaskAuthOverride: false }, secrets: { "team-a/databricks-oauth": oauth } }
        )
      )
    )
  )
})

describe("a boundary that was built for one mode", () => {
  const all = {
    cluster: { "team-a/databricks-token": { token: "dapi-a" }, "team-a/databricks-oauth": oauth },
    secrets: { ...pair, FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" },
    serviceAccounts: {
      "team-a/spark": {
        labels: { "flyte.org/databricks-enabled": "true" },
        annotations: { "flyte.org/databricks-client-id": "app-a" }
      }
    }
  }
  const only = (layer: Parameters<typeof connector>[1]) => connector(all, layer)

  it.effect("PAT: resolves to it, and serves no run and no task of another", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer dapi-a")
      const error = yield* Effect.flip(resolve({ ...teamA, settings: { authType: "oauth_m2m" } }))
      assert.strictEqual(error.reason._tag, "ModeUnavailable")
      const run = { ...IdentityRecord.empty(instance), authType: Option.some("oauth_m2m" as const) }
      assert.strictEqual((yield* Effect.flip(poll(run))).reason._tag, "ModeUnavailable")
    }).pipe(Effect.provide(only(DatabricksAuth.layerPat)))
  )

  it.effect("OAuth M2M: resolves to it, and serves no run and no task of another", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      assert.strictEqual(resolved.identity._tag, "oauth_m2m")
      const error = yield* Effect.flip(resolve({ ...teamA, settings: { authType: "pat" } }))
      assert.strictEqual(error.reason._tag, "ModeUnavailable")
      const run = { ...IdentityRecord.empty(instance), authToken: Option.some(Redacted.make("dapi-old")) }
      assert.strictEqual((yield* Effect.flip(poll(run))).reason._tag, "ModeUnavailable")
    }).pipe(Effect.provide(only(DatabricksAuth.layerOAuthM2M)))
  )

  it.effect("OIDC federation: resolves to it, and serves no run and no task of another", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      assert.strictEqual(resolved.identity._tag, "oidc_namespace")
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer t1")
      const error = yield* Effect.flip(resolve({ ...teamA, settings: { authType: "pat" } }))
      assert.strictEqual(error.reason._tag, "ModeUnavailable")
      assert.strictEqual((yield* Effect.flip(poll(IdentityRecord.empty(instance)))).reason._tag, "ModeUnavailable")
    }).pipe(Effect.provide(only(DatabricksAuth.layerOidcFederation)))
  )
})

describe("a boundary as the environment configures it", () => {
  const start = (env: Record<string, string>) =>
    Effect.gen(function* () {
      const http = yield* makeHttp(answer(200, { access_token: "from-http", expires_in: 3600 }))
      const layer = DatabricksAuth.layerConfig.pipe(
        Layer.provide([Kubernetes.layerNone, http.layer, FileSystem.layerNoop({}), Path.layer]),
        Layer.provide(environment({ FLYTE_DATABRICKS_INSTANCE: instance, ...env }))
      )
      return { layer, sent: http.sent }
    })

  it.effect("works without a cluster", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* start(pair)
      yield* Effect.gen(function* () {
        const resolved = yield* resolve(teamA)
        assert.strictEqual(bearer(yield* header(resolved)), "Bearer from-http")
        assert.include(JSON.stringify(resolved.explanation), "no Kubernetes is configured")
      }).pipe(Effect.provide(layer))
      assert.lengthOf(yield* sent, 1)
    })
  )

  it.effect("does not start with a setting that is wrong", () =>
    Effect.gen(function* () {
      const { layer } = yield* start({ ...pair, FLYTE_DATABRICKS_AUTH_TYPE: "m2m" })
      assert.include((yield* Effect.flip(Effect.provide(resolve(teamA), layer))).message, "FLYTE_DATABRICKS_AUTH_TYPE")
    })
  )
})
