/**
 * Tokens by credential, in memory. `TokenEntry` says what happens to one; here are the fibers that make it happen. One
 * request is in flight per credential, however many callers wait; it belongs to the cache and not to the caller that
 * began it, so a caller that goes away neither fails nor restarts it for the others. A token is renewed ahead of its end
 * by the first call that finds it due: an identity that nobody asks for costs no request.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import type { AuthError } from "../AuthError.ts"
import type { AuthHeader, Credential } from "../Credential.ts"
import type { Progress, Token, Tries } from "../endpoint/Token.ts"
import * as LiveSecrets from "../http/LiveSecrets.ts"
import * as Spans from "../telemetry/Spans.ts"
import * as TokenEntries from "./TokenEntries.ts"
import * as TokenEntry from "./TokenEntry.ts"
import { makePacer, type Times, timesOf, TokenPolicy } from "./TokenPolicy.ts"
import * as tokenMetrics from "./tokenMetrics.ts"
import { statusOf, type TokenStatus } from "./TokenStatus.ts"

export interface TokenCache {
  readonly get: (credential: Credential) => Effect.Effect<AuthHeader, AuthError>
  /** Drops the token, if it is still the one that was refused. */
  readonly invalidate: (credential: Credential, refused: AuthHeader) => Effect.Effect<void>
  /** Drops a token that was built from another credential than the one that is there now. */
  readonly retire: (credential: Credential, builtFrom: Redacted.Redacted<string>) => Effect.Effect<void>
  /** Progress of the token request that callers of `get` are waiting for; none when no request is in flight. */
  readonly progress: (credential: Credential) => Effect.Effect<Option.Option<Progress>>
  readonly status: Effect.Effect<ReadonlyArray<TokenStatus>>
}

/**
 * A cache over `acquire`, which is told whether the token it gave before was refused, and how to try.
 */
export const make = Effect.fnUntraced(function* (
  acquire: (credential: Credential, refused: boolean, tries: Tries) => Effect.Effect<Token, AuthError>
): Effect.fn.Return<TokenCache, never, TokenEntries.TokenEntries | Scope.Scope> {
  const entries = yield* TokenEntries.TokenEntries
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const scope = yield* Effect.scope
  const policy = yield* TokenPolicy
  const idleTimeToLive = Duration.toMillis(policy.idleTimeToLive)
  const pacer = makePacer()
  const now = () => clock.currentTimeMillisUnsafe()
  const chance = () => random.nextDoubleUnsafe()
  const isClosed = () => scope.state._tag === "Closed"
  const isTraced = yield* Spans.areWanted
  yield* tokenMetrics.show(entries, now)

  const step = <C>(slot: TokenEntries.Slot, transition: (entry: TokenEntry.Entry) => TokenEntry.Step<C>) =>
    Ref.modify(slot.entry, (entry) => {
      const { state, command } = transition(entry)
      return [command, state]
    })

  /** Changes what is known of a credential, if anything is. */
  const update = (credential: Credential, transition: (entry: TokenEntry.Entry) => TokenEntry.Entry) =>
    Effect.suspend(() => {
      const slot = TokenEntries.find(entries, credential)
      return slot === undefined ? Effect.void : Ref.update(slot.entry, transition)
    })

  const request = ({ credential, entry }: TokenEntries.Slot, refused: boolean, isWaitedFor: boolean) =>
    Effect.suspend(() => {
      const asked = now()
      const onProgress = (progress: Progress) => Ref.update(entry, (entry) => TokenEntry.progressed(entry, progress))
      return Effect.map(acquire(credential, refused, { isWaitedFor, onProgress }), (token) => ({
        header: headerOf(token),
        builtFrom: token.builtFrom,
        times: timesOf(policy, asked, Duration.toMillis(token.lifetime), chance())
      }))
    })

  // What follows a request is not interrupted: those who wait are answered.
  const run = (slot: TokenEntries.Slot, { _tag, refused }: Begin): Effect.Effect<void> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.exit(restore(request(slot, refused, _tag === "Fetch"))).pipe(
        Effect.tap((exit) => (_tag === "Refresh" && Exit.isFailure(exit) ? refreshFailed(slot) : Effect.void)),
        Effect.flatMap((exit) =>
          step(slot, (entry) =>
            isClosed()
              ? TokenEntry.closed(entry)
              : TokenEntry.ended(entry, exit, { now: now(), chance: chance(), policy })
          )
        ),
        Effect.tap(() => Effect.sync(() => TokenEntries.weigh(entries, slot))),
        Effect.flatMap((command) => {
          switch (command?._tag) {
            case undefined:
              return Effect.void
            case "Fetch":
              return restore(run(slot, command))
            case "Settle":
              return Deferred.done(command.result, command.exit)
            case "PutOff":
              return command.failures === 1 ? warn(slot, command) : Effect.void
          }
        })
      )
    )

  const refreshFailed = ({ credential }: TokenEntries.Slot) =>
    Metric.update(tokenMetrics.refreshFailures({ auth_type: credential.identity.authType }), 1)

  // One warning per outage and token, since nobody is harmed while the token lasts.
  const warn = ({ credential }: TokenEntries.Slot, { usableUntil, cause }: TokenEntry.CommandOf<"PutOff">) => {
    const { principal, instance } = credential.identity
    const left = Duration.format(Duration.seconds(Math.round((usableUntil - now()) / 1000)))
    const said = `The token of ${principal} for ${instance} could not be renewed, and is good for another ${left}.`
    return Option.match(Cause.findErrorOption(cause), {
      onNone: () => Effect.logWarning(said, cause),
      onSome: ({ message, reason }) =>
        Effect.annotateLogs(Effect.logWarning(`${said} ${message}`), { reason: reason._tag })
    })
  }

  const close = (slot: TokenEntries.Slot) =>
    Effect.flatMap(step(slot, TokenEntry.closed), (command) =>
      command === undefined ? Effect.void : Deferred.done(command.result, command.exit)
    )
  yield* Effect.addFinalizer(() => Effect.forEach(TokenEntries.all(entries), close))

  // Nobody waits for a renewal, and it may outlast the call that began it: it is a trace of its own.
  const ofItsOwn = ({ credential }: TokenEntries.Slot, renewal: Effect.Effect<void>) =>
    Effect.flatMap(Spans.linkToCurrent, (links) =>
      Effect.withSpan(renewal, "DatabricksAuth.refresh", { root: true, links, attributes: attributesOf(credential) })
    )

  // A fiber that is forked in a closed scope does not start.
  const begin = (slot: TokenEntries.Slot, command: Begin) => {
    pacer.count(now())
    return Effect.andThen(
      Effect.forkIn(
        isTraced && command._tag === "Refresh" ? ofItsOwn(slot, run(slot, command)) : run(slot, command),
        scope
      ),
      Effect.suspend(() => (isClosed() ? close(slot) : Effect.void))
    )
  }

  const slotOf = (credential: Credential, at: number): TokenEntries.Slot => {
    const found = TokenEntries.find(entries, credential)
    if (found !== undefined) found.lastUsedAt = at
    TokenEntries.sweep(entries, at, idleTimeToLive)
    if (found !== undefined) return found
    const slot = { credential, entry: Ref.makeUnsafe(TokenEntry.empty), lastUsedAt: at }
    TokenEntries.add(entries, slot, policy.capacity)
    return slot
  }

  const visit = (credential: Credential): Effect.Effect<AuthHeader, AuthError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const at = now()
        const slot = slotOf(credential, at)
        const isTurn = (times: Times) => pacer.allows(at, TokenEntries.size(entries), times)
        const result = Deferred.makeUnsafe<AuthHeader, AuthError>()
        return Effect.flatMap(
          step(slot, (entry) => TokenEntry.get(entry, { now: at, isTurn, result })),
          (command) => {
            const answer = "exit" in command ? command.exit : restore(Deferred.await(command.result))
            const done = isBegin(command) ? Effect.andThen(begin(slot, command), answer) : answer
            return isTraced ? Effect.andThen(Effect.annotateCurrentSpan("cache", inTraces[command._tag]), done) : done
          }
        )
      })
    )

  const hit = (credential: Credential): TokenEntry.Held["header"] | undefined => {
    const slot = TokenEntries.find(entries, credential)
    if (slot === undefined) return undefined
    const entry = TokenEntries.peek(slot)
    if (entry._tag !== "Fresh") return undefined
    const at = now()
    if (at >= entry.refreshAt) return undefined
    slot.lastUsedAt = at
    return entry.held.header
  }

  const traced = (credential: Credential) => {
    const attributes = { ...attributesOf(credential), cache: "hit" }
    return Effect.withSpan(hit(credential) ?? visit(credential), "DatabricksAuth.getHeader", { attributes })
  }

  return {
    // The look-up happens when this is called, not when the effect runs: that is what makes a hit free of a fiber.
    get: isTraced ? traced : (credential) => hit(credential) ?? visit(credential),
    invalidate: (credential, refused) => update(credential, (entry) => TokenEntry.refused(entry, refused)),
    retire: (credential, builtFrom) => update(credential, (entry) => TokenEntry.replaced(entry, builtFrom)),
    progress: (credential) =>
      Effect.sync(() => {
        const slot = TokenEntries.find(entries, credential)
        return slot === undefined ? Option.none() : TokenEntry.progress(TokenEntries.peek(slot))
      }),
    status: Effect.sync(() => TokenEntries.all(entries).map((slot) => statusOf(slot, TokenEntries.peek(slot), now())))
  }
})

const inTraces = { Answer: "hit", Wait: "wait", Fetch: "miss", Refresh: "refresh" } as const

const attributesOf = ({ identity: { authType, instance } }: Credential) => ({
  "databricks.auth_type": authType,
  "databricks.instance": instance
})

type Begin = TokenEntry.CommandOf<"Fetch" | "Refresh">

const isBegin = (command: { readonly _tag: string }): command is Begin =>
  command._tag === "Fetch" || command._tag === "Refresh"

const headerOf = ({ value }: Token): TokenEntry.Held["header"] =>
  Exit.succeed({
    authorization: Redacted.make(`Bearer ${Redacted.value(LiveSecrets.add(value))}`, { label: "authorization" })
  }) as TokenEntry.Held["header"]
