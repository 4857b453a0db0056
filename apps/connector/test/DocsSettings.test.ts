/** docs/settings.md has what the code reads: each variable, its default, the keys of a task, and for how long it counts. */
import { assert, describe, it } from "@effect/vitest"
import { ConnectorSettings, NamespaceSecrets, Pat, ServiceAccountTokens } from "@flyte-databricks/databricks-auth"
import { Duration, Effect, Option } from "effect"
import { dirname } from "node:path"
import * as Docs from "./support/docs.ts"

const variable = /\b(?:FLYTE|DATABRICKS|AWS)_(?!DATABRICKS\b)[A-Z][A-Z0-9_]*/g

const settings = Docs.rows(Docs.read("docs/settings.md")).map(([setting = "", task, environment, byDefault]) => ({
  setting,
  task: Docs.spans(task),
  variables: Docs.spans(environment).filter((span) => /^[A-Z_]+$/.test(span)),
  byDefault: Docs.spans(byDefault)[0]
}))

describe("docs/settings.md", () => {
  it.effect("has the variables that the connector reads in its settings, and no others", () =>
    Effect.gen(function* () {
      // A secret is looked for under its name, and under Flyte's prefix and its name; a proxy in lower case too.
      const { asked } = yield* Docs.everything
      // Node.js' own, which is looked at to say that it is not obeyed.
      const ofNode = "NODE_TLS_REJECT_UNAUTHORIZED"
      const named = asked.filter((name) => name !== ofNode && !name.startsWith("_FSEC_") && !name.endsWith("_proxy"))
      assert.deepStrictEqual(Docs.unique(settings.flatMap(({ variables }) => variables)), named)
    })
  )

  it("has each variable once", () => {
    const named = settings.flatMap(({ variables }) => variables)
    assert.deepStrictEqual(named.toSorted(), Docs.unique(named))
  })

  it("names no variable, nor do the other pages, the manifests and messages, that nothing reads", () => {
    const known = new Set(settings.flatMap(({ variables }) => variables))
    // The first two are the example's own, the third is for tests, the fourth is given to jobs.
    const others = ["DATABRICKS_CONNECTOR", "DATABRICKS_NAMESPACE", "FLYTE_DATABRICKS_PYTHON", "FLYTE_FAIL_ON_ERROR"]
    // The core's client has those of Databricks' SDKs, which its own README names.
    const ofClient = Docs.matches(Docs.read("packages/databricks-auth/src/client/internal/environment.ts"), variable)
    const documents = [...Docs.pages, ...Docs.others].map(Docs.read)
    const named = Docs.matches([...documents, Docs.sources].join("\n"), variable)
    assert.deepStrictEqual(
      named.filter((name) => !known.has(name) && !ofClient.includes(name)),
      others
    )
    assert.include(Docs.sources, 'Config.String("FLYTE_DATABRICKS_PYTHON")')
    const local = Docs.read("examples/flytekit-local/through_connector.py")
    assert.includeMembers(Docs.matches(local, /os\.environ\["(\w+)"\]/g), others.slice(0, 2))
  })

  it.effect("has the defaults of the code", () =>
    Effect.gen(function* () {
      const { value } = yield* Docs.everything
      const { flags, settings: own, otel } = value
      const { asked, opened } = yield* Docs.secretLookUp
      const expected: Record<string, unknown> = {
        FLYTE_DATABRICKS_AUTH_TYPE: Option.getOrUndefined(own.authType),
        FLYTE_DATABRICKS_INSTANCE: Option.getOrUndefined(own.instance),
        FLYTE_DATABRICKS_WORKSPACE_ID: undefined,
        FLYTE_DATABRICKS_CLIENT_ID: undefined,
        FLYTE_DATABRICKS_CLIENT_SECRET: undefined,
        FLYTE_DATABRICKS_ACCESS_TOKEN: undefined,
        FLYTE_DATABRICKS_TOKEN_SECRET_NAME: own.tokenSecretName,
        FLYTE_DATABRICKS_OAUTH_SECRET_NAME: own.oauthSecretName,
        FLYTE_DATABRICKS_OIDC_TOKEN_FILE: ConnectorSettings.defaultTokenFile,
        FLYTE_DATABRICKS_OIDC_AUDIENCE: own.oidcAudience,
        FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: own.taskTokenFileDirs[0],
        FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER: undefined,
        FLYTE_DATABRICKS_ALLOWED_INSTANCES: undefined,
        FLYTE_DATABRICKS_ALLOWED_AUDIENCES: own.allowedAudiences[0],
        FLYTE_DATABRICKS_NAMESPACES: own.namespaces.patterns[0],
        FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: String(own.allowTaskAuthOverride),
        FLYTE_DATABRICKS_NAMESPACE_IDENTITY: own.namespaceIdentity,
        FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: own.namespaceTemplate,
        FLYTE_DATABRICKS_ORG_LABEL: undefined,
        FLYTE_DATABRICKS_PERSIST_PAT: String(own.persistPat),
        FLYTE_DATABRICKS_METADATA_KEY_FILE: undefined,
        FLYTE_DATABRICKS_METADATA_SIGNATURES: value.metadataSignatures,
        FLYTE_DATABRICKS_LISTEN: undefined,
        FLYTE_DATABRICKS_TLS_CERT_FILE: undefined,
        FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE: undefined,
        FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS: undefined,
        FLYTE_DATABRICKS_CALLERS: undefined,
        FLYTE_DATABRICKS_LISTEN_HOST: flags.host,
        FLYTE_DATABRICKS_LISTEN_PORT: String(flags.port),
        FLYTE_DATABRICKS_PROMETHEUS_PORT: String(flags.prometheusPort),
        FLYTE_DATABRICKS_MAX_MESSAGE_BYTES: String(flags.maxMessageBytes),
        FLYTE_DATABRICKS_MAX_CONCURRENT_STREAMS: String(flags.maxConcurrentStreams),
        FLYTE_DATABRICKS_MAX_CONCURRENT_REQUESTS: String(value.maxConcurrentRequests),
        FLYTE_DATABRICKS_SUBMITS_PER_SECOND: String(value.submitsPerSecond),
        FLYTE_DATABRICKS_GETS_PER_SECOND: String(value.getsPerSecond),
        FLYTE_DATABRICKS_MAX_CONNECTION_AGE: Docs.spoken(flags.maxConnectionAge),
        FLYTE_DATABRICKS_DRAIN_DELAY: Docs.spoken(flags.drainDelay),
        FLYTE_DATABRICKS_DRAIN_TIMEOUT: Docs.spoken(flags.drainTimeout),
        FLYTE_DATABRICKS_TASK_TYPES: value.taskTypes.join(","),
        FLYTE_DATABRICKS_CREATE_PATIENCE: Duration.isFinite(value.createPatience)
          ? Docs.spoken(value.createPatience)
          : undefined,
        FLYTE_DATABRICKS_POLL_PATIENCE: Docs.spoken(value.pollPatience),
        HTTPS_PROXY: undefined,
        NO_PROXY: undefined,
        FLYTE_DATABRICKS_CA_FILE: undefined,
        FLYTE_DATABRICKS_AUDIT: undefined,
        FLYTE_DATABRICKS_AUDIT_REQUIRED: String(value.auditRequired),
        FLYTE_DATABRICKS_STATUSZ_TOKEN: undefined,
        FLYTE_DATABRICKS_LOG_LEVEL: value.logLevel,
        FLYTE_DATABRICKS_LOG_FORMAT: /"FLYTE_DATABRICKS_LOG_FORMAT",[^()]*\([^()]*\),\s*"(\w+)"/.exec(
          Docs.sources
        )?.[1],
        FLYTE_DATABRICKS_METRICS_NAMESPACES: undefined,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: undefined,
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: undefined,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
        OTEL_EXPORTER_OTLP_HEADERS: undefined,
        OTEL_EXPORTER_OTLP_TIMEOUT: String(Duration.toMillis(otel.timeout)),
        OTEL_TRACES_EXPORTER: "otlp",
        OTEL_METRICS_EXPORTER: "otlp",
        OTEL_SDK_DISABLED: "false",
        OTEL_TRACES_SAMPLER: `${otel.sampler.isParentBased ? "parentbased_" : ""}always_on`,
        OTEL_TRACES_SAMPLER_ARG: String(otel.sampler.ratio),
        OTEL_BSP_SCHEDULE_DELAY: String(Duration.toMillis(otel.tracesEvery)),
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE: String(otel.batch),
        OTEL_METRIC_EXPORT_INTERVAL: String(Duration.toMillis(otel.metricsEvery)),
        OTEL_SERVICE_NAME: otel.resource.serviceName,
        OTEL_RESOURCE_ATTRIBUTES: undefined,
        FLYTE_SECRETS_ENV_PREFIX: asked.find((name) => name.endsWith("_NAME"))?.replace("NAME", ""),
        FLYTE_SECRETS_DEFAULT_DIR: dirname(opened[0] ?? ""),
        FLYTE_SECRETS_FILE_PREFIX: opened[0]?.split("/").at(-1)?.replace("name", "") || undefined
      }
      assert.deepStrictEqual(
        Object.fromEntries(settings.map(({ variables, byDefault }) => [variables[0], byDefault])),
        expected
      )
    })
  )

  it.effect("has the keys that a task may set", () =>
    Effect.gen(function* () {
      const camel = (key: string) => key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
      assert.deepStrictEqual(
        Docs.unique(settings.flatMap(({ task }) => task.map(camel))),
        Docs.unique([...(yield* Docs.taskKeys), "databricksServiceCredentialProvider"])
      )
      assert.match(Docs.sources, /\bdatabricksServiceCredentialProvider\b/)
    })
  )

  it.effect("says for how long what was read counts", () =>
    Effect.gen(function* () {
      const text = Docs.prose("docs/settings.md", "How long what was read counts")
      const secret = yield* NamespaceSecrets.SecretTimeToLive
      const discovery = yield* ServiceAccountTokens.DiscoveryTimeToLive
      const present = `a Secret for ${Docs.spoken(secret.present)}, an annotated ServiceAccount for ${Docs.spoken(discovery.present)}`
      assert.include(text, present)
      assert.include(text, `there is none, for ${Docs.spoken(secret.absent)} and ${Docs.spoken(discovery.absent)}`)
      assert.include(text, `A PAT is read again within ${Docs.spoken(yield* Pat.PatLifetime)}`)
    })
  )
})
