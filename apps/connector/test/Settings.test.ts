/**
 * Every setting, and what it may not hold: the connector does not start, and the error names the setting, the value and
 * what is valid. What may be written in several ways is taken in each.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Certificates from "@flyte-databricks/emulators/Certificates"
import { Config, ConfigProvider, Duration, Effect, Exit, FileSystem, Option } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import * as Serve from "../src/cli/Serve.ts"
import * as Variables from "../src/cli/Variables.ts"
import { known } from "../src/diagnose/checks/settings.ts"
import * as SettingValue from "../src/SettingValue.ts"
import * as ConnectorProcess from "./support/ConnectorProcess.ts"
import * as Docs from "./support/docs.ts"

/** Nobody else's port, and nothing of this machine. */
const quiet = {
  FLYTE_DATABRICKS_LISTEN_HOST: "127.0.0.1",
  FLYTE_DATABRICKS_LISTEN_PORT: "0",
  FLYTE_DATABRICKS_PROMETHEUS_PORT: "0",
  FLYTE_DATABRICKS_DRAIN_DELAY: "0s"
}

/** What else is set, for a setting to be looked at: files, by the ends of their settings' names. */
const beside = Effect.fnUntraced(function* (setting: string) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped()
  const { caPem, certificatePem, privateKeyPem } = yield* Certificates.certificateFor(["localhost"])
  const texts = setting.includes("_TLS_")
    ? { TLS_CERT_FILE: certificatePem, TLS_KEY_FILE: privateKeyPem, TLS_CLIENT_CA_FILE: caPem }
    : setting.includes("_METADATA_")
      ? { METADATA_KEY_FILE: "0".repeat(64) }
      : {}
  for (const [name, text] of Object.entries(texts)) yield* files.writeFileString(`${directory}/${name}`, text)
  return Object.fromEntries(Object.keys(texts).map((name) => [`FLYTE_DATABRICKS_${name}`, `${directory}/${name}`]))
}, Effect.provide(NodeServices.layer))

/** What a connector with this environment says instead of serving. */
const refusalOf = Effect.fnUntraced(function* (env: Record<string, string>, args: ReadonlyArray<string> = []) {
  const environment = ConfigProvider.layer(ConfigProvider.fromEnv({ env: { ...quiet, ...env } }))
  const exit = yield* Command.runWith(Serve.command, { version: "0" })(args).pipe(
    Effect.provide([NodeServices.layer, environment]),
    Effect.exit
  )
  assert.isTrue(Exit.isFailure(exit))
  const said = String((yield* TestConsole.errorLines).at(-1))
  assert.match(said, /^The connector did not start\.\n\n/)
  return said.replace(/^.*\n\n/, "")
})

const long = "x".repeat(300)
const durations = ["25", "5x", "5 parsecs", "-5s", "s", "5s5", "1h 30", "Infinity", "NaN", "5..5s"]
const numbers = ["tcp://10.0.0.1:8000", "-1", "1.5", "1e3", "0x10", "many", "99999999999999999999"]
const sizes = ["0", "-1", "4 apples", "4M iB", "MiB", "1e6"]
const flags = ["maybe", "truee", "2"]
const secretNames = ["Databricks_Token", "../x", "a b", long]
const hosts = [
  "10.0.0.1",
  "2130706433",
  "https://a.cloud.databricks.com/path",
  "ann@a.cloud.databricks.com",
  "http://a.cloud.databricks.com",
  "a b",
  "a.cloud.databricks.com:99999"
]

const collectors = ["collector", "localhost:4318", "grpc://a:4317", "http://user:pw@a:4318"]
const pairs = ["key", "=value", "a=%zz"]
const protocols = ["grpc", "HTTP/JSON", "json"]

/** By setting: what it may not hold, and words that say what it may. */
const wrong: Record<string, readonly [values: ReadonlyArray<string>, expected: string]> = {
  FLYTE_DATABRICKS_AUTH_TYPE: [["kerberos", "PAT", "oauth"], "pat, oauth_m2m or oidc_federation"],
  FLYTE_DATABRICKS_INSTANCE: [hosts, "a host name such as dbc-a1b2.cloud.databricks.com"],
  FLYTE_DATABRICKS_ALLOWED_INSTANCES: [
    [",", "*.10.0.0.1", "*", "https://*.example.com", "a b", "*.*.example.com"],
    "wildcards, separated by commas"
  ],
  FLYTE_DATABRICKS_NAMESPACES: [[",", "Team", "a/b", "team_a"], "separated by commas"],
  FLYTE_DATABRICKS_TOKEN_SECRET_NAME: [secretNames, "the name of a Kubernetes Secret"],
  FLYTE_DATABRICKS_OAUTH_SECRET_NAME: [secretNames, "the name of a Kubernetes Secret"],
  FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: [["{team}", "{project}_{domain}", "A-{project}", "{}"], "{project}, {domain}"],
  FLYTE_DATABRICKS_NAMESPACE_IDENTITY: [["yes", "Require", "ignored"], "allow, require or ignore"],
  FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: [flags, "true or false"],
  FLYTE_DATABRICKS_PERSIST_PAT: [flags, "true or false"],
  FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: [["tokens", "/a,b", "./x"], "absolute directories"],
  FLYTE_DATABRICKS_LISTEN_HOST: [
    ["300.1.1.1", "a b", "http://0.0.0.0", "0.0.0.0:8000"],
    "an IP address or a host name"
  ],
  FLYTE_DATABRICKS_LISTEN_PORT: [[...numbers, "65536"], "a whole number from 0 to 65535"],
  FLYTE_DATABRICKS_PROMETHEUS_PORT: [[...numbers, "65536"], "a whole number from 0 to 65535"],
  FLYTE_DATABRICKS_MAX_MESSAGE_BYTES: [
    [...numbers.filter((text) => text !== "1e3"), ...sizes],
    "a size such as 4194304, 4MiB or 4Mi"
  ],
  FLYTE_DATABRICKS_MAX_CONCURRENT_STREAMS: [[...numbers, "0"], "a whole number, 1 or more"],
  FLYTE_DATABRICKS_MAX_CONCURRENT_REQUESTS: [[...numbers, "0", "65537"], "a whole number from 1 to 65536"],
  FLYTE_DATABRICKS_SUBMITS_PER_SECOND: [[...numbers, "0"], "a whole number from 1 to 1000000"],
  FLYTE_DATABRICKS_GETS_PER_SECOND: [[...numbers, "0"], "a whole number from 1 to 1000000"],
  FLYTE_DATABRICKS_MAX_CONNECTION_AGE: [[...durations, "0", "100ms", "1000h"], "from 1s to 480h"],
  FLYTE_DATABRICKS_DRAIN_DELAY: [[...durations, "25h"], "such as 5s, 5m, 12h, 1h30m or 5 seconds, from 0s to 24h"],
  FLYTE_DATABRICKS_DRAIN_TIMEOUT: [[...durations, "25h"], "such as 5s, 5m, 12h, 1h30m or 5 seconds, from 0s to 24h"],
  FLYTE_DATABRICKS_CREATE_PATIENCE: [durations, "such as 5s, 5m, 12h, 1h30m or 5 seconds"],
  FLYTE_DATABRICKS_POLL_PATIENCE: [durations, "such as 5s, 5m, 12h, 1h30m or 5 seconds"],
  FLYTE_DATABRICKS_TASK_TYPES: [["python", "spark;databricks", ",", "Spark"], "spark, databricks or both"],
  FLYTE_DATABRICKS_LOG_FORMAT: [["xml", "JSON", "text"], "auto, pretty or json"],
  FLYTE_DATABRICKS_AUDIT: [
    ["audit.log", "/var/log/audit", "file:", "file:audit", "syslog", "STDOUT", "file:/", "file:/missing/audit"],
    "stdout, stderr or file:PATH"
  ],
  FLYTE_DATABRICKS_AUDIT_REQUIRED: [flags, "true or false"],
  FLYTE_DATABRICKS_LOG_LEVEL: [["verbose", "INFO", "warning", "0"], "trace, debug, info, warn or error"],
  FLYTE_DATABRICKS_CA_FILE: [["/missing.pem", "/etc/hostname", "/"], "the path of a file with certificates in PEM"],
  FLYTE_DATABRICKS_LISTEN: [
    ["unix:sock", "localhost", "127.0.0.1:99999", "http://0.0.0.0:80", "a b:8000"],
    "unix:/PATH, or HOST:PORT as in 127.0.0.1:8000"
  ],
  FLYTE_DATABRICKS_TLS_CERT_FILE: [["/missing.pem", "/etc/hostname", "/"], "in PEM"],
  FLYTE_DATABRICKS_TLS_KEY_FILE: [["/missing.pem", "/etc/hostname", "/"], "in PEM"],
  FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE: [["/missing.pem", "/etc/hostname", "/"], "in PEM"],
  FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS: [
    [",", "a b", "http://a", "spiffe://", "-a"],
    "DNS names as propeller.flyte.svc"
  ],
  FLYTE_DATABRICKS_WORKSPACE_ID: [["a b", "1?o=2", "1/2", long], "the id of a workspace, as it stands behind ?o="],
  DATABRICKS_WORKSPACE_ID: [["a b", "1?o=2", "1/2", long], "the id of a workspace, as it stands behind ?o="],
  FLYTE_DATABRICKS_METADATA_KEY_FILE: [["/missing", "/etc/hostname", "/"], "a file with a key a line"],
  FLYTE_DATABRICKS_METADATA_SIGNATURES: [["yes", "Require", "none"], "require, write or read"],
  FLYTE_DATABRICKS_CALLERS: [[",", "team", "flyte/Pro_peller", "/a", "a/b/c"], "ServiceAccounts as namespace/name"],
  FLYTE_DATABRICKS_METRICS_NAMESPACES: [[",", "Team", "a/b", "team_*"], "separated by commas"],
  OTEL_EXPORTER_OTLP_ENDPOINT: [collectors, "http://HOST:PORT or https://HOST:PORT"],
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: [collectors, "http://HOST:PORT or https://HOST:PORT"],
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: [collectors, "http://HOST:PORT or https://HOST:PORT"],
  OTEL_EXPORTER_OTLP_HEADERS: [pairs, "name=value,name=value"],
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: [pairs, "name=value,name=value"],
  OTEL_EXPORTER_OTLP_METRICS_HEADERS: [pairs, "name=value,name=value"],
  OTEL_EXPORTER_OTLP_PROTOCOL: [protocols, "http/protobuf or http/json"],
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: [protocols, "http/protobuf or http/json"],
  OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: [protocols, "http/protobuf or http/json"],
  OTEL_EXPORTER_OTLP_TIMEOUT: [[...numbers, "0"], "a whole number from 1 to 3600000"],
  OTEL_BSP_SCHEDULE_DELAY: [[...numbers, "0"], "a whole number from 1 to 3600000"],
  OTEL_METRIC_EXPORT_INTERVAL: [[...numbers, "0"], "a whole number from 1 to 3600000"],
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: [[...numbers, "0"], "a whole number from 1 to 10000"],
  OTEL_TRACES_EXPORTER: [["jaeger", "OTLP", "console"], "otlp or none"],
  OTEL_METRICS_EXPORTER: [["prometheus", "OTLP", "console"], "otlp or none"],
  OTEL_TRACES_SAMPLER: [["always", "jaeger_remote"], "parentbased_always_on"],
  OTEL_TRACES_SAMPLER_ARG: [["-1", "1.5", "half"], "a number from 0 to 1"],
  OTEL_RESOURCE_ATTRIBUTES: [pairs, "name=value,name=value"],
  HTTPS_PROXY: [
    ["socks5://a", "http://a:b:c", "http://u:%zz@a", "http://a/path"],
    "http://HOST:PORT or https://HOST:PORT"
  ]
}

/** What any text is valid for, as far as can be told at the start: names, words, places that something may come to. */
const free = [
  "FLYTE_DATABRICKS_CLIENT_ID",
  "DATABRICKS_CLIENT_ID",
  "FLYTE_DATABRICKS_CLIENT_SECRET",
  "DATABRICKS_CLIENT_SECRET",
  "FLYTE_DATABRICKS_ACCESS_TOKEN",
  "FLYTE_DATABRICKS_STATUSZ_TOKEN",
  "FLYTE_DATABRICKS_OIDC_TOKEN_FILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "FLYTE_DATABRICKS_OIDC_AUDIENCE",
  "FLYTE_DATABRICKS_ALLOWED_AUDIENCES",
  "FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER",
  "FLYTE_DATABRICKS_ORG_LABEL",
  "OTEL_SERVICE_NAME",
  // Whatever is not "true" is false, as OpenTelemetry has it.
  "OTEL_SDK_DISABLED",
  "NO_PROXY",
  "FLYTE_SECRETS_ENV_PREFIX",
  "FLYTE_SECRETS_DEFAULT_DIR",
  "FLYTE_SECRETS_FILE_PREFIX"
]

// A value that may hold a password is not repeated, and of an address nothing but the host.
const shownAs = (setting: string, value: string): string =>
  setting === "HTTPS_PROXY" || /^OTEL_(EXPORTER_OTLP_.*(ENDPOINT|HEADERS|PROTOCOL)|RESOURCE)/.test(setting)
    ? ""
    : setting === "FLYTE_DATABRICKS_INSTANCE"
      ? (value.split("@").at(-1) ?? "").replace(/(\w)\/[^/].*/, "$1…")
      : setting.endsWith("S") && value.includes(",")
        ? ""
        : value.slice(0, 99)

describe("a wrong value keeps the connector from starting, with its name, the value and what is valid:", () => {
  for (const [setting, [values, expected]] of Object.entries(wrong)) {
    it.effect(`${setting}, in ${values.length} ways`, () =>
      Effect.gen(function* () {
        const others = yield* beside(setting)
        for (const value of values) {
          const said = yield* refusalOf({ ...others, [setting]: value })
          assert.include(said, setting)
          assert.include(said, shownAs(setting, value))
          assert.include(said, expected, value)
          assert.isBelow(said.length, 400)
        }
      })
    )
  }

  it.effect("a flag too, by its own name, and before the variable", () =>
    Effect.gen(function* () {
      const said = yield* refusalOf({ FLYTE_DATABRICKS_MAX_CONNECTION_AGE: "5m" }, ["--max-connection-age", "5"])
      assert.include(said, '--max-connection-age is "5", expected a duration')
    })
  )

  it.effect("a secret in the wrong place is not repeated", () =>
    Effect.gen(function* () {
      const secret = "dapi0123456789abcdef0123456789abcdef"
      // It may be the name of a namespace, of a client, or of a proxy.
      const {
        FLYTE_DATABRICKS_NAMESPACES: _,
        FLYTE_DATABRICKS_METRICS_NAMESPACES: ____,
        FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS: ___,
        HTTPS_PROXY: __,
        ...others
      } = wrong
      for (const setting of Object.keys(others)) {
        const said = yield* refusalOf({ ...(yield* beside(setting)), [setting]: secret })
        assert.include(said, setting)
        assert.notInclude(said, "0123456789abcdef")
      }
    })
  )

  it.effect("nor is a key of job metadata where its file belongs", () =>
    Effect.gen(function* () {
      const key = "0123456789abcdef".repeat(4)
      assert.notInclude(yield* refusalOf({ FLYTE_DATABRICKS_METADATA_KEY_FILE: key }), key.slice(0, 16))
    })
  )

  it("is tried for every variable that is documented, and every one with the prefix", () => {
    const named = Docs.rows(Docs.read("docs/settings.md")).flatMap(([, , cell]) =>
      Docs.spans(cell).filter((span) => /^[A-Z_]+$/.test(span))
    )
    assert.isAtLeast(named.length, 43)
    assert.deepStrictEqual([...Object.keys(wrong), ...free].toSorted(), Docs.unique([...named, ...known]))
  })
})

describe("a value is taken as people write it:", () => {
  it.each([
    ["5s", 5000],
    ["5m", 300_000],
    ["12h", 43_200_000],
    ["1h30m", 5_400_000],
    ["1h30m15s", 5_415_000],
    ["100ms", 100],
    ["1.5h", 5_400_000],
    ["0", 0],
    ["0s", 0],
    ["5 seconds", 5000],
    ["1 hour", 3_600_000],
    ["2 days", 172_800_000],
    ["100 millis", 100]
  ])("duration %s", (text, millis) => {
    assert.deepStrictEqual(Option.map(SettingValue.duration.read(text), Duration.toMillis), Option.some(millis))
  })

  it.each([
    ["4194304", 4_194_304],
    ["4MiB", 4_194_304],
    ["4 MiB", 4_194_304],
    ["4Mi", 4_194_304],
    ["64Ki", 65_536],
    ["1Gi", 1_073_741_824],
    ["4M", 4_000_000],
    ["4MB", 4_000_000],
    ["1.5MiB", 1_572_864]
  ])("size %s", (text, bytes) => {
    assert.deepStrictEqual(SettingValue.bytes.read(text), Option.some(bytes))
  })

  it.each(["0.0.0.0", "::", "::1", "127.0.0.1", "localhost", "flyteconnector.flyte.svc"])("address %s", (text) => {
    assert.deepStrictEqual(SettingValue.address.read(text), Option.some(text))
  })

  it.effect("with blanks around it, and blank for none", () =>
    Effect.gen(function* () {
      const age = SettingValue.setting("AGE", SettingValue.duration, Duration.seconds(1))
      for (const [text, seconds] of [
        [" 5m\n", 300],
        ["  ", 1]
      ] as const) {
        const environment = ConfigProvider.layer(ConfigProvider.fromEnv({ env: { AGE: text } }))
        assert.strictEqual(Duration.toSeconds(yield* age.pipe(Effect.provide(environment))), seconds)
      }
    })
  )
})

describe("a variable that nothing reads", () => {
  /** What is warned of, once these settings were asked for. */
  const warnings = (asked: ReadonlyArray<string>, env: Record<string, string>) =>
    Effect.gen(function* () {
      const watched = yield* Variables.watched
      yield* Effect.forEach(asked, (name) => Config.option(Config.String(name))).pipe(Effect.provide(watched.layer))
      return yield* watched.warnings
    }).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
  const read = ["FLYTE_DATABRICKS_AUTH_TYPE", "FLYTE_DATABRICKS_INSTANCE", "_FSEC_FLYTE_DATABRICKS_ACCESS_TOKEN"]

  it.effect("is warned of, with the nearest that is read, and without its value", () =>
    Effect.gen(function* () {
      const misspelt = {
        FLYTE_DATABRICKS_AUTHTYPE: "pat",
        FLYTE_DATABRICKS_AUTH_TYPES: "pat",
        FLYTE_DATABRICKS_METRICS_PORT: "9090",
        FLYTE_DATABRICK_INSTANCE: "dapi-secret"
      }
      const said = yield* warnings(read, misspelt)
      assert.sameMembers(
        said.map((text) => [...text.matchAll(/FLYTE_[A-Z_]+/g)].map(([name]) => name).join(" → ")),
        [
          "FLYTE_DATABRICKS_AUTHTYPE → FLYTE_DATABRICKS_AUTH_TYPE",
          "FLYTE_DATABRICKS_AUTH_TYPES → FLYTE_DATABRICKS_AUTH_TYPE",
          "FLYTE_DATABRICKS_METRICS_PORT → FLYTE_DATABRICKS_AUTH_TYPE",
          "FLYTE_DATABRICK_INSTANCE → FLYTE_DATABRICKS_INSTANCE"
        ]
      )
      assert.notInclude(said.join(), "dapi-secret")
    })
  )

  it.effect("is nobody's business where it is Flyte's own, or Kubernetes' for a Service of that name", () =>
    Effect.gen(function* () {
      const others = {
        FLYTE_AWS_ENDPOINT: "http://minio:9000",
        FLYTE_SECRETS_ENV_PREFIX: "_FSEC_",
        FLYTE_DATABRICKS_SERVICE_HOST: "10.0.0.1",
        FLYTE_DATABRICKS_SERVICE_PORT: "8000",
        FLYTE_DATABRICKS_SERVICE_PORT_GRPC: "8000",
        FLYTE_DATABRICKS_PORT: "tcp://10.0.0.1:8000",
        FLYTE_DATABRICKS_PORT_8000_TCP: "tcp://10.0.0.1:8000",
        FLYTE_DATABRICKS_PORT_8000_TCP_ADDR: "10.0.0.1",
        FLYTE_DATABRICKS_CONNECTOR_SERVICE_HOST: "10.0.0.2",
        FLYTE_DATABRICKS_CONNECTOR_PORT: "tcp://10.0.0.2:8000",
        FLYTE_DATABRICKS_BLANK: ""
      }
      assert.deepStrictEqual(yield* warnings(read, others), [])
    })
  )

  it.effect("is none that is read, also where a secret is found under another name first", () =>
    Effect.gen(function* () {
      const env = { FLYTE_DATABRICKS_AUTH_TYPE: "pat", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi" }
      assert.deepStrictEqual(yield* warnings(read, env), [])
    })
  )

  it.live(
    "is none of the settings' table: a connector that has them all set warns of no name, and of one that is misspelt",
    () =>
      Effect.gen(function* () {
        const env = {
          FLYTE_DATABRICKS_AUTH_TYPE: "pat",
          FLYTE_DATABRICKS_INSTANCE: "dbc-a1b2.cloud.databricks.com",
          FLYTE_DATABRICKS_ALLOWED_INSTANCES: "dbc-a1b2.cloud.databricks.com",
          FLYTE_DATABRICKS_NAMESPACES: "*",
          FLYTE_DATABRICKS_TOKEN_SECRET_NAME: "token",
          FLYTE_DATABRICKS_OAUTH_SECRET_NAME: "oauth",
          FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{namespace}",
          FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "allow",
          FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "true",
          FLYTE_DATABRICKS_PERSIST_PAT: "true",
          FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: "/tokens",
          FLYTE_DATABRICKS_LISTEN_HOST: "127.0.0.1",
          FLYTE_DATABRICKS_LISTEN_PORT: "0",
          FLYTE_DATABRICKS_PROMETHEUS_PORT: "0",
          FLYTE_DATABRICKS_MAX_MESSAGE_BYTES: "4Mi",
          FLYTE_DATABRICKS_MAX_CONCURRENT_STREAMS: "10",
          FLYTE_DATABRICKS_MAX_CONCURRENT_REQUESTS: "128",
          FLYTE_DATABRICKS_SUBMITS_PER_SECOND: "35",
          FLYTE_DATABRICKS_GETS_PER_SECOND: "100",
          FLYTE_DATABRICKS_MAX_CONNECTION_AGE: "5m",
          FLYTE_DATABRICKS_DRAIN_DELAY: "0s",
          FLYTE_DATABRICKS_DRAIN_TIMEOUT: "5s",
          FLYTE_DATABRICKS_CREATE_PATIENCE: "5s",
          FLYTE_DATABRICKS_POLL_PATIENCE: "12h",
          FLYTE_DATABRICKS_TASK_TYPES: "databricks",
          FLYTE_DATABRICKS_LOG_FORMAT: "json",
          FLYTE_DATABRICKS_LOG_LEVEL: "info",
          FLYTE_DATABRICKS_METRICS_NAMESPACES: "team-a",
          FLYTE_DATABRICKS_AUDIT: "stdout",
          FLYTE_DATABRICKS_AUDIT_REQUIRED: "false",
          ...Object.fromEntries(free.filter((name) => name.startsWith("FLYTE_DATABRICKS_")).map((name) => [name, "x"])),
          FLYTE_DATABRICKS_WORKSPACE_ID: "1",
          FLYTE_DATABRICKS_CLIENT_TYPO: "x"
        }
        const expected = [...Object.keys(wrong), ...free].filter(
          (name) => name.startsWith("FLYTE_DATABRICKS_") && !/_(LISTEN|CALLERS|(TLS|CA|METADATA)_\w+)$/.test(name)
        )
        assert.includeMembers(Object.keys(env), expected)
        const connector = yield* ConnectorProcess.serve(env)
        yield* connector.signal("SIGTERM")
        assert.strictEqual(yield* connector.exitCode, 0)
        const lines = (yield* connector.log).filter((line) => line.includes("is no variable"))
        assert.lengthOf(lines, 1, lines.join("; "))
        assert.include(lines[0], "FLYTE_DATABRICKS_CLIENT_TYPO is no variable of this connector")
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    30_000
  )
})
