/**
 * Asks the code. Combinations that share a connector are asked of one connector, as in life, each in a namespace of its
 * own: whatever one of them leaves behind (a token, a cached Secret, a warning given) must not change another.
 */
import {
  type AuthError,
  ClientCredentialsSource,
  ConnectorSecrets,
  ConnectorSettings,
  DatabricksAuth,
  Kubernetes,
  NamespaceSecrets,
  PatSource,
  ProjectedToken,
  ServiceAccountTokens,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import {
  ConfigProvider,
  Duration,
  Effect,
  FileSystem,
  Layer,
  Logger,
  Option,
  Path,
  Redacted,
  References,
  Result
} from "effect"
import { inspect } from "node:util"
import {
  clientIdOf,
  clientSecretOf,
  type Combination,
  connectorPair,
  connectorPat,
  oauthSecret,
  patOf,
  tokenOf,
  tokenSecret
} from "./Combination.ts"

/** What was seen of one combination. */
export interface Observation {
  readonly combination: Combination
  /** The namespace that the combination has for itself; the request names it only where a namespace is given. */
  readonly namespace: string
  readonly outcome: Seen
  /** The same request once more. */
  readonly again: Seen
  /** The header that the identity gets. */
  readonly header: string | undefined
  /** The Secrets read to resolve, and then for the header, as `namespace/name`. */
  readonly reads: ReadonlyArray<string>
  readonly readsForHeader: ReadonlyArray<string>
  /** The sources that the explanation, or the error in its place, lists as forbidden. */
  readonly forbidden: ReadonlyArray<string>
  readonly used: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
  readonly warningsAgain: ReadonlyArray<string>
  /** Everything that somebody could read: error, identity, explanation, log lines. */
  readonly shown: string
}

export type Seen =
  | { readonly is: "identity"; readonly authType: string; readonly principal: string; readonly source: string }
  | {
      readonly is: "error"
      readonly reason: string
      readonly retryable: boolean
      readonly message: string
      readonly remedy: string
    }

/** What one connector was seen to do: for each combination, and at the token endpoint. */
export interface ConnectorObservation {
  readonly observations: ReadonlyArray<Observation>
  readonly tokenRequests: ReadonlyArray<string>
}

interface Log {
  readonly level: string
  readonly text: string
}

/** Runs combinations that differ only in what a run can bring (its namespace's Secrets, its task's auth type). */
export const observeConnector = (combinations: ReadonlyArray<Combination>): Effect.Effect<ConnectorObservation> =>
  Effect.suspend(() => {
    const [first] = combinations
    if (first === undefined) return Effect.die("a connector without combinations")
    const logs: Array<Log> = []
    const capture = Logger.make<unknown, void>((options) => {
      logs.push({ level: options.logLevel, text: Logger.formatJson.log(options) })
    })
    const runs = combinations.map((combination, index) => ({ combination, namespace: `team-${index}` }))
    return Effect.gen(function* () {
      yield* Effect.forEach(runs, fillNamespace)
      const observations = yield* Effect.forEach(runs, (run) => observe(run, logs))
      const { requests } = yield* TokenEndpoint.TokenEndpointMemory
      return { observations, tokenRequests: (yield* requests).map(({ clientId }) => clientId) }
    }).pipe(
      Effect.provide(connectorOf(first)),
      Effect.provide(Logger.layer([capture])),
      Effect.provideService(References.MinimumLogLevel, "All"),
      withoutStacks,
      Effect.orDie
    )
  })

/** Most combinations end in an error, and nobody reads the stacks of tens of thousands of them. */
const withoutStacks = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => Error.stackTraceLimit),
    () => {
      Error.stackTraceLimit = 0
      return effect
    },
    (limit) => Effect.sync(() => (Error.stackTraceLimit = limit))
  )

interface Run {
  readonly combination: Combination
  readonly namespace: string
}

const observe = Effect.fnUntraced(function* (run: Run, logs: Array<Log>) {
  const { combination, namespace } = run
  const auth = yield* DatabricksAuth.DatabricksAuth
  const task = {
    ...(combination.namespace === "given" ? { namespace } : {}),
    custom: combination.taskAuthType === "unset" ? {} : { databricksAuthType: combination.taskAuthType }
  }
  const firstLog = logs.length
  const before = (yield* reads).length
  const resolved = yield* Effect.result(auth.resolve(task))
  const resolvedReads = (yield* reads).slice(before)
  const resolvedLogs = logs.slice(firstLog)

  const header = Result.isSuccess(resolved)
    ? Redacted.value((yield* auth.getHeader({ identity: resolved.success.identity })).authorization)
    : undefined
  const readsForHeader = (yield* reads).slice(before + resolvedReads.length)

  const firstLogAgain = logs.length
  const again = yield* Effect.result(auth.resolve(task))

  const findings = Result.isSuccess(resolved)
    ? resolved.success.explanation
    : resolved.failure.reason._tag === "CredentialsMissing"
      ? resolved.failure.reason.looked
      : []
  const listed = (outcome: string) =>
    findings.filter((finding) => finding.outcome === outcome).map(({ source }) => source)
  const shown = Result.isSuccess(resolved) ? [resolved.success] : [resolved.failure, resolved.failure.message]
  return {
    combination,
    namespace,
    outcome: seen(resolved),
    again: seen(again),
    header,
    reads: resolvedReads,
    readsForHeader,
    forbidden: listed("forbidden"),
    used: listed("used"),
    warnings: warningsOf(resolvedLogs),
    warningsAgain: warningsOf(logs.slice(firstLogAgain)),
    shown: [
      ...shown.flatMap((thing) => [String(thing), JSON.stringify(thing), inspect(thing, { depth: 10 })]),
      ...logs.slice(firstLog).map(({ text }) => text)
    ].join("\n")
  } satisfies Observation
})

const seen = (result: Result.Result<DatabricksAuth.Resolved, AuthError.AuthError>): Seen => {
  if (Result.isFailure(result)) {
    const { reason, retryable, message } = result.failure
    return { is: "error", reason: reason._tag, retryable, message, remedy: "remedy" in reason ? reason.remedy : "" }
  }
  const { identity } = result.success
  return {
    is: "identity",
    authType: identity.authType,
    principal: identity.principal,
    source: identity.source
  }
}

const warningsOf = (logs: ReadonlyArray<Log>): ReadonlyArray<string> =>
  logs.filter(({ level }) => level === "Warn").map(({ text }) => text)

const reads = Effect.serviceOption(Kubernetes.KubernetesMemory).pipe(
  Effect.flatMap((memory) => (Option.isSome(memory) ? memory.value.reads : Effect.succeed([])))
)

/** Puts a run's Secrets into its namespace. */
const fillNamespace = Effect.fnUntraced(function* ({ combination, namespace }: Run) {
  const memory = yield* Effect.serviceOption(Kubernetes.KubernetesMemory)
  if (Option.isNone(memory)) return
  const put = (
    name: string,
    state: (typeof tokenSecret)[keyof typeof tokenSecret] | (typeof oauthSecret)[keyof typeof oauthSecret]
  ) => {
    if ("data" in state) return memory.value.setSecret(namespace, name, state.data(namespace))
    if (state.answer === "absent") return Effect.void
    return memory.value.failSecret(namespace, name, faults[state.answer])
  }
  yield* put("databricks-oauth", oauthSecret[combination.oauthSecret])
  yield* put("databricks-token", tokenSecret[combination.tokenSecret])
})

const faults = {
  forbidden: new Kubernetes.Forbidden({ detail: "forbidden by RBAC" }),
  unavailable: new Kubernetes.Unavailable({ detail: "etcd is electing a leader" })
}

/** A connector as the environment configures it, over a cluster and a token endpoint in memory. */
const connectorOf = (combination: Combination) => {
  const secrets = {
    ...connectorPat[combination.connectorPat].variables,
    ...connectorPair[combination.connectorPair].variables
  }
  const env = {
    FLYTE_DATABRICKS_INSTANCE: "dbc-a1b2.cloud.databricks.com",
    FLYTE_DATABRICKS_NAMESPACE_IDENTITY: combination.namespaceIdentity,
    FLYTE_DATABRICKS_AUTH_TYPE: combination.environmentAuthType === "unset" ? "" : combination.environmentAuthType
  }
  return DatabricksAuth.layer.pipe(
    Layer.provide([PatSource.layer, ClientCredentialsSource.layer, ProjectedToken.layer, ServiceAccountTokens.layer]),
    Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory(secrets), ConnectorSettings.layerConfig]),
    Layer.provide([FileSystem.layerNoop({}), Path.layer]),
    Layer.provideMerge(
      combination.kubernetes === "configured" ? Kubernetes.layerMemory(bystanders) : Kubernetes.layerNone
    ),
    Layer.provideMerge(TokenEndpoint.layerMemory(grant)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
  )
}

/** Whole credentials that are nobody's business here: no request names these namespaces. */
const bystanders = Object.fromEntries(
  ["default", "flyte", "another-team"].flatMap((namespace) => [
    [`${namespace}/databricks-oauth`, oauthSecret.whole.data(namespace)],
    [`${namespace}/databricks-token`, { token: patOf(namespace) }]
  ])
)

/** A token says whose it is; a client id that comes with another one's secret gets none. */
const grant = (request: TokenEndpoint.TokenRequest) => {
  const { clientId } = request
  const secret = TokenEndpoint.secretOf(request)
  return Redacted.value(secret) === clientSecretOf(clientId)
    ? Effect.succeed({ value: Redacted.make(tokenOf(clientId)), lifetime: Duration.hours(1), builtFrom: secret })
    : Effect.die(`a pair joined from two sources: ${clientId} with ${Redacted.value(secret)}`)
}

/** Whose token a header carries, for a namespace or the connector. */
export const headerOf = (authType: string, owner: string): string =>
  `Bearer ${authType === "pat" ? patOf(owner) : tokenOf(clientIdOf(owner))}`
