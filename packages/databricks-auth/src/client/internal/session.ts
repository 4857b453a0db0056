/**
 * A boundary behind promises: built by the first call, closed once.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type { AuthHeader, Credential } from "../../Credential.ts"
import { DatabricksAuth } from "../../DatabricksAuth.ts"
import * as WorkspaceHost from "../../WorkspaceHost.ts"
import type { AccessToken, Explanation, Options } from "../Databricks.ts"
import { DatabricksError } from "../DatabricksError.ts"
import * as Setups from "../Setup.ts"
import * as Address from "./address.ts"
import * as environment from "./environment.ts"
import { closed, explanation, fromAuthError, fromCause } from "./translate.ts"

/** A boundary that is up. */
interface Open {
  readonly boundary: DatabricksAuth["Service"]
  readonly setup: Setups.Setup
  readonly origin: string
}

/** One that knows who it is. */
interface Known extends Open {
  readonly credential: Credential
}

/** The headers of a request, and what they were made of. */
interface Headers {
  readonly header: AuthHeader
  readonly all: { readonly authorization: string; readonly [name: string]: string }
}

export interface Session {
  readonly origin: () => Promise<string>
  readonly headers: (signal?: AbortSignal | null) => Promise<Headers["all"]>
  readonly token: () => Promise<AccessToken>
  /** These headers were refused. */
  readonly refused: (headers: Headers["all"]) => Promise<void>
  readonly invalidate: (accessToken?: string) => Promise<void>
  readonly explain: () => Promise<Explanation>
  readonly close: () => Promise<void>
}

export const make = ({ auth, fetch, host: given }: Options): Session => {
  let scope: Scope.Closeable | undefined
  let isClosed = false
  let opening: Promise<Open> | undefined
  let deciding: Promise<Known> | undefined
  let known: Known | undefined
  let source: string | undefined
  let last: Headers | undefined

  const run = async <A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal | null): Promise<A> => {
    if (isClosed) throw closed()
    const exit = await Effect.runPromiseExit(effect, { signal: signal ?? undefined })
    if (Exit.isSuccess(exit)) return exit.value
    signal?.throwIfAborted()
    throw isClosed ? closed() : fromCause(exit.cause, source)
  }

  const http = FetchHttpClient.layer.pipe(
    Layer.provide(fetch === undefined ? Layer.empty : Layer.succeed(FetchHttpClient.Fetch, fetch))
  )

  const build = Effect.gen(function* () {
    const way = Setups.of(auth)
    if (way === undefined) {
      return yield* Effect.fail(
        new DatabricksError(
          "configuration_invalid",
          "auth is none that pat(), oauthM2M(), oidc() or fromEnvironment() made."
        )
      )
    }
    const host = yield* Address.read(given ?? (yield* way.host ?? environment.host()))
    const setup = yield* way.make(host)
    source = setup.source
    const own = yield* Scope.make()
    const context = yield* Effect.onError(Layer.buildWithScope(Layer.provide(setup.layer, http), own), (cause) =>
      Scope.close(own, Exit.failCause(cause))
    )
    scope = own
    return { boundary: Context.get(context, DatabricksAuth), setup, origin: WorkspaceHost.baseUrl(host) }
  })

  // A failure is nobody's state: the next call tries again.
  const open = (): Promise<Open> => (opening ??= run(build).catch(reset(() => (opening = undefined))))

  const decide = async (): Promise<Known> => {
    const opened = await open()
    const credential = await run(opened.boundary.resolve(opened.setup.context))
    return (known = { ...opened, credential })
  }

  const who = (): Promise<Known> => {
    if (isClosed) return Promise.reject(closed())
    return (deciding ??= decide().catch(reset(() => (deciding = undefined))))
  }

  const headersOf = (header: AuthHeader, { credential }: Known): Headers => {
    if (last?.header === header) return last
    const all = Object.freeze({
      authorization: Redacted.value(header.authorization),
      ...WorkspaceHost.headers(credential.identity.instance)
    })
    return (last = { header, all })
  }

  const get = async (signal?: AbortSignal | null): Promise<Headers> => {
    const me = await who()
    return headersOf(await run(me.boundary.getHeader(me.credential), signal), me)
  }

  /** The header in hand; none where one has to be waited for. */
  const inHand = (me: Known): AuthHeader | undefined => {
    const header = me.boundary.getHeader(me.credential)
    return Exit.isExit(header) && Exit.isSuccess(header) ? (header.value as AuthHeader) : undefined
  }

  const invalidate = (me: Known, refused: AuthHeader): Promise<void> =>
    run(me.boundary.invalidate(me.credential, refused))

  return {
    origin: async () => {
      if (isClosed) throw closed()
      return (await open()).origin
    },
    headers: (signal) => {
      const header = known === undefined || isClosed ? undefined : inHand(known)
      return header === undefined ? get(signal).then(({ all }) => all) : Promise.resolve(headersOf(header, known!).all)
    },
    token: async () => {
      const { header } = await get()
      const { boundary, credential } = await who()
      const accessToken = Redacted.value(header.authorization).replace(/^Bearer /, "")
      const token = { accessToken, tokenType: "Bearer" } as const
      // Of a PAT it is known only when it was read.
      if (credential.identity.authType === "pat") return token
      const status = (await run(boundary.tokens)).find(({ identity }) => identity.key === credential.identity.key)
      return {
        ...token,
        ...at("issuedAt", status?.issuedAt),
        ...at("refreshAfter", status?.refreshAt),
        ...at("expiresAt", status?.expiresAt)
      }
    },
    refused: async ({ authorization }) => invalidate(await who(), { authorization: Redacted.make(authorization) }),
    invalidate: async (accessToken) => {
      const me = await who()
      const refused = accessToken === undefined ? inHand(me) : { authorization: Redacted.make(`Bearer ${accessToken}`) }
      if (refused !== undefined) await invalidate(me, refused)
    },
    explain: async () => {
      try {
        const { boundary, setup } = await open()
        const { looked, outcome } = await run(boundary.explain(setup.context))
        if (Result.isFailure(outcome)) return explanation(looked, source, fromAuthError(outcome.failure, source))
        const { authType, instance, principal, source: found } = outcome.success.identity
        return explanation(looked, source, { authType, principal, source: source ?? found, host: instance })
      } catch (error) {
        if (DatabricksError.is(error) && error.code !== "closed") return explanation([], source, error)
        throw error
      }
    },
    close: async () => {
      isClosed = true
      await opening?.catch(() => {})
      if (scope !== undefined) await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }
}

const reset =
  (change: () => void) =>
  (error: unknown): never => {
    change()
    throw error
  }

const at = <K extends string>(name: K, millis: number | undefined): { readonly [N in K]?: Date } =>
  (millis === undefined ? {} : { [name]: new Date(millis) }) as { readonly [N in K]?: Date }
