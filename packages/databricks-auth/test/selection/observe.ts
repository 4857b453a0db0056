/**
 * Asks the code. Combinations that share a connector are asked of one connector, as in life, each in a namespace of its
 * own: whatever one of them leaves behind (a token, a cached Secret, a warning given) must not change another.
 */
import { AuthError, DatabricksAuth, type Identity, Kubernetes, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { Effect, Logger, Option, Redacted, References, Result } from "effect"
import { inspect } from "node:util"
import type { Combination } from "./Combination.ts"
import { workspaces } from "./Credentials.ts"
import { answerTokenRequests, connectorOf, describeRequests, fillNamespace, type Run } from "./World.ts"

/** What was seen of one combination. */
export interface Observation {
  readonly combination: Combination
  /** The namespace that the combination has for itself; the request names it only where a namespace is given. */
  readonly namespace: string
  /** The workspace that the task is for: every other one names it by its id, and the rest have the operator's. */
  readonly workspace: string
  readonly outcome: Seen
  /** The same request once more. */
  readonly again: Seen
  /** The header that the identity gets. */
  readonly header: Header
  /** The header that it gets once every other run has been submitted, as a poll would ask for it. */
  readonly headerLater: Header
  /** The Secrets read to resolve, and then for the header, as `namespace/name`. */
  readonly reads: ReadonlyArray<string>
  readonly readsForHeader: ReadonlyArray<string>
  /** What the explanation, or the error in its place, says. */
  readonly told: string
  /** The sources that the explanation, or the error in its place, lists as forbidden. */
  readonly forbidden: ReadonlyArray<string>
  readonly used: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
  readonly warningsAgain: ReadonlyArray<string>
  /** Everything that somebody could read: error, identity, explanation, log lines. */
  readonly shown: string
}

export type Seen =
  | {
      readonly is: "identity"
      readonly authType: string
      readonly principal: string
      readonly source: string
      readonly instance: string
      readonly pinned: Readonly<Record<string, string>>
    }
  | {
      readonly is: "error"
      readonly reason: string
      readonly retryable: boolean
      readonly message: string
      readonly remedy: string
    }

/** What an identity gets, where there is one: the header's text, or the error. */
export type Header = { readonly bearer: string } | Extract<Seen, { readonly is: "error" }> | undefined

/** What one connector was seen to do: for each combination, and at the token endpoint. */
interface ConnectorObservation {
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
    const runs = combinations.map((combination, index) => ({
      combination,
      namespace: `team-${index}`,
      workspace: workspaces[index % 2 === 0 ? 0 : 1]
    }))
    return Effect.gen(function* () {
      yield* Effect.forEach(runs, fillNamespace)
      yield* answerTokenRequests(runs)
      const seen = yield* Effect.forEach(runs, (run) => observe(run, logs))
      const observations = yield* Effect.forEach(seen, ({ found, ...rest }) =>
        Effect.map(headerFor(found), (headerLater): Observation => ({ ...rest, headerLater }))
      )
      const { requests } = yield* TokenEndpoint.TokenEndpointMemory
      return { observations, tokenRequests: (yield* requests).flatMap(describeRequests) }
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

const observe = Effect.fnUntraced(function* (run: Run, logs: Array<Log>) {
  const { combination, namespace, workspace } = run
  const auth = yield* DatabricksAuth.DatabricksAuth
  const task = {
    ...(combination.namespace === "given" ? { namespace } : {}),
    settings: {
      authType: combination.taskAuthType === "unset" ? undefined : combination.taskAuthType,
      workspaceId: workspace === workspaces[0] ? undefined : workspace.split("=")[1]
    }
  }
  const firstLog = logs.length
  const before = (yield* reads).length
  const resolved = yield* Effect.result(auth.resolve(task))
  const resolvedReads = (yield* reads).slice(before)
  const resolvedLogs = logs.slice(firstLog)

  const found = Result.isSuccess(resolved) ? resolved.success : undefined
  const header = yield* headerFor(found)
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
    found,
    combination,
    namespace,
    workspace,
    outcome: seen(resolved),
    again: seen(again),
    header,
    told: Result.isSuccess(resolved) ? AuthError.describeFindings(findings) : resolved.failure.message,
    reads: resolvedReads,
    readsForHeader,
    forbidden: listed("forbidden"),
    used: listed("used"),
    warnings: warningsOf(resolvedLogs),
    warningsAgain: warningsOf(logs.slice(firstLogAgain)),
    shown: [
      ...shown.flatMap((thing) => [String(thing), JSON.stringify(thing), inspect(thing, { depth: 10 })]),
      ...(header !== undefined && "message" in header ? [header.message] : []),
      ...logs.slice(firstLog).map(({ text }) => text)
    ].join("\n")
  }
})

const headerFor = Effect.fnUntraced(function* (found: DatabricksAuth.Resolved | undefined) {
  if (found === undefined) return undefined
  const auth = yield* DatabricksAuth.DatabricksAuth
  const got = yield* Effect.result(auth.getHeader(found))
  return Result.isSuccess(got) ? { bearer: Redacted.value(got.success.authorization) } : seenError(got.failure)
})

const seenError = ({ reason, retryable, message }: AuthError.AuthError) =>
  ({ is: "error", reason: reason._tag, retryable, message, remedy: "remedy" in reason ? reason.remedy : "" }) as const

const seen = (result: Result.Result<DatabricksAuth.Resolved, AuthError.AuthError>): Seen => {
  if (Result.isFailure(result)) return seenError(result.failure)
  const { identity } = result.success
  return {
    is: "identity",
    authType: identity.authType,
    principal: identity.principal,
    source: identity.source,
    instance: identity.instance,
    pinned: pinnedBy(identity)
  }
}

/** What an identity of OIDC holds beside its client id, which is its principal. */
const pinnedBy = (identity: Identity.Identity): Readonly<Record<string, string>> => {
  switch (identity._tag) {
    case "oidc_connector":
      return { tokenFile: identity.tokenFile, audience: identity.audience }
    case "oidc_namespace":
      return { namespace: identity.namespace, serviceAccount: identity.serviceAccount, audience: identity.audience }
    default:
      return {}
  }
}

const warningsOf = (logs: ReadonlyArray<Log>): ReadonlyArray<string> =>
  logs.filter(({ level }) => level === "Warn").map(({ text }) => text)

const reads = Effect.serviceOption(Kubernetes.KubernetesMemory).pipe(
  Effect.flatMap((memory) => (Option.isSome(memory) ? memory.value.reads : Effect.succeed([])))
)
