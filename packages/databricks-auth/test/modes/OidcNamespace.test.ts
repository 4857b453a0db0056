import { Kubernetes } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { jwtText } from "../support/jwt.ts"
import { defaultPath, explicit, inside, offered, one, resolve, shared, who } from "../support/oidc.ts"
import { shownAs } from "../support/secrecy.ts"

/** The connector's own JWT. */
const files = { [defaultPath]: jwtText() }
const enabled = { "flyte.org/databricks-enabled": "true" }

describe("exactly one annotated ServiceAccount", () => {
  it.effect("is who the namespace's tasks are, whatever the connector has", () =>
    Effect.gen(function* () {
      for (const env of [{}, shared, explicit, { ...shared, ...explicit }]) {
        yield* inside({ env, serviceAccounts: one, files }, () =>
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
    inside({ serviceAccounts: one, files }, () =>
      Effect.gen(function* () {
        assert.strictEqual(who(yield* resolve({ clientId: "app-a" })), "app-a as team-a/spark for databricks")
        const { message, reason } = yield* Effect.flip(resolve({ clientId: "app-evil" }))
        assert.strictEqual(reason._tag, "IdentityChanged")
        assert.include(message, "in namespace team-a holds client id app-a, expected app-evil")
      })
    )
  )

  it.effect("is passed over where the task names a JWT file, and nothing but that file counts", () =>
    inside({ serviceAccounts: one, files }, () =>
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

describe("an annotated ServiceAccount", () => {
  it.effect("has an audience of a limited length: the error says whose is longer, and does not repeat it", () =>
    inside({ serviceAccounts: { "team-a/spark": offered("app-a", "x".repeat(257)) } }, () =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(resolve())
        assert.strictEqual(
          message,
          "Annotation flyte.org/databricks-audience of ServiceAccount spark in namespace team-a is " +
            '"longer", expected at most 256 characters.'
        )
      })
    )
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
        yield* inside({ env, serviceAccounts: several, files }, () =>
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
    inside({ env: { ...shared, ...explicit }, serviceAccounts: { "team-b/spark": offered("app-b") }, files }, () =>
      Effect.gen(function* () {
        const resolved = yield* resolve()
        assert.strictEqual(who(resolved), `app-0 by ${defaultPath} for databricks`)
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
      const error = yield* inside({ env: explicit, cluster: Kubernetes.layerNone }, () => Effect.flip(resolve()))
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
    inside({ env: { ...shared, ...explicit, FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require" }, files }, () =>
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
