import { DatabricksAuth, Kubernetes, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Option, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import { makeLogs } from "../support/logs.ts"
import {
  connector,
  header,
  jwtText,
  makeCluster,
  makeTokenFiles,
  offered,
  refusal,
  resolve,
  submit
} from "../support/oidc.ts"
import { assertNoSecret, shownAs } from "../support/secrecy.ts"

const explicit = { FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation" }
const defaultPath = "/var/run/secrets/databricks/token"
/** Everything weaker that a connector may have. */
const shared = {
  FLYTE_DATABRICKS_CLIENT_ID: "app-0",
  FLYTE_DATABRICKS_CLIENT_SECRET: "s",
  FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi"
}
const enabled = { "flyte.org/databricks-enabled": "true" }
const forbidden = new Kubernetes.Forbidden({ detail: "no" })
const unavailable = new Kubernetes.Unavailable({ detail: "connection refused" })

type Cluster = Parameters<typeof makeCluster>[0]

interface World {
  readonly env?: Record<string, string>
  readonly serviceAccounts?: Cluster
  readonly secrets?: Parameters<typeof makeCluster>[1]
  /** Whether the connector's own JWT is at the default path. */
  readonly model1?: boolean
  readonly respond?: Parameters<typeof TokenEndpoint.layerMemory>[0]
}

interface Inside {
  readonly memory: Kubernetes.KubernetesMemory["Service"]
  readonly calls: Effect.Effect<ReadonlyArray<string>>
}

/** Runs inside of a connector on this world. */
const inside = <A, E, R>(
  { env = {}, serviceAccounts, secrets, model1 = false, respond }: World,
  body: (given: Inside) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const cluster = yield* makeCluster(serviceAccounts, secrets)
    const files = yield* makeTokenFiles(model1 ? { [defaultPath]: jwtText() } : {})
    return yield* Kubernetes.KubernetesMemory.use((memory) => body({ memory, calls: cluster.calls })).pipe(
      Effect.provide(connector({ env, files, cluster, ...(respond === undefined ? {} : { respond }) }))
    )
  })

const who = ({ identity }: DatabricksAuth.Resolved): string =>
  identity._tag === "oidc_namespace"
    ? `${identity.clientId} as ${identity.namespace}/${identity.serviceAccount} for ${identity.audience}`
    : `${identity._tag} ${identity.principal}`

const one = { "team-a/spark": offered("app-a"), "team-b/spark": offered("app-b") }

describe("exactly one annotated ServiceAccount", () => {
  it.effect("is who the namespace's tasks are, whatever the connector has", () =>
    Effect.gen(function* () {
      for (const env of [{}, shared, explicit, { ...shared, ...explicit }]) {
        yield* inside({ env, serviceAccounts: one, model1: true }, () =>
          Effect.gen(function* () {
            assert.strictEqual(who(yield* resolve()), "app-a as team-a/spark for databricks")
            assert.strictEqual(who(yield* resolve({}, "team-b")), "app-b as team-b/spark for databricks")
            const { explanation } = yield* resolve()
            assert.deepStrictEqual(explanation, [
              {
                source: "ServiceAccounts labelled flyte.org/databricks-enabled=true in namespace team-a",
                outcome: "used"
              }
            ])
          })
        )
      }
    })
  )

  it.effect("says its audience itself, else the task does, else the environment", () =>
    Effect.gen(function* () {
      const env = {
        FLYTE_DATABRICKS_OIDC_AUDIENCE: "of-environment",
        FLYTE_DATABRICKS_ALLOWED_AUDIENCES: "of-task"
      }
      const serviceAccounts = { ...one, "team-c/spark": offered("app-c", "of-annotation") }
      yield* inside({ env, serviceAccounts }, () =>
        Effect.gen(function* () {
          const task = { oidcAudience: "of-task" }
          assert.strictEqual(who(yield* resolve(task, "team-c")), "app-c as team-c/spark for of-annotation")
          assert.strictEqual(who(yield* resolve(task)), "app-a as team-a/spark for of-task")
          assert.strictEqual(who(yield* resolve()), "app-a as team-a/spark for of-environment")
        })
      )
    })
  )

  it.effect("is an error where the task names another client id, and nothing stands in for it", () =>
    inside({ serviceAccounts: one, model1: true }, () =>
      Effect.gen(function* () {
        assert.strictEqual(who(yield* resolve({ clientId: "app-a" })), "app-a as team-a/spark for databricks")
        const { message, reason } = yield* Effect.flip(resolve({ clientId: "app-evil" }))
        assert.strictEqual(reason._tag, "IdentityChanged")
        assert.include(message, "in namespace team-a holds client id app-a, expected app-evil")
      })
    )
  )

  it.effect("is passed over where the task names a JWT file, and nothing but that file counts", () =>
    inside({ serviceAccounts: one, model1: true }, () =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(resolve({ oidcTokenFile: "/etc/passwd" }))
        assert.include(message, "in namespace team-a: skipped (databricksOidcTokenFile of the task names another)")
      })
    )
  )

  it.effect("with a secret where its client id belongs is broken, and the secret is not repeated", () =>
    Effect.gen(function* () {
      const secret = "dose0123456789abcdef0123456789abcdef"
      yield* inside({ env: shared, serviceAccounts: { "team-a/spark": offered(secret) } }, () =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(resolve())
          assert.strictEqual(error.reason._tag, "CredentialsBroken")
          assert.include(error.message, "ServiceAccount spark in namespace team-a has what looks like a secret")
          assert.include(error.message, "under annotation flyte.org/databricks-client-id")
          assert.notInclude(shownAs(error).join(), secret)
        })
      )
    })
  )
})

describe("several annotated ServiceAccounts", () => {
  it.effect("are an error that names them all, sorted, and never a choice", () =>
    Effect.gen(function* () {
      const several = {
        "team-a/z-last": offered("app-1"),
        "team-a/a-first": offered("app-1"),
        "team-a/middle": offered("app-2")
      }
      for (const env of [shared, { ...shared, ...explicit }]) {
        yield* inside({ env, serviceAccounts: several, model1: true }, () =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(resolve())
            assert.strictEqual(error.reason._tag, "CredentialsBroken")
            assert.isFalse(error.retryable)
            assert.include(error.message, "Namespace team-a has 3 ServiceAccounts")
            assert.include(error.message, ": a-first, middle, z-last. ")
            assert.include(error.message, "flyte.org/databricks-enabled")
          })
        )
      }
    })
  )

  it.effect("are named beside those that were seen and skipped", () =>
    inside(
      {
        serviceAccounts: { "team-a/b": offered("app-1"), "team-a/a": offered("app-2"), "team-a/c": { labels: enabled } }
      },
      () =>
        Effect.gen(function* () {
          const { message } = yield* Effect.flip(resolve())
          assert.include(message, ": a, b (and seen and skipped: c). Leave the label")
        })
    )
  )

  it.effect("are one where only one of them has a client id", () =>
    inside(
      {
        serviceAccounts: {
          ...one,
          "team-a/other": { labels: enabled, annotations: { "flyte.org/databricks-client-id": " " } }
        }
      },
      () =>
        Effect.gen(function* () {
          assert.strictEqual(who(yield* resolve()), "app-a as team-a/spark for databricks")
        })
    )
  )
})

describe("a namespace without one", () => {
  it.effect("has the connector's identity where that is complete", () =>
    inside(
      { env: { ...shared, ...explicit }, serviceAccounts: { "team-b/spark": offered("app-b") }, model1: true },
      () =>
        Effect.gen(function* () {
          const resolved = yield* resolve()
          assert.strictEqual(who(resolved), "oidc_connector app-0")
          assert.deepStrictEqual(
            resolved.explanation.map(({ outcome, detail }) => `${outcome} ${detail}`),
            ["absent none found", "used undefined"]
          )
        })
    )
  )

  it.effect(
    "has an error otherwise: what was looked for and where, what was seen and skipped, and the YAML that mends it",
    () =>
      inside(
        {
          env: explicit,
          serviceAccounts: {
            "team-a/z": { labels: enabled },
            "team-a/b": { labels: enabled },
            "team-b/spark": offered("app-b")
          }
        },
        () =>
          Effect.gen(function* () {
            const { message, reason } = yield* Effect.flip(resolve())
            assert.strictEqual(reason._tag, "CredentialsMissing")
            assert.include(message, "auth type oidc_federation")
            assert.include(
              message,
              "ServiceAccounts labelled flyte.org/databricks-enabled=true in namespace team-a: absent"
            )
            assert.include(message, "none has annotation flyte.org/databricks-client-id; seen and skipped: b, z")
            assert.include(message, "no client id: FLYTE_DATABRICKS_CLIENT_ID is not set")
            const yaml = message.split("\n").filter((line) => /^ +(labels|annotations):/.test(line))
            assert.deepStrictEqual(
              yaml.map((line) => line.trim()),
              [
                'labels: {flyte.org/databricks-enabled: "true"}',
                "annotations: {flyte.org/databricks-client-id: <application id of its service principal>}"
              ]
            )
            assert.include(
              message,
              `  - set FLYTE_DATABRICKS_CLIENT_ID on the connector and project a ServiceAccount token to ${defaultPath}`
            )
            assert.notInclude(message, "team-b")
          })
      )
  )

  it.effect("says so, too, where there is no cluster and where there is no namespace", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(resolve()).pipe(
        Effect.provide(
          connector({ env: explicit, cluster: { layer: Layer.merge(Kubernetes.layerMemory(), Kubernetes.layerNone) } })
        )
      )
      assert.include(error.message, "no Kubernetes is configured")
      yield* inside({ env: explicit, serviceAccounts: one }, ({ calls }) =>
        Effect.gen(function* () {
          const { message } = yield* Effect.flip(resolve({}, ""))
          assert.include(message, "the request has no namespace")
          assert.deepStrictEqual(yield* calls, [])
        })
      )
    })
  )

  it.effect("says what is left to do where only a namespace may bring one, and there is none", () =>
    inside({ env: { ...shared, ...explicit, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require" }, model1: true }, () =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(resolve({}, ""))
        assert.include(message, "the request has no namespace")
        assert.include(message, "submit it in a namespace, or set FLYTE_DATABRICKS_NAMESPACE_IDENTITY=allow")
      })
    )
  )

  it.effect("goes on to weaker modes in auto-detect alone", () =>
    Effect.gen(function* () {
      const secrets = { "team-a/databricks-token": { token: "dapi-a" } }
      yield* inside({ secrets, serviceAccounts: { "team-a/spark": { labels: enabled } } }, () =>
        Effect.gen(function* () {
          const resolved = yield* resolve()
          assert.strictEqual(who(resolved), "pat owner of the PAT")
          assert.include(JSON.stringify(resolved.explanation), "seen and skipped: spark")
        })
      )
    })
  )
})

describe("the namespace that counts", () => {
  it.effect("is what the operator's template makes of the request", () =>
    inside(
      {
        env: { FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" },
        serviceAccounts: { "sales-production/spark": offered("app-s") }
      },
      () =>
        Effect.gen(function* () {
          const auth = yield* DatabricksAuth.DatabricksAuth
          const resolved = yield* auth.resolve({ namespace: "flyte", project: "sales", domain: "production" })
          assert.strictEqual(who(resolved), "app-s as sales-production/spark for databricks")
        })
    )
  )

  it.effect.each([
    "../team-b",
    "team-a/../team-b",
    "Team-A",
    "team_a",
    "team-a?x",
    "-team",
    "t".repeat(64),
    "kube-system%2f",
    "team-a\u0000"
  ])("cannot be %j: Kubernetes is not asked", (namespace) =>
    inside({ env: { ...shared, ...explicit }, serviceAccounts: one, model1: true }, ({ calls }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(resolve({}, namespace))
        assert.strictEqual(error.reason._tag, "NamespaceInvalid")
        assert.deepStrictEqual(yield* calls, [])
      })
    )
  )

  it.effect.each(["0", "t".repeat(63), "a-1--b", "default"])("can be %j", (namespace) =>
    inside({ serviceAccounts: { [`${namespace}/spark`]: offered("app-x") } }, () =>
      Effect.gen(function* () {
        assert.strictEqual(who(yield* resolve({}, namespace)), `app-x as ${namespace}/spark for databricks`)
      })
    )
  )
})

describe("a look-up that Kubernetes forbids", () => {
  it.effect("is an error that names the rule where the auth type is set", () =>
    inside({ env: { ...shared, ...explicit }, model1: true }, ({ memory }) =>
      Effect.gen(function* () {
        yield* memory.failServiceAccounts("team-a", Option.some(forbidden))
        const error = yield* Effect.flip(resolve())
        assert.strictEqual(error.reason._tag, "AccessForbidden")
        assert.include(error.message, 'resources: ["serviceaccounts"], verbs: ["list"]')
      })
    )
  )

  it.effect("is passed over in auto-detect, with one warning for each namespace, and a line in the explanation", () =>
    Effect.gen(function* () {
      const logs = yield* makeLogs
      yield* inside({ env: shared, model1: true }, ({ memory }) =>
        Effect.gen(function* () {
          yield* memory.failServiceAccounts("team-a", Option.some(forbidden))
          yield* memory.failServiceAccounts("team-b", Option.some(forbidden))
          for (const namespace of ["team-a", "team-a", "team-b", "team-a"]) {
            const resolved = yield* resolve({}, namespace)
            assert.strictEqual(who(resolved), "oidc_connector app-0")
            assert.strictEqual(resolved.explanation[0]?.outcome, "forbidden")
          }
        })
      ).pipe(Effect.provide(logs.layer))
      const warnings = (yield* logs.lines).filter(({ level }) => level === "Warn").map(({ text }) => text)
      assert.lengthOf(warnings, 2)
      assert.include(warnings[0], "namespace team-a")
      assert.include(warnings[1], "namespace team-b")
      for (const warning of warnings) assert.include(warning, "serviceaccounts")
    })
  )
})

describe("a Kubernetes that does not answer", () => {
  it.effect("never changes who a task is: the submit fails and may be tried again", () =>
    Effect.gen(function* () {
      const secrets = { "team-a/databricks-token": { token: "dapi-a" } }
      for (const env of [shared, { ...shared, ...explicit }]) {
        yield* inside({ env, serviceAccounts: one, secrets, model1: true }, ({ memory }) =>
          Effect.gen(function* () {
            yield* memory.failServiceAccounts("team-a", Option.some(unavailable))
            const error = yield* Effect.flip(resolve())
            assert.strictEqual(error.reason._tag, "KubernetesUnavailable")
            assert.isTrue(error.retryable)
            yield* memory.failServiceAccounts("team-a", Option.none())
            assert.strictEqual(who(yield* resolve()), "app-a as team-a/spark for databricks")
          })
        )
      }
    })
  )
})

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
        yield* inside({ env: shared, serviceAccounts: one, secrets, model1: true }, ({ memory }) =>
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
          { env: shared, serviceAccounts: { "team-a/spark": offered("app-wrong") }, model1: true, respond },
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
        assertNoSecret("a life", ...shownAs(resolved), ...shownAs(request))
      })
    )
  )
})

describe("a namespace's own identity", () => {
  it.effect("is never looked for where namespaces are ignored, and needs no right then", () =>
    inside(
      {
        env: { ...shared, ...explicit, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore" },
        serviceAccounts: one,
        model1: true
      },
      ({ memory, calls }) =>
        Effect.gen(function* () {
          yield* memory.failServiceAccounts("team-a", Option.some(forbidden))
          assert.strictEqual(who(yield* resolve()), "oidc_connector app-0")
          assert.deepStrictEqual(yield* calls, [])
        })
    )
  )

  it.effect("is demanded where namespaces have to bring one: nothing shared is taken, broken or whole", () =>
    inside(
      {
        env: { ...shared, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require" },
        serviceAccounts: { "team-b/spark": offered("app-b") },
        model1: true
      },
      () =>
        Effect.gen(function* () {
          assert.strictEqual(who(yield* resolve({}, "team-b")), "app-b as team-b/spark for databricks")
          const result = yield* Effect.result(resolve())
          assert(Result.isFailure(result))
          assert.include(result.failure.message, "FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require")
          assert.notInclude(result.failure.message, "set FLYTE_DATABRICKS_CLIENT_ID on the connector")
        })
    )
  )
})

describe("a namespace that the operator's template makes", () => {
  const made = { FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" }
  const ask = DatabricksAuth.DatabricksAuth.use((auth) =>
    auth.resolve({ namespace: "flyte", project: "unknown", domain: "production" })
  )
  const bare = { "unknown-production/default": {} }

  it.effect("and that does not exist is an error, and not whoever the connector is", () =>
    Effect.gen(function* () {
      for (const env of [
        { ...made, ...shared },
        { ...made, ...shared, ...explicit }
      ]) {
        const { reason } = yield* Effect.flip(inside({ env, model1: true }, () => ask))
        assert(reason._tag === "CredentialsBroken", reason.message)
        assert.include(reason.message, "Namespace unknown-production does not exist")
        assert.include(reason.message, "kubectl create namespace unknown-production")
      }
    })
  )

  it.effect("and that exists, with nothing of its own, is who the connector is; that is asked for once", () =>
    inside({ env: { ...made, ...shared }, serviceAccounts: bare, model1: true }, ({ calls }) =>
      Effect.gen(function* () {
        assert.strictEqual(who(yield* ask), "oidc_connector app-0")
        yield* ask
        assert.deepStrictEqual(yield* calls, [
          "list unknown-production flyte.org/databricks-enabled=true",
          "list unknown-production "
        ])
      })
    )
  )

  it.effect("and that is created after a task asked for it is found soon", () =>
    inside({ env: { ...made, ...shared }, model1: true }, ({ memory }) =>
      Effect.gen(function* () {
        yield* Effect.flip(ask)
        yield* memory.setServiceAccount("unknown-production", "default", {})
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(who(yield* ask), "oidc_connector app-0")
      })
    )
  )

  it.effect("cannot be told where listing is forbidden, or where there is no Kubernetes", () =>
    Effect.gen(function* () {
      const env = { ...made, ...shared }
      const isForbidden = ({ memory }: Inside) =>
        Effect.andThen(memory.failServiceAccounts("unknown-production", Option.some(forbidden)), ask)
      assert.strictEqual(who(yield* inside({ env, model1: true }, isForbidden)), "oidc_connector app-0")
      const files = yield* makeTokenFiles({ [defaultPath]: jwtText() })
      const cluster = { layer: Layer.provideMerge(Kubernetes.layerNone, Kubernetes.layerMemory()) }
      const found = yield* ask.pipe(Effect.provide(connector({ env, files, cluster })))
      assert.strictEqual(who(found), "oidc_connector app-0")
    })
  )

  it.effect("is not asked about where the namespace is the request's own: Flyte keeps the workflow in it", () =>
    inside({ env: shared, model1: true }, ({ calls }) =>
      Effect.gen(function* () {
        assert.strictEqual(who(yield* resolve()), "oidc_connector app-0")
        assert.deepStrictEqual(yield* calls, ["list team-a flyte.org/databricks-enabled=true"])
      })
    )
  )
})
