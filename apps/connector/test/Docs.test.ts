/** What README.md and deploy/ say is what the code does: names, defaults, rights, and manifests that it takes as they are. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  type AuthError,
  AuthRequest,
  ClientCredentialsSource,
  ConnectorSecrets,
  ConnectorSettings,
  DatabricksAuth,
  Kubernetes,
  NamespaceSecrets,
  Pat,
  PatSource,
  ServiceAccountTokens,
  TokenPolicy
} from "@flyte-databricks/databricks-auth"
import { JobsClient } from "@flyte-databricks/databricks-jobs"
import { ConfigProvider, Duration, Effect, FileSystem, Layer, Option, Path, Redacted } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseAllDocuments } from "yaml"
import * as Serve from "../src/cli/Serve.ts"
import type * as Server from "../src/grpc/Server.ts"
import * as DatabricksConnector from "../src/DatabricksConnector.ts"
import * as Logging from "../src/telemetry/Logging.ts"
import * as DatabricksHttp from "../src/DatabricksHttp.ts"
import * as Settings from "../src/Settings.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const files = (pattern: string) => globSync(pattern, { cwd: root }).toSorted()
const read = (file: string) => readFileSync(join(root, file), "utf8")

const readme = read("README.md")
const deploy = files("deploy/**/*.{md,yaml,json}")
const manifests = deploy.filter((file) => file.endsWith(".yaml"))
const documents = [readme, ...deploy.map(read)].join("\n")
const sources = files("{packages,apps}/*/src/**/*.ts").map(read).join("\n")

const section = (title: string) =>
  readme.split(`\n## ${title}\n`)[1]?.split("\n## ")[0] ?? assert.fail(`no section ${title}`)
const rows = (text: string) =>
  [...text.matchAll(/^\|(.*)\|$/gm)].map(([, row = ""]) => row.split("|").map((cell) => cell.trim())).slice(2)
const spans = (cell: string | undefined) => [...(cell ?? "").matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span)
const unique = (names: Iterable<string>) => [...new Set(names)].toSorted()
const matches = (text: string, pattern: RegExp) =>
  unique([...text.matchAll(pattern)].map((match) => match[1] ?? match[0]))
const variable = /\b(?:FLYTE|DATABRICKS|AWS)_(?!DATABRICKS\b)[A-Z][A-Z0-9_]*/g

const settings = rows(section("Settings")).map(([setting = "", task, environment, byDefault]) => ({
  setting,
  task: spans(task),
  variables: spans(environment).filter((span) => /^[A-Z_]+$/.test(span)),
  byDefault: spans(byDefault)[0]
}))

/** A machine on which nothing is configured; it remembers what it was asked for. */
const bare = <A, E, R>(use: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const asked = new Set<string>()
    const opened: Array<string> = []
    const environment = ConfigProvider.make((path) => Effect.sync(() => void asked.add(path.join("_"))))
    const disk = FileSystem.layerNoop({ readFileString: (file) => Effect.sync(() => (opened.push(file), "")) })
    const value = yield* use.pipe(Effect.provide(Layer.mergeAll(disk, Path.layer, ConfigProvider.layer(environment))))
    return { value, asked: unique(asked), opened }
  })

/** The connector's flags, as its command reads them. */
const flags = Effect.gen(function* () {
  let parsed = Option.none<Server.Options & { readonly prometheusPort: number }>()
  const command = Command.withHandler(Serve.command, (options) =>
    Effect.sync(() => void (parsed = Option.some(options)))
  )
  yield* Command.runWith(command, { version: "0" })([])
  return yield* Effect.fromOption(parsed)
}).pipe(Effect.provide(NodeServices.layer))

const nobody = { namespace: "team-a", custom: { databricksInstance: "dbc-a1b2.cloud.databricks.com" } }

/** Starts everything that reads settings, and looks for an identity at every place. */
const everything = Effect.gen(function* () {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const { reason } = yield* Effect.flip(auth.resolve(nobody))
  yield* DatabricksConnector.DatabricksConnector
  return {
    reason,
    flags: yield* flags,
    taskTypes: yield* Settings.taskTypes,
    createPatience: yield* Settings.createPatience,
    pollPatience: yield* Settings.pollPatience,
    settings: yield* ConnectorSettings.fromConfig
  }
}).pipe(
  Effect.provide(
    DatabricksConnector.layer.pipe(
      Layer.provide(Layer.mock(JobsClient.JobsClient, {})),
      Layer.provideMerge(DatabricksAuth.layerConfig),
      Layer.provide([Kubernetes.layerMemory(), DatabricksHttp.layer]),
      Layer.merge(Logging.layer)
    )
  ),
  bare
)

const durationOf = (input: unknown): Duration.Duration =>
  Duration.isDuration(input) ? input : Duration.fromInputUnsafe(input as Duration.Input)
const units = [
  [3600, "hour"],
  [60, "minute"]
] as const
/** A duration as people write it. */
const spoken = (input: unknown): string => {
  const seconds = Duration.toSeconds(durationOf(input))
  const [size, unit] = units.find(([size]) => seconds % size === 0) ?? [1, "second"]
  const count = seconds / size
  return `${count} ${unit}${count === 1 ? "" : "s"}`
}

/** A heading's anchor, as GitHub makes it. */
const slug = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, "")
    .replaceAll(" ", "-")

const objects = (file: string): ReadonlyArray<Manifest> =>
  parseAllDocuments(read(file), { strict: true }).map((document) => {
    assert.deepStrictEqual([...document.errors, ...document.warnings], [], file)
    return document.toJS()
  })

const [offered = assert.fail("no ServiceAccount")] = objects("deploy/examples/oidc-namespace/serviceaccount.yaml").map(
  ({ metadata }) => metadata ?? assert.fail("no metadata")
)
const connectorAccount = { name: "flyteconnector", namespace: "flyte" }

/** The sources of credentials, in a cluster to which the examples were applied. */
const coreLayer = () => {
  const secrets = ["pat", "oauth-m2m"].flatMap((mode) => objects(`deploy/examples/${mode}/secret.yaml`))
  const cluster = Kubernetes.layerMemory(
    Object.fromEntries(secrets.map(({ metadata, stringData = {} }) => [`NAMESPACE/${metadata?.name}`, stringData])),
    { [`NAMESPACE/${offered.name}`]: offered }
  )
  return Layer.mergeAll(PatSource.layer, ClientCredentialsSource.layer, ServiceAccountTokens.layer).pipe(
    Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory()]),
    Layer.provideMerge([cluster, ConnectorSettings.layerConfig]),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })))
  )
}

const core = Effect.gen(function* () {
  return {
    memory: yield* Kubernetes.KubernetesMemory,
    own: yield* ConnectorSettings.ConnectorSettings,
    pats: yield* PatSource.PatSource,
    oauth: yield* ClientCredentialsSource.ClientCredentialsSource,
    serviceAccounts: yield* ServiceAccountTokens.ServiceAccountTokens
  }
})

describe("README.md", () => {
  it.effect("has the variables that the connector reads in its settings, and no others", () =>
    Effect.gen(function* () {
      // A secret is looked for under its name, and under Flyte's prefix and its name; a proxy in lower case too.
      const asked = (yield* everything).asked.filter((name) => !name.startsWith("_FSEC_") && !name.endsWith("_proxy"))
      assert.deepStrictEqual(unique(settings.flatMap(({ variables }) => variables)), asked)
    })
  )

  it("names no variable, nor do the manifests and messages, that nothing reads", () => {
    const known = new Set(settings.flatMap(({ variables }) => variables))
    // The first is for tests, the second is given to jobs.
    const others = ["FLYTE_DATABRICKS_PYTHON", "FLYTE_FAIL_ON_ERROR"]
    const unknown = matches(`${documents}\n${sources}`, variable).filter((name) => !known.has(name))
    assert.deepStrictEqual(unknown, others)
    assert.include(sources, 'Config.String("FLYTE_DATABRICKS_PYTHON")')
  })

  it.effect("has the defaults of the code", () =>
    Effect.gen(function* () {
      const { value } = yield* everything
      const { flags, settings: own } = value
      const { asked, opened } = yield* bare(
        ConnectorSecrets.ConnectorSecrets.use((secrets) => secrets.find("NAME")).pipe(
          Effect.provide(ConnectorSecrets.layer)
        )
      )
      const expected: Record<string, unknown> = {
        FLYTE_DATABRICKS_AUTH_TYPE: Option.getOrUndefined(own.authType),
        FLYTE_DATABRICKS_INSTANCE: Option.getOrUndefined(own.instance),
        FLYTE_DATABRICKS_CLIENT_ID: undefined,
        FLYTE_DATABRICKS_CLIENT_SECRET: undefined,
        FLYTE_DATABRICKS_ACCESS_TOKEN: undefined,
        FLYTE_DATABRICKS_TOKEN_SECRET_NAME: own.tokenSecretName,
        FLYTE_DATABRICKS_OAUTH_SECRET_NAME: own.oauthSecretName,
        FLYTE_DATABRICKS_OIDC_TOKEN_FILE: own.tokenFiles.byDefault,
        FLYTE_DATABRICKS_OIDC_AUDIENCE: own.oidcAudience,
        FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS: own.taskTokenFileDirs[0],
        FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER: undefined,
        FLYTE_DATABRICKS_ALLOWED_INSTANCES: undefined,
        FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: String(own.allowTaskAuthOverride),
        FLYTE_DATABRICKS_NAMESPACE_IDENTITY: own.namespaceIdentity,
        FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: own.namespaceTemplate,
        FLYTE_DATABRICKS_PERSIST_PAT: String(own.persistPat),
        FLYTE_DATABRICKS_LISTEN_HOST: flags.host,
        FLYTE_DATABRICKS_LISTEN_PORT: String(flags.port),
        FLYTE_DATABRICKS_PROMETHEUS_PORT: String(flags.prometheusPort),
        FLYTE_DATABRICKS_MAX_MESSAGE_BYTES: String(flags.maxMessageBytes),
        FLYTE_DATABRICKS_MAX_CONCURRENT_STREAMS: String(flags.maxConcurrentStreams),
        FLYTE_DATABRICKS_MAX_CONNECTION_AGE: spoken(flags.maxConnectionAge),
        FLYTE_DATABRICKS_DRAIN_DELAY: spoken(flags.drainDelay),
        FLYTE_DATABRICKS_DRAIN_TIMEOUT: spoken(flags.drainTimeout),
        FLYTE_DATABRICKS_TASK_TYPES: value.taskTypes.join(","),
        FLYTE_DATABRICKS_CREATE_PATIENCE: Duration.isFinite(value.createPatience)
          ? spoken(value.createPatience)
          : undefined,
        FLYTE_DATABRICKS_POLL_PATIENCE: spoken(value.pollPatience),
        HTTPS_PROXY: undefined,
        NO_PROXY: undefined,
        FLYTE_DATABRICKS_CA_FILE: undefined,
        FLYTE_DATABRICKS_LOG_FORMAT: /"FLYTE_DATABRICKS_LOG_FORMAT"\)\.pipe\(\s*Config\.withDefault\("(\w+)"\)/.exec(
          sources
        )?.[1],
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
      const asked = new Set<string>()
      const custom = new Proxy({}, { getOwnPropertyDescriptor: (_, key) => void asked.add(String(key)) })
      const instance = ConfigProvider.fromEnv({ env: { FLYTE_DATABRICKS_INSTANCE: nobody.custom.databricksInstance } })
      const own = yield* Effect.provide(ConnectorSettings.fromConfig, ConfigProvider.layer(instance))
      yield* AuthRequest.make(own, { custom })
      const camel = (key: string) => key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
      assert.deepStrictEqual(
        unique(settings.flatMap(({ task }) => task.map(camel))),
        unique([...asked, "databricksServiceCredentialProvider"])
      )
      assert.match(sources, /\bdatabricksServiceCredentialProvider\b/)
    })
  )

  it.effect("has the places for an identity in the order in which they are looked at", () =>
    Effect.gen(function* () {
      const { reason } = (yield* everything).value
      if (reason._tag !== "CredentialsMissing") return assert.fail(reason.message)
      const places = [
        /ServiceAccount/,
        /client id and projected/,
        /databricks-oauth/,
        /client.id and .*secret/i,
        /databricks-token/,
        /access.token/i
      ]
      const looked = reason.looked.map(({ source }) => source)
      const said = rows(section("How an identity is chosen")).slice(0, looked.length)
      assert.lengthOf(looked, places.length)
      for (const [index, place] of places.entries()) {
        assert.match(looked[index] ?? "", place)
        assert.match(said[index]?.[1] ?? "", place)
      }
    })
  )

  it.effect("says for how long what was read counts", () =>
    Effect.gen(function* () {
      const text = section("Settings").replaceAll(/\s+/g, " ")
      const secret = yield* NamespaceSecrets.SecretTimeToLive
      const discovery = yield* ServiceAccountTokens.DiscoveryTimeToLive
      assert.include(
        text,
        `a Secret for ${spoken(secret.present)}, an annotated ServiceAccount for ${spoken(discovery.present)}`
      )
      assert.include(text, `there is none, for ${spoken(secret.absent)} and ${spoken(discovery.absent)}`)
      assert.include(text, `A PAT is read again within ${spoken(yield* Pat.PatLifetime)}`)
    })
  )

  it("says of tokens what the policy says", () => {
    const text = section("How tokens are kept fresh").replaceAll(/\s+/g, " ")
    const { expiryBuffer, refreshLead, idleTimeToLive, capacity } = TokenPolicy.defaults
    assert.include(text, `in its last ${spoken(expiryBuffer)}`)
    assert.deepStrictEqual(refreshLead, Duration.minutes(20))
    assert.include(text, "Twenty to 28 minutes before a token can no longer be used")
    assert.deepStrictEqual(idleTimeToLive, Duration.hours(1))
    assert.include(text, "forgotten after an hour")
    assert.include(text, `At most ${capacity.toLocaleString("en")} are kept`)
  })

  it("quotes errors in the words that the code has for them", () => {
    const quoted = rows(section("When something is wrong")).flatMap(([message]) => spans(message))
    assert.isNotEmpty(quoted)
    assert.deepStrictEqual(
      quoted.filter((words) => !words.split("…").every((part) => sources.includes(part.trim()))),
      []
    )
  })

  it("has only npm scripts that exist", () => {
    const { scripts } = JSON.parse(read("package.json"))
    const named = [...matches(readme, /npm run (?:-s )?([\w:-]+)/g), ...matches(readme, /npm (start|test)\b/g)]
    assert.includeMembers(named, ["connector", "start"])
    assert.containsAllKeys(scripts, named)
  })

  it.effect("has only flags that `serve --help` lists", () =>
    Effect.gen(function* () {
      yield* Command.runWith(Serve.command, { version: "0" })(["--help"]).pipe(Effect.provide(NodeServices.layer))
      const help = matches((yield* TestConsole.logLines).join("\n"), /--[a-z-]+/g)
      const calls = matches(readme.replaceAll(/\s+/g, " "), /connector -- serve((?: --[\w-]+(?: \d+)?)+)/g)
      const named = matches(calls.join(" "), /--[a-z-]+/g)
      assert.includeMembers(named, ["--port", "--help"])
      assert.includeMembers(help, named)
    })
  )
})

const anchorsOf = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => slug(heading)))

describe("README.md and deploy/", () => {
  it("mark ServiceAccounts as the code looks for them", () => {
    const { audienceAnnotation, clientIdAnnotation, enabledLabel } = ServiceAccountTokens
    const marks = [audienceAnnotation, clientIdAnnotation, enabledLabel]
    assert.deepStrictEqual(matches(readme, /flyte\.org\/[a-z-]*[a-z]/g), marks)
    assert.deepStrictEqual(matches(documents, /flyte\.org\/[a-z-]*[a-z]/g), marks)
  })

  for (const file of ["README.md", ...deploy.filter((file) => file.endsWith(".md"))]) {
    it(`${file}: every link and every path leads somewhere`, () => {
      const text = read(file)
      const links = matches(text, /\]\(([^)\s]+)\)/g).filter((link) => !/^\w+:/.test(link))
      const broken = links.filter((link) => {
        const [path = "", anchor] = link.split("#")
        const target = path === "" ? file : join(dirname(file), path)
        return !existsSync(join(root, target)) || (anchor !== undefined && !anchorsOf(read(target)).has(anchor))
      })
      const missing = matches(text, /(?<=[\s@`])(deploy\/[\w/.-]*\w)/g).filter((path) => !existsSync(join(root, path)))
      assert.isNotEmpty(links)
      assert.deepStrictEqual([...broken, ...missing], [])
    })
  }

  it("have commands in their manifests that lead to these manifests", () => {
    for (const file of manifests) {
      const paths = matches(read(file), /(deploy\/[\w/.-]*\.yaml)/g)
      assert.deepStrictEqual(paths, [file])
    }
  })
})

describe("the rights in deploy/rbac", () => {
  const forbidden = new Kubernetes.Forbidden({ detail: "forbidden" })
  /** What an error says is missing, as a rule has it. */
  const missing = <A, R>(effect: Effect.Effect<A, AuthError.AuthError, R>) =>
    Effect.map(Effect.flip(effect), ({ reason }) => {
      if (reason._tag !== "AccessForbidden") return assert.fail(reason.message)
      return { resource: reason.resource, verb: reason.verb, name: reason.resourceName ?? "" }
    })

  const needs = Effect.gen(function* () {
    const { memory, oauth, own, pats, serviceAccounts } = yield* core
    yield* memory.failSecret("team-a", own.tokenSecretName, forbidden)
    yield* memory.failSecret("team-a", own.oauthSecretName, forbidden)
    yield* memory.failServiceAccounts("team-a", Option.some(forbidden))
    yield* memory.setServiceAccount("team-a", offered.name, {})
    yield* memory.onTokenRequest(() => Effect.fail(new Kubernetes.KubernetesError({ reason: forbidden })))
    return {
      pat: [yield* missing(pats.namespaceSecret("team-a", own.tokenSecretName))],
      "oauth-m2m": [yield* missing(oauth.namespaceSecret("team-a", own.oauthSecretName))],
      "oidc-namespace": [
        yield* missing(serviceAccounts.discover("team-a")),
        yield* missing(serviceAccounts.mint("team-a", offered.name, own.oidcAudience))
      ]
    }
  }).pipe(Effect.provide(coreLayer()))

  it.effect("are those that errors name, mode by mode, and no more", () =>
    Effect.gen(function* () {
      for (const [mode, rights] of Object.entries(yield* needs)) {
        for (const variant of ["cluster-wide", "per-namespace"]) {
          const file = `deploy/rbac/${mode}/${variant}.yaml`
          const [role, binding, ...more] = objects(file)
          const granted = role?.rules?.flatMap(({ apiGroups, resources, resourceNames = [""], verbs }) => {
            assert.deepStrictEqual(apiGroups, [""], file)
            return resources.flatMap((resource) =>
              verbs.flatMap((verb) => resourceNames.map((name) => ({ resource, verb, name })))
            )
          })
          assert.deepStrictEqual(granted, rights, file)
          const kind = variant === "cluster-wide" ? "ClusterRole" : "Role"
          assert.deepStrictEqual([role?.kind, binding?.kind, more], [kind, `${kind}Binding`, []], file)
          assert.deepStrictEqual(binding?.roleRef, {
            apiGroup: "rbac.authorization.k8s.io",
            kind,
            name: role?.metadata?.name
          })
          assert.deepStrictEqual(binding?.subjects, [{ kind: "ServiceAccount", ...connectorAccount }], file)
          // `kubectl apply --namespace` says which.
          assert.isUndefined(role?.metadata?.namespace, file)
        }
      }
      assert.lengthOf(files("deploy/rbac/**/*.yaml"), 6)
    })
  )
})

describe("the examples in deploy/examples", () => {
  const [patch] = objects("deploy/examples/oidc-connector/deployment-patch.yaml")
  const deployment = objects("deploy/examples/deployment.yaml").find(({ kind }) => kind === "Deployment")
  const pod = (object: Manifest | undefined) => object?.spec?.template?.spec

  it("are manifests, each with an apiVersion and a kind", () => {
    for (const file of manifests.filter((file) => !file.endsWith("-patch.yaml"))) {
      for (const { apiVersion, kind, metadata } of objects(file)) {
        assert.isString(apiVersion, file)
        assert.isString(kind, file)
        assert.isString(metadata?.name, file)
      }
    }
  })

  it.effect("hold whole credentials, once the words in capitals are replaced", () =>
    Effect.gen(function* () {
      const { oauth, own, pats, serviceAccounts } = yield* core
      const token = yield* Effect.fromOption(yield* pats.namespaceSecret("NAMESPACE", own.tokenSecretName))
      assert.strictEqual(Redacted.value(token), "PERSONAL_ACCESS_TOKEN")
      const pair = yield* Effect.fromOption(yield* oauth.namespaceSecret("NAMESPACE", own.oauthSecretName))
      assert.deepStrictEqual([pair.clientId, Redacted.value(pair.clientSecret)], ["APPLICATION_ID", "OAUTH_SECRET"])
      const { offers } = yield* serviceAccounts.discover("NAMESPACE")
      assert.deepStrictEqual(offers, [
        { serviceAccount: offered.name, clientId: "APPLICATION_ID", audience: Option.none() }
      ])
    }).pipe(Effect.provide(coreLayer()))
  )

  it.effect("have federation policies that let in what Kubernetes says in its tokens", () =>
    Effect.gen(function* () {
      const { memory, own, serviceAccounts } = yield* core
      yield* memory.setServiceAccount(connectorAccount.namespace, connectorAccount.name, {})
      const accounts = {
        "oidc-namespace": { namespace: "NAMESPACE", name: offered.name },
        "oidc-connector": connectorAccount
      }
      for (const [model, { name, namespace }] of Object.entries(accounts)) {
        const { claims } = yield* serviceAccounts.mint(namespace, name, own.oidcAudience)
        const policy = JSON.parse(read(`deploy/examples/${model}/federation-policy.json`))
        const { aud: audiences, sub: subject } = claims
        assert.deepStrictEqual(policy, { oidc_policy: { issuer: "https://ISSUER", audiences, subject } })
      }
      const inReadme = readme.match(/```json\n([^`]*)```/)?.[1] ?? ""
      assert.deepStrictEqual(
        JSON.parse(inReadme),
        JSON.parse(read("deploy/examples/oidc-namespace/federation-policy.json"))
      )
    }).pipe(Effect.provide(coreLayer()))
  )

  it.effect("mount the projected token where the connector looks for it, for its audience", () =>
    Effect.gen(function* () {
      const { own } = yield* core
      const container = pod(patch)?.containers?.[0]
      const projected = pod(patch)?.volumes?.[0]
      const token = projected?.projected?.sources?.[0]?.serviceAccountToken
      assert.strictEqual(`${container?.volumeMounts?.[0]?.mountPath}/${token?.path}`, own.tokenFiles.byDefault)
      assert.strictEqual(container?.volumeMounts?.[0]?.name, projected?.name)
      assert.strictEqual(token?.audience, own.oidcAudience)
      assert.strictEqual(container?.name, pod(deployment)?.containers?.[0]?.name)
    }).pipe(Effect.provide(coreLayer()))
  )

  it.effect("serve where Flyte's chart expects it, and give it the time to drain", () =>
    Effect.gen(function* () {
      const { flags } = (yield* everything).value
      const container = pod(deployment)?.containers?.[0]
      const ports = [container?.ports?.[0]?.containerPort, container?.readinessProbe?.grpc?.port]
      assert.deepStrictEqual(ports, [flags.port, flags.port])
      assert.isAbove(
        pod(deployment)?.terminationGracePeriodSeconds ?? 0,
        Duration.toSeconds(durationOf(flags.drainTimeout))
      )
      assert.deepInclude(pod(deployment), { serviceAccountName: connectorAccount.name })
      assert.deepInclude(deployment?.metadata, connectorAccount)
      const [node = "", main = ""] = container?.command ?? []
      assert.isTrue(existsSync(join(root, node)) && existsSync(join(root, main)))
    })
  )
})

/** As much of a manifest as is looked at here. */
interface Manifest {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: { readonly name: string; readonly namespace?: string } & Kubernetes.MemoryServiceAccount
  readonly stringData?: Record<string, string>
  readonly rules?: ReadonlyArray<
    Record<"apiGroups" | "resources" | "verbs", Array<string>> & { resourceNames?: Array<string> }
  >
  readonly roleRef?: unknown
  readonly subjects?: unknown
  readonly spec?: { readonly template?: { readonly spec?: Pod } }
}

interface Pod {
  readonly serviceAccountName?: string
  readonly terminationGracePeriodSeconds?: number
  readonly containers?: ReadonlyArray<{
    readonly name: string
    readonly command?: ReadonlyArray<string>
    readonly ports?: ReadonlyArray<{ readonly containerPort: number }>
    readonly readinessProbe?: { readonly grpc?: { readonly port: number } }
    readonly volumeMounts?: ReadonlyArray<{ readonly name: string; readonly mountPath: string }>
  }>
  readonly volumes?: ReadonlyArray<{
    readonly name: string
    readonly projected?: {
      readonly sources?: ReadonlyArray<{
        readonly serviceAccountToken?: { readonly path: string; readonly audience: string }
      }>
    }
  }>
}
