/**
 * What every mode has to hold, whoever writes it: laws over the boundary, in memory, for each place that the mode says
 * it has. A mode joins by saying how its places are filled.
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
import { makeSpans, outcomeShownAs, shownAs } from "../support/secrecy.ts"
import { bearer } from "../support/tokens.ts"

const namespace = "team-a"
const auth = DatabricksAuth.DatabricksAuth

/** How to fill one place, and how to spoil it. Every secret holds `secretMark`. */
interface Filling {
  readonly whole: DatabricksAuth.Memory
  /** A whole one under settings that are not the defaults, as far as there are any for it. */
  readonly set?: DatabricksAuth.Memory
  /** A credential that is there and not whole. */
  readonly broken: DatabricksAuth.Memory
  /** A whole one with another secret, by what changes it while the connector runs; none where each request brings its own. */
  readonly rotate?: Effect.Effect<void, never, Kubernetes.KubernetesMemory>
  /** Makes Kubernetes answer so; none where the place is not in Kubernetes. */
  readonly fail?: (
    reason: Kubernetes.KubernetesError["reason"]
  ) => Effect.Effect<void, never, Kubernetes.KubernetesMemory>
  readonly connection?: { readonly whole: Redacted.Redacted<string>; readonly broken: Redacted.Redacted<string> }
}

export interface Subject {
  readonly mode: AuthMode.AnyMode
  /** The mode over sources in memory. */
  readonly wired: Effect.Effect<AuthMode.Wired<Identity.Identity>, AuthError.AuthError>
  /** Filled by tenancy, which names a place of a mode. */
  readonly places: Partial<Record<AuthMode.Place<Identity.Identity>["tenancy"], Filling>>
  /** What every secret in the fillings holds. */
  readonly secretMark: string
  /** Identities of the mode, any. */
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
    const explicit = { settings: { authType: mode.authType } }
    /** The boundary in memory, for the auth type or detecting it. */
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

    it.effect("has its laws tried in each of its places", () =>
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
        for (const settings of [{}, explicit]) {
          const { reason } = yield* auth.use(({ resolve }) => Effect.flip(resolve({ namespace, ...settings })))
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
            for (const settings of [{}, explicit]) {
              const resolved = yield* boundary.resolve({ ...task(filling), ...settings })
              assert.strictEqual(resolved.identity._tag, mode.tag)
              assert.match(bearer(yield* boundary.getHeader(resolved)), /^Bearer \S+$/)
            }
          }).pipe(Effect.provide(on(filling.whole)))
        )

        it.effect("is an error where it is broken, and nothing else in its place", () =>
          Effect.gen(function* () {
            for (const settings of [{}, explicit]) {
              const request = { ...task(filling, "broken"), ...settings }
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

        const { set } = filling
        if (set !== undefined) {
          it.effect("comes back also once the settings that it was resolved under are gone", () =>
            Effect.gen(function* () {
              const request: AuthRequest.TaskContext = task(filling)
              const submit = auth.use((boundary) =>
                Effect.map(
                  boundary.resolve(request),
                  (resolved) => [resolved.identity, boundary.record(resolved, request.connection)] as const
                )
              )
              const [identity, record] = yield* Effect.provide(submit, on(set, { persistPat: false }))
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
              const set = yield* Effect.flip(boundary.resolve({ ...task(filling), ...explicit }))
              assert.strictEqual(set.reason._tag, "AccessForbidden")
              const detected = yield* Effect.flip(boundary.resolve(task(filling)))
              assert(detected.reason._tag === "CredentialsMissing", detected.message)
              assert.lengthOf(
                detected.reason.looked.filter(({ outcome }) => outcome === "forbidden"),
                1
              )
            }).pipe(Effect.provide(on(filling.whole)))
          )

          it.effect("is an error that may pass where Kubernetes does not answer, and never another identity", () =>
            Effect.gen(function* () {
              yield* fail(new Kubernetes.Unavailable({ detail: "etcd is electing a leader" }))
              for (const settings of [{}, explicit]) {
                const request = { ...task(filling), ...settings }
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

/** A token that tells with which secret it was got. */
const bySecret = (request: TokenEndpoint.TokenRequest) => {
  const secret = TokenEndpoint.secretOf(request)
  const value = Redacted.make(`by-${Hash.hash(Redacted.value(secret))}`)
  return Effect.succeed({ value, lifetime: Duration.hours(1), builtFrom: secret })
}
