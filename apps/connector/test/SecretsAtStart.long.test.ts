/** A secret in the wrong variable, or on the command line, is a common slip: the connector does not say it again. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as ConnectorProcess from "./support/ConnectorProcess.ts"

const secret = "dapi0123456789abcdef0123456789abcdef"
const instance = { FLYTE_DATABRICKS_INSTANCE: "dbc-a1b2.cloud.databricks.com" }

// Those whose wrong values keep the connector from starting are tried in Settings.test.ts.
const variables = [
  "FLYTE_DATABRICKS_NAMESPACES",
  "FLYTE_DATABRICKS_CLIENT_ID",
  "DATABRICKS_CLIENT_ID",
  "FLYTE_DATABRICKS_OIDC_TOKEN_FILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "FLYTE_DATABRICKS_OIDC_AUDIENCE",
  "FLYTE_DATABRICKS_ALLOWED_AUDIENCES",
  "FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER",
  "FLYTE_DATABRICKS_METADATA_KEY_FILE",
  "HTTPS_PROXY",
  "NO_PROXY",
  "FLYTE_SECRETS_ENV_PREFIX",
  "FLYTE_SECRETS_DEFAULT_DIR",
  "FLYTE_SECRETS_FILE_PREFIX",
  "FLYTE_DATABRICKS_NO_SUCH_SETTING",
  "OTEL_EXPORTER_OTLP_HEADERS",
  "OTEL_RESOURCE_ATTRIBUTES"
]

/** What is said of a start, whether or not it succeeds. */
const said = (env: Readonly<Record<string, string>>) =>
  ConnectorProcess.serve({ ...instance, ...env }).pipe(
    Effect.flatMap(({ log }) => log),
    Effect.map((lines) => lines.join("\n")),
    Effect.result,
    Effect.map(Result.match({ onFailure: String, onSuccess: (text) => text })),
    Effect.scoped
  )

describe.each(["json", "pretty"])("with a log in %s, a token is not shown", (format) => {
  it.live(
    "that is in the wrong variable",
    () =>
      Effect.gen(function* () {
        const starts = yield* Effect.forEach(
          variables,
          (name) =>
            Effect.map(said({ FLYTE_DATABRICKS_LOG_FORMAT: format, [name]: secret }), (text) => ({ name, text })),
          { concurrency: 2 }
        )
        for (const { name, text } of starts) {
          assert.isNotEmpty(text, name)
          assert.notInclude(text, secret.slice(4, 20), name)
        }
      }).pipe(Effect.provide(NodeServices.layer)),
    180_000
  )
})

it.live("a token on the command line is not shown", () =>
  Effect.gen(function* () {
    for (const args of [["serve", "--host", secret], ["serve", `--${secret}`], [secret], ["explain", secret]]) {
      const { stdout, stderr } = yield* ConnectorProcess.finished(args, {
        FLYTE_DATABRICKS_LISTEN_PORT: "0",
        FLYTE_DATABRICKS_PROMETHEUS_PORT: "0"
      })
      assert.isNotEmpty(stdout + stderr)
      assert.notInclude(stdout + stderr, secret.slice(4, 20), args.join(" "))
    }
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)

it.live("a secret of the environment is not shown by the help", () =>
  Effect.gen(function* () {
    for (const args of [["--help"], ["serve", "--help"], ["doctor", "--help"]]) {
      const { stdout, stderr } = yield* ConnectorProcess.finished(args, {
        ...instance,
        FLYTE_DATABRICKS_CLIENT_SECRET: secret,
        FLYTE_DATABRICKS_ACCESS_TOKEN: secret
      })
      assert.include(stdout, "USAGE", args.join(" "))
      assert.notInclude(stdout + stderr, secret.slice(4, 20), args.join(" "))
    }
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)
