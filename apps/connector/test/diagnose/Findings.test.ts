/** Findings that one deployment in a hundred has: what the way to Databricks, an issuer, a door or a file may be like. */
import { assert, describe, it } from "@effect/vitest"
import { Fault } from "@flyte-databricks/emulators"
import * as Authority from "@flyte-databricks/emulators/testing/Authority"
import { Duration, Effect, FileSystem } from "effect"
import * as Report from "@flyte-databricks/diagnosis/Report"
import * as Network from "@flyte-databricks/emulators/testing/Network"
import * as RuntimeCheck from "../../src/diagnose/checks/runtime.ts"
import * as Door from "../support/Door.ts"
import { type Bench, canaries, needed, onBench, principals } from "./Bench.ts"

const explain = (namespace: string) => ["explain", "--namespace", namespace]
const host = "dbc-a1b2.cloud.databricks.com"

/** A workspace behind a proxy that opens TLS, and what makes that proxy trusted. */
const behindProxy = Effect.fnUntraced(function* ({ directory, files, kubernetes, workspace }: Bench) {
  const both = `${directory}/both.pem`
  yield* files.writeFileString(both, [kubernetes.caPem, workspace.caPem].join("\n"))
  const proxy = yield* Network.proxy({ hosts: { [`${host}:443`]: workspace.url } })
  return { FLYTE_DATABRICKS_INSTANCE: host, FLYTE_DATABRICKS_CA_FILE: both, HTTPS_PROXY: proxy.url }
})

describe("explain, about an issuer,", () => {
  it.live(
    "names the authority of a proxy that is trusted, and sees that Databricks cannot reach a private issuer",
    onBench(
      (bench) =>
        Effect.scoped(
          Effect.flatMap(behindProxy(bench), (env) => bench.golden("explain-private-issuer", explain("team-oidc"), env))
        ),
      { workspace: { tls: { names: [host] } } }
    ),
    60_000
  )

  it.live(
    "compares its own name for itself and its keys with the JWT",
    onBench(({ golden, kubernetes }) =>
      Effect.gen(function* () {
        const path = "/.well-known/openid-configuration"
        yield* kubernetes.faults.add({
          path,
          action: { type: "merge-patch", patch: { issuer: `${kubernetes.issuer}/` } }
        })
        yield* golden("explain-issuer-calls-itself-otherwise", explain("team-oidc"))
        yield* kubernetes.faults.clear
        yield* kubernetes.faults.add({
          path: "/openid/v1/jwks",
          action: { type: "merge-patch", patch: { keys: [{ kid: "of-another-day" }] } }
        })
        yield* golden("explain-key-not-published", explain("team-oidc"))
      })
    ),
    60_000
  )
})

describe("explain, about Databricks,", () => {
  it.live(
    "tells whose the token is from whose it should be, and a workspace that fails",
    onBench(({ golden, workspace }) =>
      Effect.gen(function* () {
        const path = "/api/2.0/preview/scim/v2/Me"
        yield* workspace.faults.add({ path, action: { type: "merge-patch", patch: { userName: principals.team } } })
        yield* golden("explain-another-principal", explain("team-oidc"))
        yield* workspace.faults.clear
        yield* workspace.faults.add({ path, action: Fault.status(500) })
        yield* golden("explain-workspace-fails", explain("team-oauth"))
      })
    ),
    60_000
  )

  it.live(
    "says what the token endpoint answered last, and doctor that it is down for everybody",
    onBench(({ golden, run, workspace }) =>
      Effect.gen(function* () {
        yield* workspace.faults.add({ path: "/oidc/v1/token", action: Fault.status(503) })
        yield* golden("explain-token-endpoint-unavailable", explain("team-oauth"))
        const { stdout } = yield* run(["doctor", "--all-namespaces", "-o", "json"])
        const report: Report.Report = JSON.parse(stdout)
        assert.include(
          Report.entriesOf(report).map(({ code }) => code),
          "FDC403"
        )
      })
    ),
    120_000
  )
})

describe("doctor, about what is mounted,", () => {
  it.live(
    "looks at the projected token: its audience, and whether it is rotated",
    onBench(
      ({ golden, projectToken, run, tokenFile }) =>
        Effect.gen(function* () {
          const { port } = yield* Door.open({})
          const env = {
            FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation",
            FLYTE_DATABRICKS_CLIENT_ID: principals.connector,
            FLYTE_DATABRICKS_OIDC_TOKEN_FILE: tokenFile,
            FLYTE_DATABRICKS_LISTEN: `127.0.0.1:${port}`
          }
          yield* projectToken({ aud: ["another"] })
          yield* golden("doctor-projected-for-another-audience", ["doctor"], env)
          yield* projectToken({ lifetime: Duration.seconds(90) })
          const { stdout } = yield* run(["doctor", "--short"], env)
          assert.match(
            stdout,
            /FDC308 connector token: The projected token is about to expire.* ends in \d\d seconds\./
          )
        }).pipe(Effect.scoped),
      { kubernetes: { rules: needed } }
    ),
    60_000
  )

  it.live(
    "finds a mounted Secret that cannot be read, and a heap that the container has no room for or that nothing bounds",
    onBench(
      ({ directory, files, golden }) =>
        Effect.gen(function* () {
          yield* files.makeDirectory(`${directory}/mounted/flyte_databricks_access_token`, { recursive: true })
          yield* golden("explain-mounted-secret-unreadable", explain("team-none"))
          const { noticed = [] } = yield* RuntimeCheck.runtime().pipe(
            Effect.provide(FileSystem.layerNoop({ readFileString: () => Effect.succeed(`${64 * 1024 * 1024}\n`) }), {
              local: true
            })
          )
          assert.deepStrictEqual(
            noticed.map(({ code, detail }) => [code, detail.replace(/\d+ MiB,/, "N MiB,")]),
            [
              ["FDC503", "The heap may grow to N MiB, of 64 MiB."],
              ["FDC505", "--max-semi-space-size is not among the options of Node.js."]
            ]
          )
        }),
      { kubernetes: { rules: needed } }
    ),
    60_000
  )
})

describe("doctor, about the gRPC port,", () => {
  it.live(
    "tells one that serves whoever calls from one that asks for a certificate, or for pods",
    onBench(
      ({ directory, files, golden, run }) =>
        Effect.gen(function* () {
          const authority = yield* Authority.make
          const { certificatePem, privateKeyPem } = yield* authority.issue({ names: ["flyteconnector.flyte.svc"] })
          const tls = {
            FLYTE_DATABRICKS_TLS_CERT_FILE: `${directory}/tls.crt`,
            FLYTE_DATABRICKS_TLS_KEY_FILE: `${directory}/tls.key`
          }
          yield* files.writeFileString(tls.FLYTE_DATABRICKS_TLS_CERT_FILE, certificatePem)
          yield* files.writeFileString(tls.FLYTE_DATABRICKS_TLS_KEY_FILE, privateKeyPem)
          yield* files.writeFileString(`${directory}/clients.crt`, authority.caPem)
          const at = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>) {
            const { port } = yield* Door.open(env, { host: "0.0.0.0" })
            return { ...env, FLYTE_DATABRICKS_LISTEN_PORT: String(port) }
          })
          yield* golden("doctor-port-open", ["doctor"], yield* at(tls))
          yield* golden(
            "doctor-port-closed",
            ["doctor"],
            yield* at({ ...tls, FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE: `${directory}/clients.crt` })
          )
          const byPods = yield* at({ FLYTE_DATABRICKS_CALLERS: "flyte/flytepropeller" })
          assert.include((yield* run(["doctor"], byPods)).stdout, "serves nobody without a credential")
          // Without the certificate of the connector that is asked, nobody knows that it is the one.
          const { stdout } = yield* run(
            ["doctor", "--address", `127.0.0.1:${byPods.FLYTE_DATABRICKS_LISTEN_PORT}`],
            tls
          )
          assert.include(stdout, "FDC502")
        }).pipe(Effect.scoped),
      { kubernetes: { rules: needed } }
    ),
    60_000
  )
})

describe("doctor, about settings,", () => {
  it.live(
    "does not say that serve would start where one is invalid that is none of authentication, and names what is odd beside it",
    onBench(
      ({ golden, run }) =>
        Effect.gen(function* () {
          const misspelt = { FLYTE_DATABRICKS_POLL_PATIENCE: "forever", FLYTE_DATABRICKS_POLL_PATIENSE: "5m" }
          yield* golden("doctor-setting-of-serve-invalid", ["doctor"], misspelt)
          for (const wrong of [
            { FLYTE_DATABRICKS_LISTEN_PORT: "70000" },
            { FLYTE_DATABRICKS_LOG_FORMAT: "xml" },
            { FLYTE_DATABRICKS_TLS_KEY_FILE: "/nowhere/tls.key" },
            { FLYTE_DATABRICKS_TASK_TYPES: "pods" }
          ]) {
            const { exitCode, stdout } = yield* run(["doctor", "--pre"], wrong)
            const [name = ""] = Object.keys(wrong)
            assert.strictEqual(exitCode, 1, name)
            assert.match(
              stdout,
              new RegExp(`FDC001 A setting cannot be used\\. .*${name.replace("KEY", "(CERT|KEY)")}`)
            )
          }
        }),
      { kubernetes: { rules: needed } }
    ),
    60_000
  )

  it.live(
    "warns where there is no workspace, and of whom tasks would be that say nothing",
    onBench(
      ({ golden }) =>
        Effect.gen(function* () {
          yield* golden("doctor-no-workspace", ["doctor"], { FLYTE_DATABRICKS_INSTANCE: undefined })
          yield* golden("doctor-unexpected-identity", ["doctor"], {
            FLYTE_DATABRICKS_CLIENT_ID: principals.connector,
            FLYTE_DATABRICKS_CLIENT_SECRET: canaries.connectorSecret
          })
        }),
      { kubernetes: { rules: needed } }
    ),
    60_000
  )
})
