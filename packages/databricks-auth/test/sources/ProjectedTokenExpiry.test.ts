/** What the connector shows of its own projected JWT. */
import { ConnectorSettings } from "@flyte-databricks/databricks-auth"
import * as ProjectedTokenExpiry from "@flyte-databricks/databricks-auth/sources/ProjectedTokenExpiry"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import { environment } from "../support/environment.ts"
import { connectorClaims, jwtText } from "../support/jwt.ts"
import { defaultPath, type Entry, makeTokenFiles } from "../support/oidc.ts"
import { source } from "../support/tokenFiles.ts"

const name = "flyte_databricks_projected_token_expiry_timestamp_seconds"
const clientId = { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }
const aws = { ...clientId, AWS_WEB_IDENTITY_TOKEN_FILE: "/run/aws" }
const named = { FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/run/named" }

const jwtFor = (audience: string, exp = 3600) => jwtText({ ...connectorClaims, aud: [audience], exp })
const forAws = jwtFor("sts.amazonaws.com")

/** What is shown; nothing where there is no such metric. */
const shown = Effect.map(Metric.snapshot, (all) =>
  all.flatMap(({ description, id, state }) => (id === name && "value" in state ? [{ description, ...state }] : []))
)
const expiry = Effect.map(shown, ([found]) => found?.value)

/** A connector with these variables and files shows this, and files may change meanwhile. */
const showing = <A, E>(
  env: Record<string, string>,
  initial: Record<string, Entry>,
  body: (files: Effect.Success<ReturnType<typeof makeTokenFiles>>) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const files = yield* makeTokenFiles(initial)
    const layer = ProjectedTokenExpiry.layer.pipe(
      Layer.provide(source(env, files.layer)),
      Layer.provide(Layer.provide(Layer.orDie(ConnectorSettings.layerConfig), environment(env)))
    )
    return yield* Effect.provide(body(files), layer)
  })

/** Metrics of nobody else. */
const alone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

describe("the end of the connector's own JWT", () => {
  const cases: ReadonlyArray<
    readonly [what: string, expected: number, env: Record<string, string>, files: Record<string, Entry>]
  > = [
    ["is shown in seconds", 3600, clientId, { [defaultPath]: jwtText() }],
    [
      "is shown of the file that the operator names, whatever it is for",
      3600,
      { ...aws, ...named },
      {
        "/run/named": forAws,
        "/run/aws": jwtFor("databricks", 60)
      }
    ],
    [
      "is shown of the file that EKS names, where Databricks is whom it is for",
      3600,
      aws,
      {
        "/run/aws": jwtFor("databricks"),
        [defaultPath]: jwtFor("databricks", 60)
      }
    ],
    ["is none where what EKS names is for AWS", Number.NaN, aws, { "/run/aws": forAws }],
    [
      "is shown for the operator's audience",
      3600,
      { ...clientId, FLYTE_DATABRICKS_OIDC_AUDIENCE: "own" },
      {
        [defaultPath]: jwtFor("own")
      }
    ],
    ["is none of a JWT that is for others", Number.NaN, clientId, { [defaultPath]: jwtFor("others") }],
    ["is none of a connector without a client id", Number.NaN, {}, { [defaultPath]: jwtText() }],
    ["is none where there is no file", Number.NaN, clientId, {}],
    ["is none where the file is broken", Number.NaN, clientId, { [defaultPath]: "no JWT" }],
    ["is none of a JWT that does not end", Number.NaN, clientId, { [defaultPath]: jwtText({ aud: "databricks" }) }]
  ]
  it.effect.each(cases)("%s", ([, expected, env, files]) =>
    showing(env, files, () => Effect.map(expiry, (found) => assert.deepStrictEqual(found, expected))).pipe(alone)
  )

  it.effect("is looked for each minute, whatever became of the file", () =>
    showing(clientId, { [defaultPath]: jwtText() }, (files) =>
      Effect.gen(function* () {
        yield* files.write(defaultPath, jwtFor("databricks", 7200))
        yield* TestClock.adjust("59 seconds")
        assert.strictEqual(yield* expiry, 3600)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* expiry, 7200)
        yield* files.write(defaultPath, "no JWT")
        yield* TestClock.adjust("1 minute")
        assert.isNaN(yield* expiry)
        yield* files.write(defaultPath, jwtFor("databricks", 10_800))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* expiry, 10_800)
      })
    ).pipe(alone)
  )

  it.effect("says what it is, and is shown no longer than the connector lives", () =>
    Effect.gen(function* () {
      yield* showing(clientId, { [defaultPath]: jwtText() }, () =>
        Effect.map(shown, (all) =>
          assert.deepStrictEqual(all, [{ description: "When the connector's own projected JWT ends", value: 3600 }])
        )
      )
      assert.deepStrictEqual(yield* shown, [])
    }).pipe(alone)
  )
})
