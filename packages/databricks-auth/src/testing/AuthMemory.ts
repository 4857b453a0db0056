/**
 * The boundary in memory, with controls: the real one, over a cluster, secrets and a token endpoint that are not there.
 *
 *     it.effect("goes on with the token that it has while there is an outage", () =>
 *       Effect.gen(function* () {
 *         const { outage } = yield* AuthMemory.AuthMemory
 *         …
 *       }).pipe(Effect.provide(AuthMemory.layer({ settings: { instance }, secrets })))
 *     )
 *
 * Time is Effect's `Clock`, so `TestClock` moves it; `expire` is for tests on a clock that nobody moves.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import { AuthError, ExchangeRefused, TokenEndpointUnavailable, TokenRefused } from "../AuthError.ts"
import * as DatabricksAuth from "../DatabricksAuth.ts"
import type { Token } from "../endpoint/Token.ts"
import * as TokenEndpoint from "../endpoint/TokenEndpoint.ts"
import type * as AuthMode from "../modes/AuthMode.ts"

/**
 * Steers the boundary in memory, and says what it asked for.
 */
export class AuthMemory extends Context.Service<
  AuthMemory,
  {
    /** From now on the token endpoint refuses this client, or everybody: 401 `invalid_client`, 400 `invalid_grant` for a JWT. */
    readonly refuse: (clientId?: string) => Effect.Effect<void>
    /** From now on the token endpoint cannot be reached, or answers 503; by default the latter. */
    readonly outage: (detail?: string) => Effect.Effect<void>
    /** From now on the token endpoint gives tokens again. */
    readonly restore: Effect.Effect<void>
    /** All tokens given so far end: the boundary's clock goes on by as long as the longest of them lasts. */
    readonly expire: Effect.Effect<void>
    /** What the token endpoint was asked for, in order, refused requests included. */
    readonly asked: Effect.Effect<ReadonlyArray<TokenEndpoint.TokenRequest>>
  }
>()("@flyte-databricks/databricks-auth/testing/AuthMemory") {}

type Respond = NonNullable<DatabricksAuth.Memory["respond"]>

/** How the token endpoint answers. */
type Mood =
  | { readonly _tag: "Gives" }
  | { readonly _tag: "Refuses"; readonly clientId: string | undefined }
  | { readonly _tag: "Out"; readonly detail: string }

const endpointOf = ({ instance }: TokenEndpoint.TokenRequest): string => `https://${instance}/oidc/v1/token`

const refusal = (request: TokenEndpoint.TokenRequest) => {
  const fields = { endpoint: endpointOf(request), clientId: request.clientId, source: request.source }
  return new AuthError({
    reason:
      "subject" in request
        ? new ExchangeRefused({
            ...fields,
            status: 400,
            error: "invalid_grant",
            audiences: request.subject.claims.audiences
          })
        : new TokenRefused({ ...fields, status: 401, error: "invalid_client" })
  })
}

const outage = (request: TokenEndpoint.TokenRequest, detail: string) =>
  new AuthError({ reason: new TokenEndpointUnavailable({ endpoint: endpointOf(request), detail, attempts: 1 }) })

/** The token endpoint's n-th token is `t<n>`, and lasts an hour. */
const numbered: Respond = (request, count) =>
  Effect.succeed({
    value: Redacted.make(`t${count}`),
    lifetime: Duration.hours(1),
    builtFrom: TokenEndpoint.secretOf(request)
  })

type BoundaryOf<A, R> = (memory: DatabricksAuth.Memory) => Layer.Layer<A, AuthError, R>

const steered = <A, R>(
  memory: DatabricksAuth.Memory,
  boundary: BoundaryOf<A | TokenEndpoint.TokenEndpointMemory, R>
): Layer.Layer<A | AuthMemory | TokenEndpoint.TokenEndpointMemory, AuthError, R> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const mood = yield* Ref.make<Mood>({ _tag: "Gives" })
      let ahead = 0
      let longest = 0
      const noted = (token: Token) => {
        longest = Math.max(longest, Duration.toMillis(token.lifetime))
      }
      const respond: Respond = (request, count) =>
        Effect.flatMap(Ref.get(mood), (now) => {
          if (now._tag === "Out") return Effect.fail(outage(request, now.detail))
          if (now._tag === "Refuses" && (now.clientId ?? request.clientId) === request.clientId) {
            return Effect.fail(refusal(request))
          }
          return Effect.tap((memory.respond ?? numbered)(request, count), (token) => Effect.sync(() => noted(token)))
        })
      const shifted: Clock.Clock = {
        sleep: (duration) => clock.sleep(duration),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + ahead,
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(ahead) * 1_000_000n,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + ahead),
        currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + BigInt(ahead) * 1_000_000n)
      }
      const controls = Layer.effect(
        AuthMemory,
        Effect.map(TokenEndpoint.TokenEndpointMemory, ({ requests }) =>
          AuthMemory.of({
            refuse: (clientId) => Ref.set(mood, { _tag: "Refuses", clientId }),
            outage: (detail = "status 503") => Ref.set(mood, { _tag: "Out", detail }),
            restore: Ref.set(mood, { _tag: "Gives" }),
            expire: Effect.sync(() => {
              ahead += longest
            }),
            asked: requests
          })
        )
      )
      return Layer.provideMerge(controls, boundary({ ...memory, respond })).pipe(
        Layer.provide(Layer.succeed(Clock.Clock, shifted))
      )
    })
  )

/**
 * Every mode in memory. Secrets and ServiceAccounts are by `namespace/name`, JWT files by their path; `KubernetesMemory`
 * changes them while the test runs.
 */
export const layer = (memory: DatabricksAuth.Memory = {}) =>
  steered(memory, (controlled) => DatabricksAuth.layerMemory(controlled))

/**
 * Modes of one's own in memory. What they are built on beside the sources of this package, the caller provides.
 */
export const layerOf = <const M extends AuthMode.AnyMode>(
  modes: ReadonlyArray<M>,
  memory: DatabricksAuth.Memory = {}
) => steered(memory, (controlled) => DatabricksAuth.layerMemoryOf(modes, controlled))
