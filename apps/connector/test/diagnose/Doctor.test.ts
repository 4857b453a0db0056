/** `doctor` on stand-ins: whether a deployment is sound, and what it says where it is not. */
import { assert, describe, it } from "@effect/vitest"
import { Fault } from "@flyte-databricks/emulators"
import type * as Report from "@flyte-databricks/diagnosis/Report"
import { Effect, Option } from "effect"
import { parseDocument } from "yaml"
import * as Cluster from "../../src/diagnose/checks/cluster.ts"
import * as SettingsCheck from "../../src/diagnose/checks/settings.ts"
import * as Docs from "../support/docs.ts"
import * as Door from "../support/Door.ts"
import { canaries, needed, onBench, principals } from "./Bench.ts"

/** A connector that listens on loopback, and what says where. */
const listening = Effect.map(Door.open({}), ({ port }) => listenOn("127.0.0.1", port))
const listenOn = (host: string, port: number) => ({
  FLYTE_DATABRICKS_LISTEN_HOST: host,
  FLYTE_DATABRICKS_LISTEN_PORT: String(port)
})

const listsNamespaces = { effect: "allow", verbs: ["list"], resources: ["namespaces"] } as const

describe("doctor", () => {
  it.live(
    "says of a sound deployment that it is, and lists its namespaces by mode",
    onBench(
      ({ golden, projectToken, tokenFile }) =>
        Effect.gen(function* () {
          const port = yield* listening
          yield* projectToken()
          yield* golden("doctor-sound", ["doctor"], port)
          yield* golden("doctor-pre", ["doctor", "--pre"])
          const model1 = {
            ...port,
            FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation",
            FLYTE_DATABRICKS_CLIENT_ID: principals.connector,
            FLYTE_DATABRICKS_OIDC_TOKEN_FILE: tokenFile
          }
          yield* golden(
            "doctor-oidc-connector",
            ["doctor", "--namespace", "team-pat", "--namespace", "team-oidc"],
            model1
          )
        }).pipe(Effect.scoped),
      { kubernetes: { rules: needed } }
    ),
    60_000
  )

  it.live(
    "lists who each namespace is: the worklist of a move from PATs",
    onBench(
      ({ golden, run }) =>
        Effect.gen(function* () {
          const port = yield* listening
          yield* golden("doctor-all-namespaces", ["doctor", "--all-namespaces"], port)
          const short = yield* run(["doctor", "--all-namespaces", "--short"], port)
          assert.include(short.stdout, "FDC204 identity: More than one ServiceAccount has the label")
          assert.notInclude(short.stdout, "Sound")
        }).pipe(Effect.scoped),
      { kubernetes: { rules: [...needed, listsNamespaces] } }
    ),
    60_000
  )

  it.live(
    "names each right that is missing with its manifest, and what is too broad",
    onBench(({ golden, kubernetes, run }) =>
      Effect.gen(function* () {
        const port = yield* listening
        yield* golden("doctor-rights-broad", ["doctor"], port)
        yield* kubernetes.setRules([])
        const explicit = { ...port, FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation" }
        yield* golden("doctor-rights-missing", ["doctor", "--namespace", "team-oidc"], explicit)
        yield* golden("doctor-namespaces-forbidden", ["doctor", "--all-namespaces"], port)
        const ignoring = { ...port, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore" }
        const { exitCode, stdout } = yield* run(["doctor"], ignoring)
        assert.strictEqual(exitCode, 0, stdout)
        assert.include(stdout, "No right is needed.")
      }).pipe(Effect.scoped)
    ),
    60_000
  )

  it.live(
    "names settings that are none, and settings that contradict each other",
    onBench(
      ({ golden }) =>
        Effect.gen(function* () {
          yield* golden("doctor-settings", ["doctor", "--pre", "--fail-on", "warning"], {
            FLYTE_DATABRICKS_INSTANSE: "x",
            FLYTE_DATABRICKS_WHATEVER: "y",
            FLYTE_DATABRICKS_SERVICE_HOST: "10.0.0.1",
            FLYTE_DATABRICKS_PORT_8000_TCP: "tcp://10.0.0.1:8000",
            FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false",
            FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: "/tokens",
            HTTPS_PROXY: `http://user:${canaries.proxyPassword}@proxy.example:3128`
          })
          yield* golden("doctor-setting-invalid", ["doctor"], { FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "maybe" })
          yield* golden("doctor-kubeconfig-missing", ["doctor"], { KUBECONFIG: "/nowhere/kubeconfig" })
        }),
      { kubernetes: { rules: needed } }
    ),
    60_000
  )

  it.live(
    "has one finding for each fault, and skips what stands on it",
    onBench(
      ({ golden, kubernetes }) =>
        Effect.gen(function* () {
          yield* golden("doctor-blocked-egress", ["doctor", "--namespace", "team-oidc"], {
            FLYTE_DATABRICKS_INSTANCE: "https://127.0.0.1:1"
          })
          yield* kubernetes.faults.add({ action: Fault.status(503) })
          yield* golden("doctor-kubernetes-unavailable", ["doctor", "--namespace", "team-oidc"])
          yield* golden("doctor-no-kubernetes", ["doctor"], { KUBECONFIG: undefined, HOME: "/nowhere" })
        }),
      { kubernetes: { rules: needed } }
    ),
    60_000
  )

  it.live(
    "ends with 2 for warnings where that is asked for, with 124 where waiting did not help, with 3 where it is misused",
    onBench(
      ({ run }) =>
        Effect.gen(function* () {
          const port = yield* listening
          const wrong = { ...port, FLYTE_DATABRICKS_WHATEVER: "y" }
          const code = (args: ReadonlyArray<string>, env = wrong) =>
            Effect.map(run(["doctor", ...args], env), ({ exitCode }) => exitCode)
          assert.strictEqual(yield* code([]), 0)
          assert.strictEqual(yield* code(["--fail-on", "warning"]), 2)
          assert.strictEqual(yield* code(["--fail-on", "warning", "--skip", "FDC002"]), 0)
          assert.strictEqual(yield* code(["--fail-on", "warning", "--wait", "1s"]), 124)
          assert.strictEqual(yield* code(["--wait", "1s"]), 0)
          for (const args of [
            ["--skip", "FDC999"],
            ["--wait", "soon"],
            ["--namespace", "a", "--all-namespaces"],
            ["--nonsense"]
          ]) {
            assert.strictEqual(yield* code(args), 3, args.join(" "))
          }
        }).pipe(Effect.scoped),
      { kubernetes: { rules: needed } }
    ),
    60_000
  )
})

describe("doctor, of a namespace that offers a ServiceAccount of another name,", () => {
  const serviceAccounts = [
    {
      namespace: "team-spark",
      name: "spark",
      labels: { "flyte.org/databricks-enabled": "true" },
      annotations: { "flyte.org/databricks-client-id": principals.federated }
    }
  ]
  const tokensOf = (name: string) => [
    needed[1],
    { effect: "allow", verbs: ["create"], resources: ["serviceaccounts/token"], names: [name] } as const
  ]

  it.live(
    "asks for the right to tokens of that one",
    onBench(
      ({ kubernetes, run }) =>
        Effect.gen(function* () {
          const rights = Effect.map(
            run(["doctor", "--namespace", "team-spark", "-o", "json"], {
              FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation"
            }),
            ({ stdout }) =>
              (JSON.parse(stdout) as Report.Report).checks
                .filter(({ check }) => check === "rights")
                .map(({ status, text }) => `${status}: ${text}`)
          )
          const [has = ""] = yield* rights
          assert.match(has, /^ok: /)
          yield* kubernetes.setRules(tokensOf("databricks"))
          assert.deepStrictEqual(yield* rights, [
            "error: A right is missing. It may not create serviceaccounts/token named spark in namespace team-spark: " +
              "deploy/rbac/oidc-namespace/per-namespace.yaml, line 17, with that name in place of databricks."
          ])
        }),
      { kubernetes: { serviceAccounts, rules: tokensOf("spark") } }
    ),
    60_000
  )
})

describe("what doctor knows by heart", () => {
  it("is the settings of docs/settings.md", () => {
    const named = Docs.matches(Docs.read("docs/settings.md"), /`(FLYTE_DATABRICKS_[A-Z_]+)`/g)
    assert.deepStrictEqual([...SettingsCheck.known].toSorted(), named)
  })

  it("is the rules of deploy/rbac, and the lines on which they begin", () => {
    const rules = Cluster.needed({
      authType: Option.none(),
      namespaceIdentity: "allow",
      tokenSecretName: "databricks-token",
      oauthSecretName: "databricks-oauth"
    })
    for (const variant of ["cluster-wide", "per-namespace"]) {
      for (const { mode, verb, resource, name, line } of rules) {
        const text = Docs.read(`deploy/rbac/${mode}/${variant}.yaml`)
          .split("\n")
          .slice(line - 1)
        const end = text.findIndex((row, index) => index > 0 && !row.startsWith("    "))
        const [rule] = parseDocument(text.slice(0, end).join("\n")).toJS()
        assert.deepStrictEqual(rule, {
          apiGroups: [""],
          resources: [resource],
          ...(name === undefined ? {} : { resourceNames: [name] }),
          verbs: [verb]
        })
      }
    }
  })
})
