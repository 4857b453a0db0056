/**
 * The laws of every mode. They are tried through the boundary, in memory, at each place where the mode looks for a
 * credential. A mode joins by a `Subject`, which says how each of its places is filled (`Laws.test.ts` has them all).
 */
import {
  type AuthError,
  type AuthMode,
  type AuthRequest,
  DatabricksAuth,
  type Identity,
  Kubernetes,
  TaskSettings,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { type Arbitrary, Duration, Effect, Equal, Hash, Option, Redacted, Result } from "effect"
import { auth } from "../support/connector.ts"
import { makeSpans, outcomeShownAs, shownAs } from "../support/secrecy.ts"
import { bearer } from "../support/tokens.ts"

const namespace = "team-a"

/** How one place is filled. Every secret in it contains the subject's `secretMark`. */
interface Filling {
  /** A credential that can be used, where the default settings look for it. */
  readonly whole: DatabricksAuth.Memory
  /** The same, where only its own settings look for it; absent if no setting moves this place. */
  readonly bySettings?: DatabricksAuth.Memory
  /** A credential that is there and cannot be used. */
  readonly broken: DatabricksAuth.Memory
  /** What the request itself brings; absent if nothing of this place is in the request. */
  readonly connection?: { readonly whole: Redacted.Redacted<string>; readonly broken: Redacted.Redacted<string> }
  /** Puts another secret in the place of the whole one while the connector runs; absent where a test cannot do that. */
  readonly rotate?: Effect.Effect<void, never, Kubernetes.KubernetesMemory>
  /** Makes Kubernetes refuse to read this place; absent if the place is not in Kubernetes. */
  readonly fail?: (
    reason: Kubernetes.KubernetesError["reason"]
  ) => Effect.Effect<void, never, Kubernetes.KubernetesMemory>
}

export interface Subject {
  readonly mode: AuthMode.AnyMode
  /** The mode over sources in memory. */
  readonly wired: Effect.Effect<AuthMode.Wired<Identity.Identity>, AuthError.AuthError>
  /** One filling for each place of the mode; a place goes by its tenancy. */
  readonly places: Partial<Record<AuthMode.Place<Identity.Identity>["tenancy"], Filling>>
  /** Part of every secret in the fillings: text that has it shows a secret. */
  readonly secretMark: string
  /** Any identities of the mode. */
  readonly identities: Arbitrary.Arbitrary<Identity.Identity>
}

/** Describes the laws for one mode. */
export const laws = ({ mode, wired, places, secretMark, identities }: Subject): void => {
  describe(`mode ${mode.tag}`, () => {
    const fillings = Object.entries(places)
    const task = ({ connection }: Filling, state: "whole" | "broken" = "whole") => ({
      namespace,
      ...(connection === undefined ? {} : { connection: { databricksToken: Option.some(connection[state]) } })
    })
    /** What a task says of its auth type: nothing, so that it is detected, or this mode's. */
    const detected = {}
    const explicit = { settings: { authType: mode.authType } }
    const choices = [detected, explicit]
    /** The boundary in memory. A token's value depends on the secret that it was asked for with. */
    const on = (memory: DatabricksAuth.Memory, settings: DatabricksAuth.Memory["settings"] = {}) =>
      DatabricksAuth.layerMemory({
        respond: bySecret,
        ...memory,
        settings: { instance: "dbc-a1b2.cloud.databricks.com", ...memory.settings, ...settings }
      })

    /** A world with everything but what this place holds. */
    const besides = (tenancy: string): DatabricksAuth.Memory =>
      fillings
        .filter(([other]) => other !== tenancy)
        .reduce<DatabricksAuth.Memory>((all, [, { whole }]) => ({ ...all, ...whole }), {})

    it.effect("has a filling for each of its places", () =>
      Effect.gen(function* () {
        const own = yield* wired
        assert.sameMembers(
          own.places.map(({ tenancy }) => tenancy),
          Object.keys(places)
        )
      })
    )

    it.effect("where nothing is there, looks on, and says what it looked for", () =>
      Effect.gen(function* () {
        for (const choice of choices) {
          const { reason } = yield* auth.use(({ resolve }) => Effect.flip(resolve({ namespace, ...choice })))
          assert(reason._tag === "CredentialsMissing", reason.message)
          assert.isNotEmpty(reason.looked)
        }
      }).pipe(Effect.provide(on({})))
    )

    for (const [tenancy, filling] of fillings) {
      describe(`what a ${tenancy} brings`, () => {
        it.effect("is the identity where it is whole, explicit or detected, and gets a header", () =>
          Effect.gen(function* () {
            const boundary = yield* auth
            for (const choice of choices) {
              const resolved = yield* boundary.resolve({ ...task(filling), ...choice })
              assert.strictEqual(resolved.identity._tag, mode.tag)
              assert.match(bearer(yield* boundary.getHeader(resolved)), /^Bearer \S+$/)
            }
          }).pipe(Effect.provide(on(filling.whole)))
        )

        it.effect("is an error where it is broken, and nothing else in its place", () =>
          Effect.gen(function* () {
            for (const choice of choices) {
              const request = { ...task(filling, "broken"), ...choice }
              const { reason, retryable } = yield* auth.use(({ resolve }) => Effect.flip(resolve(request)))
              assert.strictEqual(reason._tag, "CredentialsBroken", reason.message)
              assert.isFalse(retryable)
            }
          }).pipe(Effect.provide(on(filling.broken)))
        )

        it.effect(
          "comes back from what is recorded of it: with its token where that is recorded, else by who it is",
          () =>
            Effect.gen(function* () {
              for (const persistPat of [true, false]) {
                yield* Effect.gen(function* () {
                  const boundary = yield* auth
                  const request: AuthRequest.TaskContext = task(filling)
                  const resolved = yield* boundary.resolve(request)
                  const record = boundary.record(resolved, request.connection)
                  const credential = yield* boundary.recall(record, request.connection)
                  assert.strictEqual(
                    bearer(yield* boundary.getHeader(credential)),
                    bearer(yield* boundary.getHeader(resolved))
                  )
                  if (Option.isSome(record.authToken)) return assert.isTrue(persistPat)
                  assertEquals(credential.identity, resolved.identity)
                  assert.strictEqual(credential.identity.key, resolved.identity.key)
                }).pipe(Effect.provide(on(filling.whole, { persistPat }), { local: true }))
              }
            })
        )

        it.effect("is nobody else's once it is gone and its header refused, whatever the other places hold", () =>
          Effect.gen(function* () {
            const request: AuthRequest.TaskContext = task(filling)
            for (const persistPat of [true, false]) {
              const submit = auth.use((boundary) =>
                Effect.gen(function* () {
                  const resolved = yield* boundary.resolve(request)
                  return [
                    bearer(yield* boundary.getHeader(resolved)),
                    boundary.record(resolved, request.connection)
                  ] as const
                })
              )
              const [own, record] = yield* Effect.provide(submit, on(filling.whole, { persistPat }), { local: true })
              const headers = Effect.gen(function* () {
                const boundary = yield* auth
                const credential = yield* boundary.recall(record, request.connection)
                const first = yield* boundary.getHeader(credential)
                yield* boundary.invalidate(credential, first)
                return [first, yield* boundary.getHeader(credential)].map(bearer)
              })
              const got = yield* Effect.result(Effect.provide(headers, on(besides(tenancy)), { local: true }))
              if (Result.isSuccess(got)) assert.deepStrictEqual(got.success, [own, own])
            }
          })
        )

        const { bySettings } = filling
        if (bySettings !== undefined) {
          it.effect("comes back also once the settings that it was resolved under are gone", () =>
            Effect.gen(function* () {
              const request: AuthRequest.TaskContext = task(filling)
              const submit = auth.use((boundary) =>
                Effect.map(
                  boundary.resolve(request),
                  (resolved) => [resolved.identity, boundary.record(resolved, request.connection)] as const
                )
              )
              const [identity, record] = yield* Effect.provide(submit, on(bySettings, { persistPat: false }))
              const recalled = auth.use(({ recall }) => recall(record, request.connection))
              assertEquals((yield* Effect.provide(recalled, on({}))).identity, identity)
            })
          )
        }

        it.effect("shows no secret: resolved, recorded, recalled, refused", () =>
          Effect.gen(function* () {
            const { tracer, spans } = yield* makeSpans
            const { connection }: AuthRequest.TaskContext = task(filling)
            const life = Effect.gen(function* () {
              const boundary = yield* auth
              const resolved = yield* boundary.resolve(task(filling))
              const record = boundary.record(resolved, connection)
              const header = yield* boundary.getHeader(resolved)
              yield* boundary.invalidate(resolved, header)
              return [resolved, record, yield* boundary.recall(record), header, yield* boundary.tokens]
            })
            const broken = auth.use(({ resolve }) => resolve(task(filling, "broken")))
            const ends = [
              yield* Effect.exit(life.pipe(Effect.provide(on(filling.whole)), Effect.withTracer(tracer))),
              yield* Effect.exit(broken.pipe(Effect.provide(on(filling.broken)), Effect.withTracer(tracer)))
            ]
            const shown = [...ends.flatMap(outcomeShownAs), ...shownAs(yield* spans)]
            for (const text of shown) assert.notInclude(text, secretMark)
          })
        )

        const { fail, rotate } = filling
        if (fail !== undefined) {
          it.effect("may be forbidden: an error where the auth type is set, passed over otherwise", () =>
            Effect.gen(function* () {
              yield* fail(new Kubernetes.Forbidden({ detail: "forbidden by RBAC" }))
              const boundary = yield* auth
              const error = yield* Effect.flip(boundary.resolve({ ...task(filling), ...explicit }))
              assert.strictEqual(error.reason._tag, "AccessForbidden")
              const { reason, message } = yield* Effect.flip(boundary.resolve(task(filling)))
              assert(reason._tag === "CredentialsMissing", message)
              assert.lengthOf(
                reason.looked.filter(({ outcome }) => outcome === "forbidden"),
                1
              )
            }).pipe(Effect.provide(on(filling.whole)))
          )

          it.effect("is an error that may pass where Kubernetes does not answer, and never another identity", () =>
            Effect.gen(function* () {
              yield* fail(new Kubernetes.Unavailable({ detail: "etcd is electing a leader" }))
              for (const choice of choices) {
                const request = { ...task(filling), ...choice }
                const { reason, retryable } = yield* auth.use(({ resolve }) => Effect.flip(resolve(request)))
                assert.strictEqual(reason._tag, "KubernetesUnavailable")
                assert.isTrue(retryable)
              }
            }).pipe(Effect.provide(on(filling.whole)))
          )
        }

        if (rotate !== undefined) {
          it.effect("is read again once its header was refused", () =>
            Effect.gen(function* () {
              const boundary = yield* auth
              const resolved = yield* boundary.resolve(task(filling))
              const refused = yield* boundary.getHeader(resolved)
              yield* rotate
              yield* boundary.invalidate(resolved, refused)
              const header = yield* boundary.getHeader(resolved)
              assert.isFalse(Equal.equals(header.authorization, refused.authorization))
            }).pipe(Effect.provide(on(filling.whole)))
          )
        }
      })
    }

    it.effect.each([...mode.taskSettings])("is not chosen by a task's %s where tasks may choose nothing", (setting) =>
      Effect.gen(function* () {
        const connection = setting === "connectionSecretName" ? { connection: { databricksToken: Option.none() } } : {}
        const { reason } = yield* auth.use(({ resolve }) =>
          Effect.flip(resolve({ namespace, settings: { [setting]: "chosen" }, ...connection }))
        )
        assert(reason._tag === "TaskOverrideRefused", reason.message)
        assert.deepStrictEqual(reason.keys, [TaskSettings.customKeys[setting]])
      }).pipe(Effect.provide(on({}, { allowTaskAuthOverride: false })))
    )

    it.effect.prop("has a key that is equal exactly where identities are", [identities, identities], ([one, other]) =>
      Effect.sync(() => {
        assert.strictEqual(one.key === other.key, Equal.equals(one, other))
      })
    )
  })
}

/** A token of another value for each secret. */
const bySecret = (request: TokenEndpoint.TokenRequest) => {
  const secret = TokenEndpoint.secretOf(request)
  const value = Redacted.make(`by-${Hash.hash(Redacted.value(secret))}`)
  return Effect.succeed({ value, lifetime: Duration.hours(1), builtFrom: secret })
}
