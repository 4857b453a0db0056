/**
 * One task in one world, asked of Flyte's own connector and of this one: who would it be? Flyte's is its own code, in one
 * long-lived Python process; the cluster, the files and the token endpoint are the same for both.
 */
import { NodeServices } from "@effect/platform-node"
import {
  ClientCredentialsSource,
  ConnectorSecrets,
  ConnectorSettings,
  DatabricksAuth,
  Kubernetes,
  NamespaceSecrets,
  PatSource,
  ProjectedToken,
  ServiceAccountTokens,
  TaskSettings,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import {
  ConfigProvider,
  Context,
  Duration,
  Effect,
  FileSystem,
  Layer,
  Option,
  Path,
  PlatformError,
  Queue,
  Redacted,
  Result,
  Schema,
  Stream
} from "effect"
import { Base64Url } from "effect/encoding"
import { ChildProcess } from "effect/process"
import * as PythonConnector from "./PythonConnector.ts"

const namespace = "team-a"
const enabled = { "flyte.org/databricks-enabled": "true" }

/** What stands in a Secret: its data, that there is none, or what Kubernetes says instead. */
const secretOf = (whole: Record<string, string>) => {
  const [first = ""] = Object.keys(whole)
  const { [first]: _, ...lacking } = whole
  return { absent: undefined, whole, lacking, blank: { ...whole, [first]: "  " }, forbidden: 403, unavailable: 503 }
}
const secretStates = ["absent", "whole", "lacking", "blank", "forbidden", "unavailable"] as const
const patSecret = secretOf({ token: "dapi-namespace" })
const oauthSecret = secretOf({ client_id: "app-namespace", client_secret: "secret-namespace" })
const offer = (clientId: string, more: Record<string, string> = {}) => ({
  "flyte.org/databricks-client-id": clientId,
  ...more
})
const accounts: Record<string, Record<string, Record<string, string>> | number> = {
  none: {},
  one: { spark: offer("app-spark") },
  "one for another audience": { spark: offer("app-spark", { "flyte.org/databricks-audience": "vault" }) },
  "one without a client id": { spark: {} },
  two: { spark: offer("app-spark"), other: offer("app-other") },
  forbidden: 403,
  unavailable: 503
}

const authTypes = ["unset", "pat", "oauth_m2m", "oidc_federation"] as const
const named = ["unset", "there", "missing"] as const

/** Everything that there may be around a task, with what Flyte's own connector knows of. */
export const World = Schema.Struct({
  authType: Schema.Literals(authTypes),
  connectorPat: Schema.Literals(["unset", "plain", "prefixed", "blank"]),
  clientId: Schema.Boolean,
  clientSecret: Schema.Boolean,
  tokenFile: Schema.Literals(named),
  awsFile: Schema.Literals(["unset", "there", "missing", "for AWS"]),
  defaultFile: Schema.Boolean,
  /** Whether the connector may look into namespaces at all. */
  rights: Schema.Boolean,
  hasNamespace: Schema.Boolean,
  patSecret: Schema.Literals(secretStates),
  oauthSecret: Schema.Literals(secretStates),
  accounts: Schema.Literals(Object.keys(accounts)),
  task: Schema.Struct({
    authType: Schema.Literals(authTypes),
    tokenSecret: Schema.Literals(named),
    oauthSecret: Schema.Literals(named),
    clientId: Schema.Literals(["unset", "the connector's", "another"]),
    tokenFile: Schema.Literals(named),
    audience: Schema.Boolean
  })
})
export type World = typeof World.Type

const jwtOf = (sub: string, aud: string) =>
  [{ alg: "RS256" }, { iss: "https://issuer", sub, aud: [aud], exp: 4_000_000_000 }]
    .map((part) => Base64Url.encode(JSON.stringify(part)))
    .concat("signature")
    .join(".")

const jwts = {
  named: jwtOf("named", "databricks"),
  aws: jwtOf("aws", "databricks"),
  "for-aws": jwtOf("for-aws", "sts.amazonaws.com"),
  default: jwtOf("default", "databricks"),
  task: jwtOf("task", "databricks")
}
const fileNames: Record<string, string> = { there: "aws", missing: "missing", "for AWS": "for-aws" }

const sometimes = <A>(key: string, value: A | undefined): Record<string, A> =>
  value === undefined ? {} : { [key]: value }

/** The variables that Flyte's own connector has in this world. */
const environment = (world: World, directory: string): Record<string, string> => ({
  ...sometimes("FLYTE_DATABRICKS_AUTH_TYPE", world.authType === "unset" ? undefined : world.authType),
  ...(world.connectorPat === "unset"
    ? {}
    : {
        [`${world.connectorPat === "plain" ? "" : "_FSEC_"}FLYTE_DATABRICKS_ACCESS_TOKEN`]:
          world.connectorPat === "blank" ? " " : "dapi-connector"
      }),
  ...sometimes("DATABRICKS_CLIENT_ID", world.clientId ? "app-connector" : undefined),
  ...sometimes("DATABRICKS_CLIENT_SECRET", world.clientSecret ? "secret-connector" : undefined),
  ...sometimes("FLYTE_DATABRICKS_OIDC_TOKEN_FILE", fileOf(directory, world.tokenFile, "named")),
  ...sometimes(
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    world.awsFile === "unset" ? undefined : `${directory}/${fileNames[world.awsFile]}`
  )
})

const fileOf = (directory: string, state: (typeof named)[number], name: string) =>
  state === "unset" ? undefined : `${directory}/${state === "there" ? name : "missing"}`

const nameOf = (state: (typeof named)[number], name: string) =>
  state === "unset" ? undefined : state === "there" ? name : "no-such-secret"

/** What the task says of its identity. */
const custom = ({ task }: World, directory: string): Record<string, string> => ({
  ...sometimes("databricksAuthType", task.authType === "unset" ? undefined : task.authType),
  ...sometimes("databricksTokenSecret", nameOf(task.tokenSecret, "task-token")),
  ...sometimes("databricksOauthSecret", nameOf(task.oauthSecret, "task-oauth")),
  ...sometimes(
    "databricksClientId",
    task.clientId === "unset" ? undefined : task.clientId === "another" ? "app-another" : "app-connector"
  ),
  ...sometimes("databricksOidcTokenFile", fileOf(directory, task.tokenFile, "task")),
  ...sometimes("databricksOidcAudience", task.audience ? "account-id" : undefined)
})

/** The cluster's answers by path; a number is the status of a failure. */
const cluster = (world: World): Record<string, unknown> => {
  const secrets = {
    "databricks-token": patSecret[world.patSecret],
    "databricks-oauth": oauthSecret[world.oauthSecret],
    "task-token": { token: "dapi-task" },
    "task-oauth": { client_id: "app-task", client_secret: "secret-task" }
  }
  const answers = Object.entries(secrets).map(([name, answer]) => [
    `${namespace}/secrets/${name}`,
    world.rights ? answer : 403
  ])
  return Object.fromEntries([
    ...answers.filter(([, answer]) => answer !== undefined),
    ...(world.rights ? [] : [[`${namespace}/secrets/no-such-secret`, 403]]),
    [`${namespace}/serviceaccounts`, world.rights ? accounts[world.accounts] : 403]
  ])
}

/** Whom a connector took the task for, by what its bearer token was got with; or that it refused it. */
const Taken = Schema.Union([Schema.Struct({ bearer: Schema.String }), Schema.Struct({ error: Schema.String })])
export type Taken = typeof Taken.Type
const decodeTaken = Schema.decodeUnknownSync(Schema.fromJsonString(Taken))

/** Both connectors. */
export class Swap extends Context.Service<
  Swap,
  {
    readonly flytes: (version: string, world: World) => Effect.Effect<Taken>
    readonly ours: (world: World, more: Record<string, string>) => Effect.Effect<Taken>
  }
>()("@flyte-databricks/connector/test/Swap") {}

/** One version, asked about one world after the other. */
const start = Effect.fnUntraced(function* (python: string, version: string) {
  const questions = yield* Queue.unbounded<string>()
  const answers = yield* Queue.unbounded<string>()
  const handle = yield* ChildProcess.make(python, ["-c", "import python_selection"], {
    env: PythonConnector.environment(python, version),
    extendEnv: true,
    stdin: Stream.fromQueue(questions).pipe(Stream.encodeText),
    stderr: "ignore",
    forceKillAfter: "10 seconds"
  })
  yield* handle.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => Queue.offer(answers, line)),
    Effect.forkScoped
  )
  return Effect.fnUntraced(function* (question: object) {
    yield* Queue.offer(questions, `${JSON.stringify(question)}\n`)
    return decodeTaken(yield* Queue.take(answers))
  })
})

export const layer = (python: string, versions: ReadonlyArray<string>) =>
  Layer.effect(
    Swap,
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      for (const [name, jwt] of Object.entries(jwts)) yield* files.writeFileString(`${directory}/${name}`, jwt)

      const asked = new Map(
        yield* Effect.forEach(versions, (version) =>
          Effect.map(start(python, version), (ask) => [version, ask] as const)
        )
      )
      return Swap.of({
        flytes: (version, world) =>
          asked.get(version)?.({
            env: environment(world, directory),
            custom: custom(world, directory),
            namespace: world.hasNamespace ? namespace : null,
            kubernetes: cluster(world),
            defaultTokenFile: `${directory}/${world.defaultFile ? "default" : "missing"}`
          }) ?? Effect.die(`version ${version} was not started`),
        ours: (world, more) => ours(world, directory, more)
      })
    })
  ).pipe(Layer.provide(NodeServices.layer))

const ours = (world: World, directory: string, more: Record<string, string>): Effect.Effect<Taken> => {
  const boundary = DatabricksAuth.layer.pipe(
    Layer.provide([
      PatSource.layer,
      ClientCredentialsSource.layer,
      ServiceAccountTokens.layer,
      ProjectedToken.layer,
      TokenEndpoint.layerMemory(respond)
    ]),
    Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layer]),
    Layer.provideMerge(Kubernetes.layerMemory()),
    Layer.provide(ConnectorSettings.layerConfig),
    Layer.provide([
      disk(world, directory),
      Path.layer,
      ConfigProvider.layer(
        ConfigProvider.fromEnv({
          env: {
            FLYTE_DATABRICKS_INSTANCE: "dbc-a1b2.cloud.databricks.com",
            ...environment(world, directory),
            ...more
          }
        })
      )
    ])
  )
  const submit = Effect.gen(function* () {
    yield* fill(world)
    const auth = yield* DatabricksAuth.DatabricksAuth
    const settings = yield* TaskSettings.fromCustom(custom(world, directory))
    const resolved = yield* auth.resolve({ ...(world.hasNamespace ? { namespace } : {}), settings })
    const { authorization } = yield* auth.getHeader(resolved)
    return Redacted.value(authorization).replace("Bearer ", "")
  })
  return Effect.map(
    Effect.result(Effect.provide(submit, boundary)),
    Result.match({ onFailure: ({ message }) => ({ error: message }), onSuccess: (bearer) => ({ bearer }) })
  )
}

/** Puts into the cluster in memory what stands in the other one. */
const fill = Effect.fnUntraced(function* (world: World) {
  const memory = yield* Kubernetes.KubernetesMemory
  const failure = (status: unknown) =>
    status === 403
      ? new Kubernetes.Forbidden({ detail: "403" })
      : new Kubernetes.Unavailable({ detail: String(status) })
  for (const [path, answer] of Object.entries(cluster(world))) {
    const [namespace = "", , name] = path.split("/")
    if (name === undefined) {
      if (typeof answer === "number") yield* memory.failServiceAccounts(namespace, Option.some(failure(answer)))
      for (const [account, annotations] of Object.entries(answer ?? {})) {
        yield* memory.setServiceAccount(namespace, account, { labels: enabled, annotations })
      }
    } else if (typeof answer === "number") yield* memory.failSecret(namespace, name, failure(answer))
    else yield* memory.setSecret(namespace, name, answer as Record<string, string>)
  }
})

/** Gives a token that says with what it was got, as the other token endpoint does. */
const respond = (request: TokenEndpoint.TokenRequest) => {
  const secret = TokenEndpoint.secretOf(request)
  const { sub = "", aud = [] } = "subject" in request ? claimsOf(Redacted.value(secret)) : {}
  const [, , ns, account] = sub.split(":")
  const shown = account === undefined ? Redacted.value(secret) : `${ns}:${account}:${aud.join()}`
  return Effect.succeed({
    value: Redacted.make(`${request.clientId}/${shown}`),
    lifetime: Duration.hours(1),
    builtFrom: secret
  })
}

const claimsOf = (jwt: string): { readonly sub?: string; readonly aud?: ReadonlyArray<string> } =>
  JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString())

const disk = (world: World, directory: string) => {
  const find = <A>(path: string, use: (text: string) => A) => {
    const name =
      path === "/var/run/secrets/databricks/token" && world.defaultFile
        ? "default"
        : Object.keys(jwts).find((name) => path === `${directory}/${name}`)
    const jwt = Object.entries(jwts).find(([own]) => own === name)?.[1]
    return jwt === undefined
      ? Effect.fail(
          PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "read", pathOrDescriptor: path })
        )
      : Effect.succeed(use(jwt))
  }
  return FileSystem.layerNoop({
    realPath: (path) => find(path, () => path),
    stat: (path) => find(path, ({ length }) => ({ type: "File", size: BigInt(length) }) as FileSystem.File.Info),
    readFileString: (path) => find(path, (text) => text)
  })
}
