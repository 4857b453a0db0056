import { type AuthError, Kubernetes, ServiceAccountTokens } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Fiber, Layer, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { jwtText } from "../support/jwt.ts"
import { makeCluster, offered } from "../support/oidc.ts"
import { assertNoSecret, shownAs } from "../support/secrecy.ts"

const enabled = { "flyte.org/databricks-enabled": "true" }
const clientId = "flyte.org/databricks-client-id"

type Cluster = Record<string, Kubernetes.MemoryServiceAccount>

/** Runs over the source on this cluster, with what was asked of it. */
const over = <A, E>(
  cluster: Cluster,
  body: (given: {
    readonly tokens: ServiceAccountTokens.ServiceAccountTokens["Service"]
    readonly memory: Kubernetes.KubernetesMemory["Service"]
    readonly calls: Effect.Effect<ReadonlyArray<string>>
  }) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const { layer, calls } = yield* makeCluster(cluster)
    return yield* Effect.gen(function* () {
      const tokens = yield* ServiceAccountTokens.ServiceAccountTokens
      const memory = yield* Kubernetes.KubernetesMemory
      return yield* body({ tokens, memory, calls })
    }).pipe(Effect.provide(Layer.provideMerge(ServiceAccountTokens.layer, layer)))
  })

const discover = (cluster: Cluster) => over(cluster, ({ tokens }) => tokens.discover("team-a"))

const names = ({ offers }: ServiceAccountTokens.Discovery) => offers.map(({ serviceAccount }) => serviceAccount)

describe("a namespace", () => {
  it.effect("offers the ServiceAccounts with the label and the annotation, sorted, and no other namespace's", () =>
    Effect.gen(function* () {
      const { offers, skipped } = yield* discover({
        "team-a/spark": offered(" app-1\n"),
        "team-a/batch": offered("app-2", " account-id "),
        "team-a/default": {},
        "team-a-b/spark": offered("app-3"),
        "team-b/spark": offered("app-4")
      })
      assertEquals(offers, [
        { serviceAccount: "batch", clientId: "app-2", audience: Option.some("account-id") },
        { serviceAccount: "spark", clientId: "app-1", audience: Option.none() }
      ])
      assert.deepStrictEqual(skipped, [])
    })
  )

  it.effect.each(["false", "True", "TRUE", "1", "yes", "", " true"])("offers none where the label says %j", (value) =>
    Effect.gen(function* () {
      const labels = { "flyte.org/databricks-enabled": value }
      assert.deepStrictEqual(names(yield* discover({ "team-a/spark": { ...offered("app-1"), labels } })), [])
    })
  )

  it.effect("has those without a client id, or a blank one, seen and skipped", () =>
    Effect.gen(function* () {
      const { offers, skipped } = yield* discover({
        "team-a/z": { labels: enabled },
        "team-a/blank": { labels: enabled, annotations: { [clientId]: " \n" } },
        "team-a/empty": { labels: enabled, annotations: { [clientId]: "" } },
        "team-a/misspelt": { labels: enabled, annotations: { [`${clientId}s`]: "app-1" } },
        "team-a/unlabelled": { annotations: { [clientId]: "app-1" } }
      })
      assertEquals(offers, [])
      assert.deepStrictEqual(skipped, ["blank", "empty", "misspelt", "z"])
    })
  )

  it.effect("with a blank audience leaves it to the settings", () =>
    Effect.gen(function* () {
      const { offers } = yield* discover({ "team-a/spark": offered("app-1", "  ") })
      assertEquals(offers[0]?.audience, Option.none())
    })
  )

  it.effect("says why it offers nothing: nobody there, somebody skipped, or no cluster", () =>
    Effect.gen(function* () {
      const said = (cluster: Cluster) =>
        over(cluster, ({ tokens }) => Effect.map(tokens.discover("team-a"), tokens.absence))
      assert.strictEqual(yield* said({}), "none found")
      const skipped = yield* said({ "team-a/two": { labels: enabled }, "team-a/one": { labels: enabled } })
      assert.strictEqual(skipped, `none has annotation ${clientId}; seen and skipped: one, two`)
      const alone = ServiceAccountTokens.ServiceAccountTokens.use((tokens) =>
        Effect.map(tokens.discover("team-a"), tokens.absence)
      )
      const layer = Layer.provide(ServiceAccountTokens.layer, Kubernetes.layerNone)
      assert.strictEqual(yield* Effect.provide(alone, layer), "no Kubernetes is configured")
    })
  )
})

describe("a discovery", () => {
  it.effect("asks for the label, once for many submits that come together", () =>
    over({ "team-a/spark": offered("app-1") }, ({ tokens, calls }) =>
      Effect.gen(function* () {
        const all = yield* Effect.all(
          Array.from({ length: 50 }, () => tokens.discover("team-a")),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(all.map((one) => names(one).join())).size, 1)
        assert.deepStrictEqual(yield* calls, ["list team-a flyte.org/databricks-enabled=true"])
      })
    )
  )

  const kept = [
    ["one", { "team-a/spark": offered("app-1") }, 60],
    ["none", {}, 10],
    ["none but a skipped one", { "team-a/spark": { labels: enabled } }, 10],
    ["too many", { "team-a/spark": offered("app-1"), "team-a/batch": offered("app-1") }, 10]
  ] as const
  it.effect.each(kept)("of %s is kept for a while, and not longer", ([, cluster, seconds]) =>
    over(cluster, ({ tokens, calls }) =>
      Effect.gen(function* () {
        yield* tokens.discover("team-a")
        yield* TestClock.adjust(`${seconds - 1} seconds`)
        yield* tokens.discover("team-a")
        assert.lengthOf(yield* calls, 1)
        yield* TestClock.adjust("1 second")
        yield* tokens.discover("team-a")
        assert.lengthOf(yield* calls, 2)
      })
    )
  )

  it.effect("may be kept for as long as the operator of a library wants", () =>
    over({ "team-a/spark": offered("app-1") }, ({ tokens, calls }) =>
      Effect.gen(function* () {
        yield* tokens.discover("team-a")
        yield* TestClock.adjust("5 seconds")
        yield* tokens.discover("team-a")
        assert.lengthOf(yield* calls, 2)
      })
    ).pipe(
      Effect.provideService(ServiceAccountTokens.DiscoveryTimeToLive, { present: "5 seconds", absent: "1 second" })
    )
  )

  it.effect("that was forgotten is made anew, and another namespace's is kept", () =>
    over({ "team-a/spark": offered("app-1"), "team-b/spark": offered("app-2") }, ({ tokens, memory, calls }) =>
      Effect.gen(function* () {
        yield* tokens.discover("team-a")
        yield* tokens.discover("team-b")
        yield* memory.setServiceAccount("team-a", "spark", offered("app-3"))
        yield* tokens.forget("team-a")
        assert.strictEqual((yield* tokens.discover("team-a")).offers[0]?.clientId, "app-3")
        yield* tokens.discover("team-b")
        assert.lengthOf(yield* calls, 3)
      })
    )
  )

  it.effect("that is forbidden names the missing rule and both ways out; it is not kept", () =>
    over({ "team-a/spark": offered("app-1") }, ({ tokens, memory }) =>
      Effect.gen(function* () {
        yield* memory.failServiceAccounts("team-a", Option.some(new Kubernetes.Forbidden({ detail: "no" })))
        const error = yield* Effect.flip(tokens.discover("team-a"))
        assert.strictEqual(error.reason._tag, "AccessForbidden")
        assert.isFalse(error.retryable)
        assert.include(
          error.message,
          '{apiGroups: [""], resources: ["serviceaccounts"], verbs: ["list"]} in namespace team-a'
        )
        assert.include(error.message, "FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore")
        yield* memory.failServiceAccounts("team-a", Option.none())
        assert.deepStrictEqual(names(yield* tokens.discover("team-a")), ["spark"])
      })
    )
  )

  it.effect("that Kubernetes does not answer may be tried again, and is not kept", () =>
    over({ "team-a/spark": offered("app-1") }, ({ tokens, memory, calls }) =>
      Effect.gen(function* () {
        yield* memory.failServiceAccounts("team-a", Option.some(new Kubernetes.Unavailable({ detail: "status 503" })))
        for (const _ of [1, 2]) {
          const error = yield* Effect.flip(tokens.discover("team-a"))
          assert.strictEqual(error.reason._tag, "KubernetesUnavailable")
          assert.isTrue(error.retryable)
          assert.include(error.message, "status 503")
        }
        assert.lengthOf(yield* calls, 2)
        yield* memory.failServiceAccounts("team-a", Option.none())
        assert.deepStrictEqual(names(yield* tokens.discover("team-a")), ["spark"])
      })
    )
  )
})

describe("a token of a ServiceAccount", () => {
  const mint =
    (audience = "databricks") =>
    ({ tokens }: { readonly tokens: ServiceAccountTokens.ServiceAccountTokens["Service"] }) =>
      tokens.mint("team-a", "spark", audience)

  it.effect("is asked of Kubernetes each time, for the audience and an hour", () =>
    over({ "team-a/spark": offered("app-1") }, ({ tokens, calls }) =>
      Effect.gen(function* () {
        const { claims, token } = yield* mint("account-id")({ tokens })
        assert.strictEqual(claims.sub, "system:serviceaccount:team-a:spark")
        assert.deepStrictEqual(claims.audiences, ["account-id"])
        assert.strictEqual(claims.exp, 3600)
        assertNoSecret("a minted token", ...shownAs(token))
        yield* mint("account-id")({ tokens })
        const call = "token team-a/spark for account-id, 1h"
        assert.deepStrictEqual(yield* calls, [call, call])
      })
    )
  )

  it.effect("of one that is gone is an error that names it, and says what to do", () =>
    Effect.gen(function* () {
      const { message, reason } = yield* Effect.flip(over({}, mint()))
      assert.strictEqual(reason._tag, "CredentialsMissing")
      assert.strictEqual(
        message,
        "No credentials for ServiceAccount spark in namespace team-a. Looked at:\n" +
          "  - ServiceAccount spark in namespace team-a: absent (not found (TokenRequest))\n" +
          "The identity is pinned to it: create it again."
      )
    })
  )

  it.effect.each([
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "kubernetes.default.svc.my-cluster-1.example",
    "https://kubernetes",
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local/",
    "https://kubernetes.memory"
  ])("is not even asked for where the API server would take it: %s", (audience) =>
    over({ "team-a/spark": offered("app-1") }, ({ tokens, calls }) =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(mint(audience)({ tokens }))
        assert(reason._tag === "SettingInvalid")
        assert.strictEqual(reason.setting, "The audience for ServiceAccount spark in namespace team-a")
        assert.strictEqual(reason.expected, "one that the cluster's own API server does not accept")
        assert.deepStrictEqual(yield* calls, [])
      })
    )
  )

  it.effect.each([
    "http://kubernetes.default.svc",
    "kubernetes-prod",
    "my.kubernetes",
    "kubernetes.example",
    "kubernetes.default.example",
    "kubernetes.default.svc.a_b",
    "kubernetes.default.svc/x",
    "https://kubernetes.memory/"
  ])("is made for another that looks like it: %s", (audience) =>
    Effect.gen(function* () {
      const { claims } = yield* over({ "team-a/spark": offered("app-1") }, mint(audience))
      assert.deepStrictEqual(claims.audiences, [audience])
    })
  )

  it.effect("is not used where its audience is the name of its issuer, which an API server takes by default", () =>
    over({ "team-a/spark": offered("app-1") }, ({ tokens, memory }) =>
      Effect.gen(function* () {
        const text = jwtText({ aud: ["https://oidc.example"], iss: "https://oidc.example" })
        yield* memory.onTokenRequest(() => Effect.succeedSome(Redacted.make(text)))
        const { reason } = yield* Effect.flip(mint("https://oidc.example")({ tokens }))
        assert.strictEqual(reason._tag, "SettingInvalid")
      })
    )
  )

  const answered = (respond: Effect.Effect<Option.Option<Redacted.Redacted<string>>, Kubernetes.KubernetesError>) =>
    over({ "team-a/spark": offered("app-1") }, ({ tokens, memory }) =>
      Effect.andThen(
        memory.onTokenRequest(() => respond),
        Effect.flip(mint()({ tokens }))
      )
    )

  it.effect("that is forbidden names the rule that lets it be made for this one alone", () =>
    Effect.gen(function* () {
      const error = yield* answered(
        Effect.fail(new Kubernetes.KubernetesError({ reason: new Kubernetes.Forbidden({ detail: "no" }) }))
      )
      assert.strictEqual(error.reason._tag, "AccessForbidden")
      assert.include(
        error.message,
        '{apiGroups: [""], resources: ["serviceaccounts/token"], resourceNames: ["spark"], verbs: ["create"]} in namespace team-a'
      )
    })
  )

  it.effect("that Kubernetes does not make right now may be tried again", () =>
    Effect.gen(function* () {
      const error = yield* answered(
        Effect.fail(new Kubernetes.KubernetesError({ reason: new Kubernetes.Unavailable({ detail: "status 429" }) }))
      )
      assert.strictEqual(error.reason._tag, "KubernetesUnavailable")
      assert.isTrue(error.retryable)
      assert.include(error.message, "A token of ServiceAccount spark in namespace team-a could not be read: status 429")
    })
  )

  const unusable: ReadonlyArray<readonly [string, string, RegExp]> = [
    ["empty", "", /empty or not a JWT/],
    ["blank", " \n", /empty or not a JWT/],
    ["no JWT", "S3cr3tM4rk3r", /empty or not a JWT/],
    ["half a JWT", jwtText().slice(0, 60), /empty or not a JWT/],
    ["longer than any JWT", `${" ".repeat(64 * 1024)}${jwtText()}`, /empty or not a JWT/],
    ["over", jwtText({ aud: "databricks", exp: -61 }), /^gave a token that expired at 1969-12-31T23:58:59.000Z/],
    [
      "for another audience",
      jwtText({ aud: ["https://kubernetes.default.svc"] }),
      /audience https:\/\/kubernetes\.default\.svc when asked for databricks/
    ],
    ["for two others", jwtText({ aud: ["a", "b"] }), /audience a, b when asked for databricks/],
    ["for no audience", jwtText({}), /audience none when asked for databricks/],
    ["for an audience that begins the same", jwtText({ aud: "databricks-other" }), /audience databricks-other/]
  ]
  it.effect.each(unusable)("that is %s is not used, and the error does not repeat it", ([, text, problem]) =>
    Effect.gen(function* () {
      const error: AuthError.AuthError = yield* answered(Effect.succeedSome(Redacted.make(text)))
      assert(error.reason._tag === "CredentialsBroken", error.message)
      assert.match(error.reason.problem, problem)
      assert.include(error.message, "ServiceAccount spark in namespace team-a")
      assert.include(error.message, "(TokenRequest)")
      assert.include(
        error.message,
        "Check the API server's service account issuer and what webhooks do to TokenRequests."
      )
      assertNoSecret("the error", ...shownAs(error))
    })
  )

  it.effect("for several audiences, ours among them, is used", () =>
    over({ "team-a/spark": offered("app-1") }, ({ tokens, memory }) =>
      Effect.gen(function* () {
        const text = jwtText({ aud: ["other", "databricks"] })
        yield* memory.onTokenRequest(() => Effect.succeedSome(Redacted.make(`${text}\n`)))
        assert.strictEqual(Redacted.value((yield* mint()({ tokens })).token), text)
      })
    )
  )

  it.effect("that takes its time holds up nobody else's discovery", () =>
    over({ "team-a/spark": offered("app-1") }, ({ tokens, memory }) =>
      Effect.gen(function* () {
        yield* memory.onTokenRequest(() => Effect.never)
        const fiber = yield* Effect.forkChild(mint()({ tokens }), { startImmediately: true })
        assert.deepStrictEqual(names(yield* tokens.discover("team-a")), ["spark"])
        yield* Fiber.interrupt(fiber)
      })
    )
  )
})
