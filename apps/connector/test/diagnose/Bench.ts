/** What the commands of diagnosis are tried on: a workspace, a cluster, and a command line. */
import { NodeServices } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import { DatabricksWorkspace, KubernetesApi } from "@flyte-databricks/emulators"
import { Cause, ConfigProvider, Effect, Exit, FileSystem, Layer, Redacted, Runtime } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { expect } from "vitest"
import { commands, withUsage } from "../../src/cli/diagnosis.ts"

// None of them looks like a secret of Databricks: whatever keeps them out of sight does not go by their looks.
export const canaries = {
  pat: "pat-canary-of-team",
  connectorPat: "pat-canary-of-connector",
  secret: "secret+canary/of=team",
  connectorSecret: "secret canary of connector",
  proxyPassword: "password-canary"
}

export const principals = {
  team: "11111111-aaaa-4bbb-8ccc-000000000001",
  connector: "11111111-aaaa-4bbb-8ccc-000000000002",
  outsider: "11111111-aaaa-4bbb-8ccc-000000000003",
  federated: "11111111-aaaa-4bbb-8ccc-000000000004"
}

const enabled = { "flyte.org/databricks-enabled": "true" }
const as = (id: string) => ({ "flyte.org/databricks-client-id": id })

/** Namespaces with what each brings. */
const serviceAccounts = [
  { namespace: "team-oidc", name: "databricks", labels: enabled, annotations: as(principals.federated) },
  { namespace: "team-two", name: "databricks", labels: enabled, annotations: as(principals.federated) },
  { namespace: "team-two", name: "spark", labels: enabled, annotations: as(principals.team) },
  { namespace: "team-unmarked", name: "databricks", labels: enabled, annotations: {} },
  {
    namespace: "team-audience",
    name: "databricks",
    labels: enabled,
    annotations: { ...as(principals.federated), "flyte.org/databricks-audience": "another" }
  },
  { namespace: "team-unknown", name: "databricks", labels: enabled, annotations: as(principals.team) }
]

const secrets = [
  { namespace: "team-pat", name: "databricks-token", data: { token: canaries.pat } },
  {
    namespace: "team-oauth",
    name: "databricks-oauth",
    data: { client_id: principals.team, client_secret: canaries.secret }
  },
  {
    namespace: "team-wrong",
    name: "databricks-oauth",
    data: { client_id: principals.team, client_secret: "wrong-canary" }
  },
  {
    namespace: "team-outside",
    name: "databricks-oauth",
    data: { client_id: principals.outsider, client_secret: canaries.secret }
  },
  { namespace: "team-broken", name: "databricks-oauth", data: { client_id: principals.team } },
  { namespace: "team-revoked", name: "databricks-token", data: { token: "pat-canary-that-was-revoked" } }
]

/** The rights that deploy/rbac gives for all modes. */
export const needed = [
  { effect: "allow", verbs: ["get"], resources: ["secrets"], names: ["databricks-token", "databricks-oauth"] },
  { effect: "allow", verbs: ["list"], resources: ["serviceaccounts"] },
  { effect: "allow", verbs: ["create"], resources: ["serviceaccounts/token"], names: ["databricks"] }
] as const

interface Options {
  readonly workspace?: DatabricksWorkspace.Options
  readonly kubernetes?: KubernetesApi.Options
}

const make = Effect.fnUntraced(function* ({ workspace: ofWorkspace = {}, kubernetes: ofCluster = {} }: Options = {}) {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped()
  const kubeconfig = `${directory}/kubeconfig`
  const ca = `${directory}/ca.pem`
  const kubernetes = yield* KubernetesApi.make({
    tls: { caFile: ca },
    kubeconfigFile: kubeconfig,
    secrets,
    serviceAccounts,
    ...ofCluster
  })
  const policy = (subject: string) => ({ issuer: kubernetes.issuer, audiences: ["databricks"], subject })
  const workspace = yield* DatabricksWorkspace.make({
    accessTokens: "jwt",
    trustedCas: [yield* files.readFileString(ca)],
    users: [
      { userName: "ann@example.com", pats: [canaries.pat] },
      { userName: "shared@example.com", pats: [canaries.connectorPat] }
    ],
    servicePrincipals: [
      { applicationId: principals.team, secrets: [canaries.secret] },
      {
        applicationId: principals.connector,
        secrets: [canaries.connectorSecret],
        federationPolicies: [policy("system:serviceaccount:flyte:flyteconnector")]
      },
      { applicationId: principals.outsider, secrets: [canaries.secret], inWorkspace: false },
      {
        applicationId: principals.federated,
        secrets: [],
        federationPolicies: [
          policy("system:serviceaccount:team-oidc:databricks"),
          policy("system:serviceaccount:team-audience:databricks")
        ]
      }
    ],
    ...ofWorkspace
  })
  const tokenFile = `${directory}/token`
  const projectToken = (token: Partial<Parameters<typeof kubernetes.mintToken>[0]> = {}) =>
    Effect.flatMap(
      kubernetes.mintToken({ sub: "system:serviceaccount:flyte:flyteconnector", aud: ["databricks"], ...token }),
      (jwt) => files.writeFileString(tokenFile, Redacted.value(jwt))
    )

  const environment = {
    FLYTE_DATABRICKS_INSTANCE: workspace.url,
    FLYTE_SECRETS_DEFAULT_DIR: `${directory}/mounted`,
    FLYTE_DATABRICKS_CA_FILE: ca,
    KUBECONFIG: kubeconfig,
    // As the image has it.
    NODE_OPTIONS: "--max-semi-space-size=8",
    // Nobody listens there, whatever else this machine runs.
    FLYTE_DATABRICKS_LISTEN_PORT: "1"
  }
  const said: Array<string> = []

  /** Runs a command line with these variables beside the usual ones; `undefined` unsets one. */
  const run = Effect.fnUntraced(function* (
    args: ReadonlyArray<string>,
    env: Readonly<Record<string, string | undefined>> = {}
  ) {
    const { exitCode, stdout, stderr } = yield* commandLine(args, { ...environment, ...env })
    said.push(stdout, stderr)
    return { exitCode, stdout, stderr }
  })

  /** Text without what is another one each time. */
  const normal = (text: string) =>
    text
      .replaceAll(kubernetes.url, "https://kubernetes.example")
      .replaceAll(workspace.url, "http://workspace.example")
      .replaceAll(new URL(workspace.url).host, "workspace.example")
      .replaceAll(directory, "/directory")
      .replaceAll(/:\d{4,5}\b/g, ":PORT")
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "TIME")
      .replaceAll(/Node\.js v[\d.]+/g, "Node.js VERSION")
      .replaceAll(/(_limit"?:? +"?)(\d+ MiB|none)/g, "$1N MiB")
      // What a machine without a way out to a name server says.
      .replaceAll("EAI_AGAIN", "ENOTFOUND")
      .replaceAll(/tried \d+ times/g, "tried N times")
      .replaceAll(/\(after \d+ ms\)/g, "(after N ms)")
      .replaceAll(/(LISTEN_PORT"?:? +"?)\d+/g, "$1PORT")
      .replaceAll(/(error id|ReqId:) [0-9a-f-]{36}/g, "$1 ID")
      .replaceAll(/(?<![\w-])[\w-]{43}(?![\w-])/g, "KID")

  /** The same command as text and as JSON, each beside its golden file. */
  const golden = Effect.fnUntraced(function* (
    name: string,
    args: ReadonlyArray<string>,
    env: Readonly<Record<string, string | undefined>> = {}
  ) {
    const text = yield* run(args, env)
    const json = yield* run([...args, "-o", "json"], env)
    assert.strictEqual(json.exitCode, text.exitCode)
    assert.strictEqual(JSON.parse(json.stdout).exitCode, text.exitCode)
    yield* sameAs(`golden/${name}.txt`, `${normal(text.stdout)}\n\n[exit code ${text.exitCode}]\n`)
    yield* sameAs(`golden/${name}.json`, `${normal(json.stdout)}\n`)
    return text
  })

  /** What a command prints, beside its golden file. */
  const goldenText = Effect.fnUntraced(function* (name: string, args: ReadonlyArray<string>) {
    const { exitCode, stdout } = yield* run(args)
    assert.strictEqual(exitCode, 0)
    yield* sameAs(`golden/${name}.txt`, `${normal(stdout)}\n`)
    return stdout
  })

  /** Fails where a secret was printed: one that was configured, or one that went over the wire. */
  const keepSecrets = Effect.gen(function* () {
    const requests = [...(yield* workspace.requests.all()), ...(yield* kubernetes.requests.all())]
    const sent = requests.flatMap(({ headers, body }) => [
      headers["authorization"]?.replace(/^\w+ /, "") ?? "",
      new URLSearchParams(body).get("subject_token") ?? ""
    ])
    const known = [
      ...Object.values(canaries),
      "wrong-canary",
      "pat-canary-that-was-revoked",
      Redacted.value(kubernetes.token)
    ]
    const signatures = sent.flatMap((token) => token.split(".").slice(2))
    for (const secret of [...known, ...sent, ...signatures].filter((text) => text.length > 5)) {
      assert.notInclude(said.join("\n"), secret)
    }
  })

  return { workspace, kubernetes, directory, tokenFile, projectToken, run, golden, goldenText, keepSecrets, files }
})

/** Runs a command line in an environment. */
export const commandLine = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>
) {
  const provider = ConfigProvider.fromEnv({ env: env as Record<string, string> })
  const { exit, lines, errors } = yield* Effect.gen(function* () {
    const exit = yield* Effect.exit(withUsage(Command.runWith(connector, { version: "0" })(args)))
    return { exit, lines: yield* TestConsole.logLines, errors: yield* TestConsole.errorLines }
  }).pipe(
    Effect.provide(Layer.mergeAll(ConfigProvider.layer(provider), TestConsole.layer, NodeServices.layer)),
    Effect.scoped
  )
  if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) assert.fail(Cause.pretty(exit.cause))
  const exitCode = Exit.isSuccess(exit) ? 0 : Runtime.getErrorExitCode(Cause.squash(exit.cause))
  return { exitCode, stdout: lines.join("\n"), stderr: errors.join("\n") }
})

export type Bench = Effect.Success<ReturnType<typeof make>>

/** `vitest -u` writes the files anew. Read what changed before you keep it. */
const sameAs = (file: string, text: string) =>
  // oxlint-disable-next-line vitest/no-standalone-expect
  Effect.promise(() => expect(text).toMatchFileSnapshot(file))

const connector = Command.make("connector").pipe(Command.withSubcommands([...commands]))

/** A test on a bench of its own, which ends by looking for secrets in what was printed. */
export const onBench =
  (use: (bench: Bench) => Effect.Effect<unknown, unknown, FileSystem.FileSystem>, options: Options = {}) =>
  (): Effect.Effect<void, unknown> =>
    Effect.gen(function* () {
      const bench = yield* make(options)
      yield* use(bench)
      yield* bench.keepSecrets
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
