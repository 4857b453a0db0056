import { DatabricksAuth, Kubernetes, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { jwtText } from "../support/jwt.ts"
import { defaultPath, header, inside, offered, one, refusal, resolve, shared, submit, who } from "../support/oidc.ts"
import { assertNoSecret, shownAs } from "../support/secrecy.ts"

/** The connector's own JWT. */
const files = { [defaultPath]: jwtText() }
const forbidden = new Kubernetes.Forbidden({ detail: "no" })
const unavailable = new Kubernetes.Unavailable({ detail: "connection refused" })

describe("a token of Model 2", () => {
  it.effect("is exchanged for a JWT that was minted for it, and never shared between namespaces", () =>
    inside(
      { serviceAccounts: { ...one, "team-c/spark": offered("app-a"), "team-d/spark": offered("app-a", "account-id") } },
      ({ calls }) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* submit(), "Bearer app-a-as-system:serviceaccount:team-a:spark-1")
          assert.strictEqual(yield* submit(), "Bearer app-a-as-system:serviceaccount:team-a:spark-1")
          assert.strictEqual(yield* submit({}, "team-b"), "Bearer app-b-as-system:serviceaccount:team-b:spark-2")
          assert.strictEqual(yield* submit({}, "team-c"), "Bearer app-a-as-system:serviceaccount:team-c:spark-3")
          assert.strictEqual(yield* submit({}, "team-d"), "Bearer app-a-as-system:serviceaccount:team-d:spark-4")
          yield* TestClock.adjust("1 hour")
          assert.strictEqual(yield* submit(), "Bearer app-a-as-system:serviceaccount:team-a:spark-5")
          assert.deepStrictEqual(
            (yield* calls).filter((call) => call.startsWith("token")),
            [
              "token team-a/spark for databricks, 1h",
              "token team-b/spark for databricks, 1h",
              "token team-c/spark for databricks, 1h",
              "token team-d/spark for account-id, 1h",
              "token team-a/spark for databricks, 1h"
            ]
          )
        })
    )
  )

  it.effect("that cannot be minted is an error, with no other identity in its place", () =>
    Effect.gen(function* () {
      const failures = [
        [
          Effect.fail(new Kubernetes.KubernetesError({ reason: forbidden })),
          "AccessForbidden",
          "serviceaccounts/token"
        ],
        [
          Effect.fail(new Kubernetes.KubernetesError({ reason: unavailable })),
          "KubernetesUnavailable",
          "connection refused"
        ],
        [Effect.succeedNone, "CredentialsMissing", "not found (TokenRequest)"],
        [Effect.succeedSome(Redacted.make("")), "CredentialsBroken", "empty or not a JWT"],
        [Effect.succeedSome(Redacted.make("S3cr3tM4rk3r")), "CredentialsBroken", "empty or not a JWT"],
        [
          Effect.succeedSome(Redacted.make(jwtText({ aud: "vault" }))),
          "CredentialsBroken",
          "for audience vault when asked for databricks"
        ]
      ] as const
      for (const [answer, tag, text] of failures) {
        const secrets = {
          "team-a/databricks-oauth": { client_id: "app-m2m", client_secret: "s" },
          "team-a/databricks-token": { token: "dapi-a" }
        }
        yield* inside({ env: shared, serviceAccounts: one, secrets, files }, ({ memory }) =>
          Effect.gen(function* () {
            yield* memory.onTokenRequest(() => answer)
            const resolved = yield* resolve()
            const error = yield* Effect.flip(header(resolved))
            assert.strictEqual(error.reason._tag, tag)
            assert.include(error.message, text)
            assert.include(error.message, "ServiceAccount spark in namespace team-a")
            assertNoSecret("the error", ...shownAs(error))
            const { requests } = yield* TokenEndpoint.TokenEndpointMemory
            assert.lengthOf(yield* requests, 0)
          })
        )
      }
    })
  )

  it.effect(
    "that is refused is an error, with no other identity in its place; the next submit sees a mended annotation at once",
    () =>
      Effect.gen(function* () {
        const respond = (request: TokenEndpoint.TokenRequest) =>
          request.clientId === "app-right"
            ? Effect.succeed({
                value: Redacted.make("t"),
                lifetime: Duration.hours(1),
                builtFrom: TokenEndpoint.secretOf(request)
              })
            : Effect.fail(refusal)
        yield* inside(
          { env: shared, serviceAccounts: { "team-a/spark": offered("app-wrong") }, files, respond },
          ({ memory, calls }) =>
            Effect.gen(function* () {
              const resolved = yield* resolve()
              yield* memory.setServiceAccount("team-a", "spark", offered("app-right"))
              assert.strictEqual(
                who(yield* resolve()),
                "app-wrong as team-a/spark for databricks",
                "it is kept for a while"
              )
              const error = yield* Effect.flip(header(resolved))
              assert.strictEqual(error.reason._tag, "ExchangeRefused")
              assert.strictEqual(who(yield* resolve()), "app-right as team-a/spark for databricks")
              assert.lengthOf(
                (yield* calls).filter((call) => call.startsWith("list")),
                2
              )
              assert.strictEqual(
                (yield* Effect.flip(header(resolved))).reason._tag,
                "ExchangeRefused",
                "the run stays who it is"
              )
            })
        )
      })
  )

  it.effect("of a ServiceAccount that was replaced by another: the next submit sees it at once", () =>
    inside({ serviceAccounts: one }, ({ memory }) =>
      Effect.gen(function* () {
        const resolved = yield* resolve()
        yield* memory.deleteServiceAccount("team-a", "spark")
        yield* memory.setServiceAccount("team-a", "batch", offered("app-new"))
        assert.strictEqual((yield* Effect.flip(header(resolved))).reason._tag, "CredentialsMissing")
        assert.strictEqual(who(yield* resolve()), "app-new as team-a/batch for databricks")
      })
    )
  )

  it.effect("that could not be got just now leaves the discovery as it is", () =>
    inside({ serviceAccounts: one }, ({ memory, calls }) =>
      Effect.gen(function* () {
        const resolved = yield* resolve()
        yield* memory.onTokenRequest(() => Effect.fail(new Kubernetes.KubernetesError({ reason: unavailable })))
        yield* Effect.flip(header(resolved))
        yield* resolve()
        assert.lengthOf(
          (yield* calls).filter((call) => call.startsWith("list")),
          1
        )
      })
    )
  )

  it.effect("that Databricks refused later is minted anew, and the discovery made anew", () =>
    inside({ serviceAccounts: one }, ({ calls }) =>
      Effect.gen(function* () {
        const auth = yield* DatabricksAuth.DatabricksAuth
        const resolved = yield* resolve()
        const refused = yield* auth.getHeader(resolved)
        yield* auth.invalidate(resolved, refused)
        const next = yield* auth.getHeader(resolved)
        assert.strictEqual(Redacted.value(next.authorization), "Bearer app-a-as-system:serviceaccount:team-a:spark-2")
        yield* resolve()
        assert.lengthOf(
          (yield* calls).filter((call) => call.startsWith("list")),
          2
        )
      })
    )
  )

  it.effect("shows nothing of itself in what was resolved", () =>
    inside({ serviceAccounts: one }, ({ memory }) =>
      Effect.gen(function* () {
        yield* memory.onTokenRequest(() => Effect.succeedSome(Redacted.make(jwtText())))
        const resolved = yield* resolve()
        yield* header(resolved)
        const [request] = yield* Effect.flatMap(TokenEndpoint.TokenEndpointMemory, ({ requests }) => requests)
        assert(request !== undefined && "subject" in request)
        assert.strictEqual(request.source, "ServiceAccount team-a/spark")
        assert.isFalse(request.isTaskClient)
        assertNoSecret("a life", ...shownAs(resolved), ...shownAs(request))
      })
    )
  )
})
