/**
 * The laws of every mode, as values: a name, and an Effect that dies where the law does not hold. Any test runner takes
 * them.
 *
 *     for (const { holds, name } of Laws.of(subject)) it.effect(name, () => holds)   // @effect/vitest
 *     for (const { holds, name } of Laws.of(subject)) test(name, () => Effect.runPromise(holds))   // node:test
 *
 * They are tried through the boundary, in memory, at each place where the mode looks for a credential. A mode joins by a
 * `Subject`, which says how each of its places is filled and spoilt.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { AuthError } from "../AuthError.ts"
import type { AuthHeader } from "../Credential.ts"
import * as DatabricksAuth from "../DatabricksAuth.ts"
import * as TokenEndpoint from "../endpoint/TokenEndpoint.ts"
import { ExtensionIdentity, type Identity, modeOf } from "../Identity.ts"
import * as IdentityRecord from "../IdentityRecord.ts"
import * as Kubernetes from "../Kubernetes.ts"
import type * as AuthMode from "../modes/AuthMode.ts"
import type * as AuthRequest from "../request/AuthRequest.ts"
import type * as ConnectorSettings from "../request/ConnectorSettings.ts"
import * as TaskSettings from "../request/TaskSettings.ts"
import * as Shown from "./Shown.ts"

/** One law: what it says, and whether it holds. It dies, with what is wrong, where it does not. */
export interface Law {
  /** What it says, as the name of a test. */
  readonly name: string
  /** Fails where it does not hold. */
  readonly holds: Effect.Effect<void>
}

/** How one place is filled. Every secret in it contains the subject's `secretMark`. */
export interface Filling<World> {
  /** A credential that can be used, where the default settings look for it. */
  readonly whole: World
  /** The same, where only its own settings look for it; absent if no setting moves this place. */
  readonly bySettings?: World
  /** A credential that is there and cannot be used. */
  readonly broken: World
  /** What the request itself brings; absent if nothing of this place is in the request. */
  readonly connection?: { readonly whole: Redacted.Redacted<string>; readonly broken: Redacted.Redacted<string> }
  /** Puts another secret in the place of the whole one while the service runs; absent where a test cannot do that. */
  readonly rotate?: Effect.Effect<void, never, Kubernetes.KubernetesMemory>
  /** Makes Kubernetes refuse to read this place; absent if the place is not in Kubernetes. */
  readonly fail?: (
    reason: Kubernetes.KubernetesError["reason"]
  ) => Effect.Effect<void, never, Kubernetes.KubernetesMemory>
}

/** A mode, and how its places are filled. A `World` is what surrounds the boundary; members of several are put together. */
export interface Subject<World extends object> {
  /** The mode that the laws are for. */
  readonly mode: AuthMode.AnyMode
  /** The mode over sources in memory. */
  readonly wired: Effect.Effect<AuthMode.Wired<Identity>, AuthError>
  /** The boundary in a world, an empty one included: `inMemory`, or one's own on top of `AuthMemory.layerOf`. */
  readonly boundary: (
    world: Partial<World>,
    settings: ConnectorSettings.Options
  ) => Layer.Layer<DatabricksAuth.DatabricksAuth | Kubernetes.KubernetesMemory, AuthError>
  /** One filling for each place of the mode; a place goes by its tenancy. */
  readonly places: Partial<Record<AuthMode.Place<Identity>["tenancy"], Filling<World>>>
  /** Part of every secret in the fillings: text that has it shows a secret. */
  readonly secretMark: string
  /** Any identities of the mode; by default those that other packages' modes have. */
  readonly identities?: Arbitrary.Arbitrary<Identity>
}

/** A token of another value for each secret: what the token endpoint of a boundary under test has to give. */
export const bySecret = (request: TokenEndpoint.TokenRequest) => {
  const secret = TokenEndpoint.secretOf(request)
  const value = Redacted.make(`by-${Hash.hash(Redacted.value(secret))}`)
  return Effect.succeed({ value, lifetime: Duration.hours(1), builtFrom: secret })
}

/** The boundary for a mode in the list of modes. */
export const inMemory: Subject<DatabricksAuth.Memory>["boundary"] = (memory, settings) =>
  DatabricksAuth.layerMemory({ respond: bySecret, ...memory, settings: { ...memory.settings, ...settings } })

const namespace = "team-a"
const boundary = DatabricksAuth.DatabricksAuth
const bearer = ({ authorization }: AuthHeader): string => Redacted.value(authorization)

/** Dies where something is not as a law has it. */
function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what)
}

const mustBe = (found: unknown, expected: unknown, what: string): void =>
  must(Equal.equals(found, expected), `${what}: ${String(found)} instead of ${String(expected)}`)

const sameMembers = (found: ReadonlyArray<unknown>, expected: ReadonlyArray<unknown>, what: string): void =>
  mustBe(found.toSorted().join(", "), expected.toSorted().join(", "), what)

/** The laws for one mode. */
export const of = <World extends object>(subject: Subject<World>): ReadonlyArray<Law> => {
  const { mode, places, secretMark, wired } = subject
  const list: Array<Law> = []
  const law = (name: string, holds: Effect.Effect<void, AuthError>) =>
    list.push({ name: `mode ${mode.tag} ${name}`, holds: Effect.orDie(holds) })

  const fillings = Object.entries(places)
  const task = ({ connection }: Filling<World>, state: "whole" | "broken" = "whole"): AuthRequest.TaskContext => ({
    namespace,
    ...(connection === undefined ? {} : { connection: { databricksToken: Option.some(connection[state]) } })
  })
  /** What a task says of its auth type: nothing, so that it is detected, or this mode's. */
  const explicit = { settings: { authType: mode.authType } }
  const choices = [{}, explicit]
  const on = (world: Partial<World>, settings: ConnectorSettings.Options = {}) =>
    subject.boundary(world, { instance: "dbc-a1b2.cloud.databricks.com", ...settings })
  const refusal = (request: AuthRequest.TaskContext) =>
    boundary.use(({ resolve }) => Effect.flip(resolve(request))).pipe(Effect.orDie)

  const isOnly = Effect.map(
    refusal({ namespace, settings: { authType: mode.authType === "pat" ? "oauth_m2m" : "pat" } }),
    ({ reason }) => reason._tag === "ModeUnavailable" && reason.served.length === 1
  )

  /** A world with everything but what this place holds. */
  const besides = (tenancy: string): Partial<World> =>
    fillings
      .filter(([other]) => other !== tenancy)
      .reduce<Partial<World>>((all, [, { whole }]) => ({ ...all, ...whole }), {})

  law(
    "has a filling for each of its places",
    Effect.gen(function* () {
      const own = yield* wired
      sameMembers(
        own.places.map(({ tenancy }) => tenancy),
        Object.keys(places),
        "places"
      )
    })
  )

  law(
    "looks on where nothing is there, and says what it looked for",
    Effect.gen(function* () {
      for (const choice of choices) {
        const { message, reason } = yield* refusal({ namespace, ...choice })
        must(reason._tag === "CredentialsMissing", message)
        must(reason.looked.length > 0, "nothing was looked for")
      }
    }).pipe(Effect.provide(on({})))
  )

  law(
    "takes no run of another mode",
    Effect.sync(() => {
      const record = IdentityRecord.empty("dbc-a1b2.cloud.databricks.com")
      const own = (["pat", "oauth_m2m", "oidc_federation"] as const).filter((authType) =>
        mode.isRecorded({ ...record, authType: Option.some(authType) })
      )
      must(
        own.every((authType) => authType === mode.authType),
        `it takes runs of auth type ${own.join(", ")}`
      )
      if (!flytes.includes(mode.tag)) must(own.length === 0, "it takes runs that another mode recorded")
    })
  )

  for (const [tenancy, filling] of fillings) {
    const here = (name: string, holds: Effect.Effect<void, AuthError>) =>
      law(`with what a ${tenancy} brings: ${name}`, holds)

    here(
      "is that identity where it is whole, explicit or detected, and gets a header",
      Effect.gen(function* () {
        const auth = yield* boundary
        for (const choice of choices) {
          const resolved = yield* auth.resolve({ ...task(filling), ...choice })
          mustBe(modeOf(resolved.identity), mode.tag, "mode")
          mustBe(resolved.identity.authType, mode.authType, "auth type")
          mustBe(resolved.explanation.at(-1)?.outcome, "used", "the end of the explanation")
          must(/^Bearer \S+$/.test(bearer(yield* auth.getHeader(resolved))), "the header is not a bearer token's")
        }
      }).pipe(Effect.provide(on(filling.whole)))
    )

    here(
      "is an error where it is broken, and nothing else in its place",
      Effect.gen(function* () {
        for (const choice of choices) {
          const { message, reason, retryable } = yield* refusal({ ...task(filling, "broken"), ...choice })
          must(reason._tag === "CredentialsBroken", message)
          must(!retryable, "a broken credential is not mended by a retry")
        }
      }).pipe(Effect.provide(on(filling.broken)))
    )

    here(
      "comes back from what is recorded of it: with its token where that is recorded, else by who it is",
      Effect.gen(function* () {
        for (const persistPat of [true, false]) {
          yield* Effect.gen(function* () {
            const auth = yield* boundary
            const request = task(filling)
            const resolved = yield* auth.resolve(request)
            const record = auth.record(resolved, request.connection)
            const credential = yield* auth.recall(record, request.connection)
            mustBe(bearer(yield* auth.getHeader(credential)), bearer(yield* auth.getHeader(resolved)), "header")
            if (Option.isSome(record.authToken)) return must(persistPat, "a token is recorded though none may be")
            mustBe(credential.identity, resolved.identity, "identity")
            mustBe(credential.identity.key, resolved.identity.key, "key")
          }).pipe(Effect.provide(on(filling.whole, { persistPat }), { local: true }))
        }
      })
    )

    here(
      "is nobody else's once it is gone and its header refused, whatever the other places hold",
      Effect.gen(function* () {
        const request = task(filling)
        for (const persistPat of [true, false]) {
          const submit = boundary.use((auth) =>
            Effect.gen(function* () {
              const resolved = yield* auth.resolve(request)
              return [bearer(yield* auth.getHeader(resolved)), auth.record(resolved, request.connection)] as const
            })
          )
          const [own, record] = yield* Effect.provide(submit, on(filling.whole, { persistPat }), { local: true })
          const headers = Effect.gen(function* () {
            const auth = yield* boundary
            const credential = yield* auth.recall(record, request.connection)
            const first = yield* auth.getHeader(credential)
            yield* auth.invalidate(credential, first)
            return [first, yield* auth.getHeader(credential)].map(bearer)
          })
          const got = yield* Effect.result(Effect.provide(headers, on(besides(tenancy)), { local: true }))
          if (Result.isSuccess(got)) mustBe(got.success.join(", "), [own, own].join(", "), "headers")
        }
      })
    )

    const { bySettings } = filling
    if (bySettings !== undefined) {
      here(
        "comes back also once the settings that it was resolved under are gone",
        Effect.gen(function* () {
          const request = task(filling)
          const submit = boundary.use((auth) =>
            Effect.map(
              auth.resolve(request),
              (resolved) => [resolved.identity, auth.record(resolved, request.connection)] as const
            )
          )
          const [identity, record] = yield* Effect.provide(submit, on(bySettings, { persistPat: false }))
          const recalled = boundary.use(({ recall }) => recall(record, request.connection))
          mustBe((yield* Effect.provide(recalled, on({}))).identity, identity, "identity")
        })
      )
    }

    here(
      "shows no secret: resolved, recorded, recalled, refused",
      Effect.gen(function* () {
        const { spans, tracer } = yield* Shown.makeSpans
        const { connection } = task(filling)
        const life = Effect.gen(function* () {
          const auth = yield* boundary
          const resolved = yield* auth.resolve(task(filling))
          const record = auth.record(resolved, connection)
          const header = yield* auth.getHeader(resolved)
          yield* auth.invalidate(resolved, header)
          return [resolved, record, yield* auth.recall(record), header, yield* auth.tokens]
        })
        const broken = boundary.use(({ resolve }) => resolve(task(filling, "broken")))
        const ends = [
          yield* Effect.exit(life.pipe(Effect.provide(on(filling.whole)), Effect.withTracer(tracer))),
          yield* Effect.exit(broken.pipe(Effect.provide(on(filling.broken)), Effect.withTracer(tracer)))
        ]
        for (const text of [...ends.flatMap(Shown.exit), ...Shown.value(yield* spans)]) {
          const at = text.indexOf(secretMark)
          must(at < 0, `a secret is shown after "${text.slice(Math.max(0, at - 100), at)}"`)
        }
      })
    )

    const { fail, rotate } = filling
    if (fail !== undefined) {
      here(
        "may be forbidden: an error where the auth type is set, passed over otherwise",
        Effect.gen(function* () {
          yield* fail(new Kubernetes.Forbidden({ detail: "forbidden by RBAC" }))
          mustBe((yield* refusal({ ...task(filling), ...explicit })).reason._tag, "AccessForbidden", "reason")
          const { message, reason } = yield* refusal(task(filling))
          // The only auth type that there is counts as set.
          if (yield* isOnly) return mustBe(reason._tag, "AccessForbidden", "reason")
          must(reason._tag === "CredentialsMissing", message)
          mustBe(reason.looked.filter(({ outcome }) => outcome === "forbidden").length, 1, "forbidden places")
        }).pipe(Effect.provide(on(filling.whole)))
      )

      here(
        "is an error that may pass where Kubernetes does not answer, and never another identity",
        Effect.gen(function* () {
          yield* fail(new Kubernetes.Unavailable({ detail: "etcd is electing a leader" }))
          for (const choice of choices) {
            const { message, reason, retryable } = yield* refusal({ ...task(filling), ...choice })
            must(reason._tag === "KubernetesUnavailable", message)
            must(retryable, "a retry may help")
          }
        }).pipe(Effect.provide(on(filling.whole)))
      )
    }

    if (rotate !== undefined) {
      here(
        "is read again once its header was refused",
        Effect.gen(function* () {
          const auth = yield* boundary
          const resolved = yield* auth.resolve(task(filling))
          const refused = yield* auth.getHeader(resolved)
          yield* rotate
          yield* auth.invalidate(resolved, refused)
          const header = yield* auth.getHeader(resolved)
          must(!Equal.equals(header.authorization, refused.authorization), "the refused token is given again")
        }).pipe(Effect.provide(on(filling.whole)))
      )
    }
  }

  for (const setting of mode.taskSettings) {
    law(
      `is not chosen by a task's ${setting} where tasks may choose nothing`,
      Effect.gen(function* () {
        const connection = setting === "connectionSecretName" ? { connection: { databricksToken: Option.none() } } : {}
        const { message, reason } = yield* refusal({ namespace, settings: { [setting]: "chosen" }, ...connection })
        must(reason._tag === "TaskOverrideRefused", message)
        sameMembers(reason.keys, [TaskSettings.customKeys[setting]], "refused keys")
      }).pipe(Effect.provide(on({}, { allowTaskAuthOverride: false })))
    )
  }

  law(
    "has a key that is equal exactly where identities are",
    Effect.gen(function* () {
      const identities = subject.identities ?? Arbitrary.schema(ExtensionIdentity)
      const pairs = Arbitrary.all([identities, identities])
      const checked = yield* Arbitrary.checkEffect(
        pairs,
        ([one, other]) => (one.key === other.key) === Equal.equals(one, other)
      )
      const failure = Arbitrary.formatCheckFailure(checked)
      must(failure === undefined, failure ?? "")
    })
  )

  return list
}

const flytes = ["pat", "oauth_m2m", "oidc_connector", "oidc_namespace"]
