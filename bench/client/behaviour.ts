/**
 * What the client and Databricks' SDK for JavaScript do in the same four situations, on a workspace of the emulators.
 */
import { Config, WorkspaceClient } from "@databricks/sdk-experimental"
import { databricks, oauthM2M, pat } from "@flyte-databricks/databricks-auth/client"
import { DatabricksWorkspace, Fault } from "@flyte-databricks/emulators"
import { Effect, Redacted } from "effect"

/** Who calls, how it is told of a workspace, and how it makes a call. */
interface Contender {
  readonly name: string
  readonly m2m: (host: string, clientId: string, clientSecret: string) => Caller
  readonly pat: (host: string, token: string) => Caller
}

interface Caller {
  readonly header: () => Promise<unknown>
  readonly call: () => Promise<unknown>
}

export const ours = "databricks-auth/client"
export const sdk = "@databricks/sdk-experimental"

const me = "/api/2.0/preview/scim/v2/Me"

const contenders: ReadonlyArray<Contender> = [
  {
    name: ours,
    m2m: (host, clientId, clientSecret) => ofClient(databricks({ host, auth: oauthM2M({ clientId, clientSecret }) })),
    pat: (host, token) => ofClient(databricks({ host, auth: pat(token) }))
  },
  {
    name: sdk,
    m2m: (host, clientId, clientSecret) => ofSdk({ host, authType: "oauth-m2m", clientId, clientSecret }),
    pat: (host, token) => ofSdk({ host, authType: "pat", token })
  }
]

const ofClient = (client: ReturnType<typeof databricks>): Caller => ({
  header: client.headers,
  call: async () => {
    const answer = await client.fetch(me)
    if (!answer.ok) throw new Error(`status ${answer.status}`)
  }
})

const ofSdk = (options: ConstructorParameters<typeof Config>[0]): Caller => {
  // It retries what it calls for five minutes.
  const config = new Config({ ...options, retryTimeoutSeconds: 5 })
  const client = new WorkspaceClient(config)
  return { header: () => config.authenticate(new Headers()), call: () => client.currentUser.me() }
}

/** What came of each, by contender. */
export type Outcomes = Readonly<Record<string, Readonly<Record<string, string>>>>

const outcomeOf = (call: () => Promise<unknown>): Effect.Effect<string> =>
  Effect.promise(() =>
    call().then(
      () => "succeeds",
      (error: unknown) => `fails: ${String(error instanceof Error ? error.message : error).slice(0, 90)}`
    )
  )

const tokenRequests = { method: "POST", path: "/oidc/v1/token" } as const

const workspaceOf = Effect.fnUntraced(function* (options: DatabricksWorkspace.Options = {}) {
  const workspace = yield* DatabricksWorkspace.make(options)
  const { applicationId, pats, secrets } = yield* workspace.addServicePrincipal({ pats: ["dapi-bench"] })
  return {
    workspace,
    clientId: applicationId,
    secret: Redacted.value(secrets[0]!),
    token: Redacted.value(pats[0]!),
    asked: Effect.map(workspace.requests.all(tokenRequests), ({ length }) => length)
  }
})

const situations: Readonly<Record<string, (contender: Contender) => Effect.Effect<string>>> = {
  "50 callers without a token": (contender) =>
    Effect.gen(function* () {
      const { asked, clientId, secret, workspace } = yield* workspaceOf()
      const { header } = contender.m2m(workspace.url, clientId, secret)
      yield* Effect.promise(() => Promise.all(Array.from({ length: 50 }, header)))
      return `${yield* asked} token requests`
    }).pipe(Effect.scoped, Effect.orDie),
  "one 503 of the token endpoint": (contender) =>
    Effect.gen(function* () {
      const { asked, clientId, secret, workspace } = yield* workspaceOf()
      yield* workspace.faults.add({ ...tokenRequests, times: 1, action: Fault.status(503) })
      const outcome = yield* outcomeOf(contender.m2m(workspace.url, clientId, secret).header)
      return `${outcome} (${yield* asked} token requests)`
    }).pipe(Effect.scoped, Effect.orDie),
  "a token that was revoked": (contender) =>
    Effect.gen(function* () {
      const { clientId, secret, workspace } = yield* workspaceOf()
      const { call } = contender.m2m(workspace.url, clientId, secret)
      yield* Effect.promise(call)
      yield* workspace.revokeTokens()
      return yield* outcomeOf(call)
    }).pipe(Effect.scoped, Effect.orDie),
  "a certificate that nobody trusts": (contender) =>
    Effect.gen(function* () {
      const { token, workspace } = yield* workspaceOf({ tls: true })
      const outcome = yield* outcomeOf(contender.pat(workspace.url, token).call)
      const arrived = (yield* workspace.requests.all()).some(({ headers }) => headers["authorization"]?.includes(token))
      return `${outcome}; the token was ${arrived ? "SENT" : "not sent"}`
    }).pipe(Effect.scoped, Effect.orDie)
}

/** Tries all. */
export const behaviour = async (): Promise<Outcomes> => {
  const outcomes: Record<string, Record<string, string>> = {}
  for (const [situation, tried] of Object.entries(situations)) {
    outcomes[situation] = {}
    for (const contender of contenders) {
      outcomes[situation][contender.name] = await Effect.runPromise(tried(contender))
    }
  }
  return outcomes
}

/** A cached header of each, as its users await it. */
export const cachedHeaders = async (): Promise<{
  readonly calls: Readonly<Record<string, () => Promise<unknown>>>
  readonly close: () => Promise<void>
}> => {
  const stop = Promise.withResolvers<void>()
  const ready = Promise.withResolvers<Record<string, () => Promise<unknown>>>()
  const running = Effect.runPromise(
    Effect.gen(function* () {
      const { clientId, secret, workspace } = yield* workspaceOf()
      const callers = contenders.map(({ name, m2m }) => [name, m2m(workspace.url, clientId, secret).header] as const)
      yield* Effect.promise(() => Promise.all(callers.map(([, header]) => header())))
      ready.resolve(Object.fromEntries(callers))
      yield* Effect.promise(() => stop.promise)
    }).pipe(Effect.scoped, Effect.orDie)
  )
  return {
    calls: await ready.promise,
    close: () => {
      stop.resolve()
      return running
    }
  }
}
