import {
  type AuthRequest,
  type ConnectorSettings,
  DatabricksAuth,
  Identity,
  Kubernetes,
  Pat,
  IdentityRecord,
  type Credential,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Exit, FileSystem, Layer, Option, Path, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { asked, connector, type Surroundings } from "./support/connector.ts"
import { environment, instance } from "./support/environment.ts"
import { answer, makeHttp } from "./support/http.ts"
import { makeLogs } from "./support/logs.ts"
import { bearer } from "./support/tokens.ts"

const auth = DatabricksAuth.DatabricksAuth
const resolve = (task: AuthRequest.TaskContext) => auth.use((boundary) => boundary.resolve(task))
const header = (credential: Credential.Credential) => auth.use(({ getHeader }) => getHeader(credential))
const submit = (task: AuthRequest.TaskContext) =>
  auth.use((boundary) => Effect.map(boundary.resolve(task), boundary.record))
/** What a poll or a cancel does: only the job's metadata is left of the submit. */
const poll = (recorded: IdentityRecord.IdentityRecord) =>
  auth.use((boundary) => Effect.flatMap(boundary.recall(recorded), (credential) => boundary.getHeader(credential)))
/** Runs on a connector that starts here and ends here. */
const on =
  (surroundings: Surroundings) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provide(effect, connector(surroundings), { local: true })

const teamA = { namespace: "team-a" }
const oauth = { client_id: "app-a", client_secret: "s1" }
const pair = { FLYTE_DATABRICKS_CLIENT_ID: "app-0", FLYTE_DATABRICKS_CLIENT_SECRET: "s0" }

describe("a task gets its header", () => {
  const ways: ReadonlyArray<readonly [string, Surroundings, string, string]> = [
    [
      "the PAT of its namespace",
      { cluster: { "team-a/databricks-token": { token: "dapi-a" } } },
      "pat",
      "Bearer dapi-a"
    ],
    ["the connector's PAT", { secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" } }, "pat", "Bearer dapi-0"],
    [
      "the client credentials of its namespace",
      { cluster: { "team-a/databricks-oauth": oauth } },
      "oauth_m2m",
      "Bearer t1"
    ],
    ["the connector's client credentials", { secrets: pair }, "oauth_m2m", "Bearer t1"],
    [
      "the ServiceAccount of its namespace",
      {
        serviceAccounts: {
          "team-a/spark": {
            labels: { "flyte.org/databricks-enabled": "true" },
            annotations: { "flyte.org/databricks-client-id": "app-a" }
          }
        }
      },
      "oidc_namespace",
      "Bearer t1"
    ],
    [
      "the connector's pod",
      { secrets: { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }, jwtFile: "/var/run/secrets/databricks/token" },
      "oidc_connector",
      "Bearer t1"
    ]
  ]
  it.effect.each(ways)("from %s", ([, surroundings, mode, expected]) =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      const { identity, namespace, explanation } = resolved
      assert.strictEqual(identity._tag, mode)
      assertEquals(namespace, Option.some("team-a"))
      assert.strictEqual(explanation.at(-1)?.outcome, "used")
      assert.strictEqual(bearer(yield* header(resolved)), expected)
    }).pipe(on(surroundings))
  )

  it.effect("from the cache the second time, without a fiber", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      const first = yield* header(resolved)
      const { getHeader } = yield* auth
      const second = getHeader(yield* resolve(teamA))
      assert.isTrue(Exit.isExit(second))
      assert.strictEqual(yield* second, first)
      assert.deepStrictEqual(yield* asked, ["app-a"])
    }).pipe(on({ cluster: { "team-a/databricks-oauth": oauth } }))
  )

  it.effect("which two namespaces share only where they share the identity", () =>
    Effect.gen(function* () {
      const [a, b, c, d] = yield* Effect.forEach(["team-a", "team-b", "team-c", "team-d"], (namespace) =>
        Effect.flatMap(resolve({ namespace }), header)
      )
      assert.deepStrictEqual([a!, b!, c!, d!].map(bearer), ["Bearer t1", "Bearer t2", "Bearer t3", "Bearer t3"])
    }).pipe(on({ cluster: { "team-a/databricks-oauth": oauth, "team-b/databricks-oauth": oauth }, secrets: pair }))
  )

  it.effect("from the namespace that the operator's template makes of it", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve({ namespace: "flyte", project: "snacks", domain: "dev" })
      assertEquals(resolved.namespace, Option.some("snacks-dev"))
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer dapi-dev")
    }).pipe(
      on({
        settings: { namespaceTemplate: "{project}-{domain}" },
        cluster: {
          "snacks-dev/databricks-token": { token: "dapi-dev" },
          "flyte/databricks-token": { token: "dapi-flyte" }
        }
      })
    )
  )
})

describe("a task that is refused", () => {
  it.effect("for its instance has no credential read for it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(resolve({ ...teamA, settings: { instance: "evil.com" } }))
      assert.strictEqual(error.reason._tag, "InstanceRefused")
      const { reads } = yield* Kubernetes.KubernetesMemory
      assert.deepStrictEqual(yield* reads, [])
      assert.deepStrictEqual(yield* asked, [])
    }).pipe(on({ cluster: { "team-a/databricks-token": { token: "dapi-a" } }, secrets: pair }))
  )

  it.effect("for a setting has no credential read for it", () =>
    Effect.gen(function* () {
      for (const settings of [{ authType: "x" }, { tokenSecretName: "../x" }, { clientId: "x".repeat(257) }]) {
        yield* Effect.flip(resolve({ ...teamA, settings }))
      }
      assert.deepStrictEqual(yield* Kubernetes.KubernetesMemory.use(({ reads }) => reads), [])
    }).pipe(on({ cluster: { "team-a/databricks-token": { token: "dapi-a" } } }))
  )
})

describe("a run goes on as who it was submitted as", () => {
  const both = {
    cluster: { "team-a/databricks-token": { token: "dapi-a" }, "team-a/databricks-oauth": oauth },
    secrets: { ...pair, FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }
  }
  const under = (authType: Identity.AuthType, more: ConnectorSettings.Options = {}) => ({
    ...both,
    settings: { authType, ...more }
  })

  it.effect("after the operator flipped the auth type from PAT to OAuth M2M, while new runs go the new way", () =>
    Effect.gen(function* () {
      for (const persist of [true, false]) {
        const recorded = yield* submit(teamA).pipe(on(under("pat", { persistPat: persist })))
        yield* Effect.gen(function* () {
          assert.strictEqual(bearer(yield* poll(recorded)), "Bearer dapi-a")
          assert.deepStrictEqual(yield* asked, [])
          assert.strictEqual((yield* resolve(teamA)).identity._tag, "oauth_m2m")
        }).pipe(on(under("oauth_m2m")))
      }
    })
  )

  it.effect("after the operator flipped it back, too", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on(under("oauth_m2m")))
      yield* Effect.gen(function* () {
        assert.strictEqual(bearer(yield* poll(recorded)), "Bearer t1")
        assert.deepStrictEqual(yield* asked, ["app-a"])
        assert.strictEqual((yield* resolve(teamA)).identity._tag, "pat")
      }).pipe(on(under("pat")))
    })
  )

  it.effect("after its namespace got credentials of its own", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(
        on({ secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }, settings: { persistPat: false } })
      )
      assert.strictEqual(bearer(yield* poll(recorded).pipe(on(both))), "Bearer dapi-0")
      const ofPair = yield* submit(teamA).pipe(on({ secrets: pair }))
      yield* Effect.gen(function* () {
        yield* poll(ofPair)
        assert.deepStrictEqual(yield* asked, ["app-0"])
      }).pipe(on(both))
    })
  )

  it.effect("or not at all after its namespace's credentials are gone: never as the connector", () =>
    Effect.gen(function* () {
      const ofPat = yield* submit(teamA).pipe(on(under("pat", { persistPat: false })))
      const ofPair = yield* submit(teamA).pipe(on(under("oauth_m2m")))
      yield* Effect.gen(function* () {
        for (const recorded of [ofPat, ofPair]) {
          const error = yield* Effect.flip(poll(recorded))
          assert.strictEqual(error.reason._tag, "CredentialsMissing")
          assert.include(error.message, "team-a")
          assert.include(error.message, "pinned")
          assert.isFalse(error.retryable)
        }
        assert.deepStrictEqual(yield* asked, [])
      }).pipe(on({ secrets: both.secrets }))
    })
  )

  it.effect("or not at all where another principal's credentials took their place", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on({ cluster: { "team-a/databricks-oauth": oauth } }))
      const replaced = { "team-a/databricks-oauth": { client_id: "app-evil", client_secret: "s9" } }
      yield* Effect.gen(function* () {
        const error = yield* Effect.flip(poll(recorded))
        assert.strictEqual(error.reason._tag, "IdentityChanged")
        assert.include(error.message, "app-a")
        assert.include(error.message, "app-evil")
        assert.deepStrictEqual(yield* asked, [])
      }).pipe(on({ cluster: replaced, secrets: pair }))
    })
  )

  it.effect("or not at all while its Secret is forbidden or unavailable, whichever auth type is set", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on(under("oauth_m2m")))
      yield* Effect.gen(function* () {
        const { failSecret } = yield* Kubernetes.KubernetesMemory
        yield* failSecret("team-a", "databricks-oauth", new Kubernetes.Forbidden({ detail: "no" }))
        assert.strictEqual((yield* Effect.flip(poll(recorded))).reason._tag, "AccessForbidden")
        yield* failSecret("team-a", "databricks-oauth", new Kubernetes.Unavailable({ detail: "timeout" }))
        yield* TestClock.adjust("5 seconds")
        assert.isTrue((yield* Effect.flip(poll(recorded))).retryable)
        assert.deepStrictEqual(yield* asked, [])
      }).pipe(on(both))
    })
  )

  const runs: ReadonlyArray<readonly [string, Surroundings, Partial<AuthRequest.TaskContext>]> = [
    ["a namespace's PAT", { cluster: { "team-a/databricks-token": { token: "dapi-a" } } }, {}],
    [
      "a namespace's PAT under a name that the task gives",
      { cluster: { "team-a/mine": { token: "dapi-a" } } },
      { settings: { tokenSecretName: "mine" } }
    ],
    ["the connector's PAT", { secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" } }, {}],
    ["a namespace's pair", { cluster: { "team-a/databricks-oauth": oauth } }, {}],
    [
      "a namespace's pair under a name that the task gives",
      { cluster: { "team-a/mine": oauth } },
      { settings: { oauthSecretName: "mine" } }
    ],
    ["the connector's pair", { secrets: pair }, {}],
    [
      "the connector's pair, on another workspace",
      { secrets: pair, settings: { allowedInstances: [instance, "other.cloud.databricks.com"] } },
      { settings: { instance: "other.cloud.databricks.com" } }
    ],
    [
      "a namespace's pair with the connector's client id",
      { cluster: { "team-a/databricks-oauth": { client_id: "app-0", client_secret: "s1" } } },
      {}
    ]
  ]
  it.effect.each(runs)("whose record says all of it: %s", ([, surroundings, task]) =>
    Effect.gen(function* () {
      for (const persistPat of [true, false]) {
        yield* Effect.gen(function* () {
          const boundary = yield* auth
          const resolved = yield* boundary.resolve({ ...teamA, ...task })
          const recorded = boundary.record(resolved)
          const credential = yield* boundary.recall(recorded)
          assert.strictEqual(bearer(yield* boundary.getHeader(credential)), bearer(yield* boundary.getHeader(resolved)))
          if (Option.isSome(recorded.authToken)) return
          assertEquals(credential.identity, resolved.identity)
          assert.strictEqual(credential.identity.key, resolved.identity.key)
        }).pipe(on({ ...surroundings, settings: { ...surroundings.settings, persistPat } }))
      }
    })
  )
})

describe("a token in job metadata", () => {
  const pats = {
    cluster: { "team-a/databricks-token": { token: "dapi-a" } },
    secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }
  }
  const tokenOf = ({ authToken }: IdentityRecord.IdentityRecord) =>
    Option.getOrUndefined(Option.map(authToken, Redacted.value))

  it.effect("is a namespace's PAT, since older connectors need it to poll, and nothing beside it", () =>
    Effect.gen(function* () {
      const { authToken, ...rest } = yield* submit(teamA)
      assert.strictEqual(Redacted.value(Option.getOrThrow(authToken)), "dapi-a")
      assert.strictEqual(String(Option.getOrThrow(authToken)), "<redacted:PAT>")
      assertEquals({ ...rest, authToken: Option.none() }, IdentityRecord.empty(instance))
    }).pipe(on(pats))
  )

  it.effect("is not the connector's, which older connectors have themselves: of such a run nothing is recorded", () =>
    Effect.gen(function* () {
      assertEquals(yield* submit({ namespace: "team-b" }), IdentityRecord.empty(instance))
    }).pipe(on(pats))
  )

  it.effect("is none where the operator does not let it be written", () =>
    Effect.gen(function* () {
      assert.isUndefined(tokenOf(yield* submit(teamA)))
    }).pipe(on({ ...pats, settings: { persistPat: false } }))
  )

  it.effect("is none of another mode's", () =>
    Effect.gen(function* () {
      for (const surroundings of [
        { cluster: { "team-a/databricks-oauth": oauth } },
        { secrets: pair },
        { secrets: { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }, jwtFile: "/var/run/secrets/databricks/token" }
      ]) {
        yield* Effect.gen(function* () {
          assert.isUndefined(tokenOf(yield* submit(teamA)))
          assert.deepStrictEqual(yield* asked, [], "no token was asked for to record a run")
        }).pipe(on(surroundings))
      }
    })
  )

  const refused = (recorded: IdentityRecord.IdentityRecord) =>
    Effect.gen(function* () {
      const boundary = yield* auth
      const credential = yield* boundary.recall(recorded)
      const old = yield* boundary.getHeader(credential)
      assert.strictEqual(bearer(old), "Bearer dapi-a")
      yield* boundary.invalidate(credential, old)
      return yield* boundary.getHeader(credential)
    })
  /** With the Secret's name, as this connector wrote it before it left that to what `persistPat` says. */
  const withItsSource = {
    ...IdentityRecord.empty(instance),
    authType: Option.some("pat" as const),
    authToken: Option.some(Redacted.make("dapi-a")),
    namespace: Option.some("team-a"),
    oauthSecretName: Option.some("databricks-token")
  }

  it.effect("is used first, and once it was refused its source is, where that is recorded", () =>
    Effect.gen(function* () {
      assert.strictEqual(bearer(yield* refused(withItsSource)), "Bearer dapi-a2")
    }).pipe(on({ ...pats, cluster: { "team-a/databricks-token": { token: "dapi-a2" } } }))
  )

  it.effect("that was refused, with its source gone, is an error: never another PAT", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(refused(withItsSource))).reason._tag, "CredentialsMissing")
    }).pipe(on({ secrets: pats.secrets }))
  )

  it.effect("that was refused, with no source recorded, stays the only one: never another PAT", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on(pats))
      for (const cluster of [{ "team-a/databricks-token": { token: "dapi-a2" } }, {}]) {
        assert.strictEqual(bearer(yield* refused(recorded).pipe(on({ ...pats, cluster }))), "Bearer dapi-a")
      }
    })
  )

  it.effect("needs no source to poll with", () =>
    Effect.gen(function* () {
      const recorded = yield* submit(teamA).pipe(on(pats))
      assert.strictEqual(bearer(yield* poll(recorded).pipe(on({}))), "Bearer dapi-a")
    })
  )
})

describe("what an older connector recorded", () => {
  const surroundings = {
    cluster: { "team-a/databricks-token": { token: "dapi-a" } },
    secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }
  }
  const written = (fields: Partial<IdentityRecord.IdentityRecord>): IdentityRecord.IdentityRecord => ({
    ...IdentityRecord.empty(instance),
    ...fields
  })

  it.effect("with an instance alone is the connector's PAT", () =>
    Effect.gen(function* () {
      assert.strictEqual(bearer(yield* poll(written({}))), "Bearer dapi-0")
    }).pipe(on(surroundings))
  )

  it.effect("with a PAT is that PAT", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        bearer(yield* poll(written({ authToken: Option.some(Redacted.make("dapi-old")) }))),
        "Bearer dapi-old"
      )
    }).pipe(on(surroundings))
  )

  it.effect("with a namespace and no PAT is the PAT that a submit would find there", () =>
    Effect.gen(function* () {
      const ofNamespace = { authType: Option.some("pat" as const), tokenSecretName: Option.some("databricks-token") }
      assert.strictEqual(
        bearer(yield* poll(written({ ...ofNamespace, namespace: Option.some("team-a") }))),
        "Bearer dapi-a"
      )
      assert.strictEqual(
        bearer(yield* poll(written({ ...ofNamespace, namespace: Option.some("team-b") }))),
        "Bearer dapi-0"
      )
    }).pipe(on(surroundings))
  )

  it.effect("as Flyte's connector writes a PAT, with the OAuth Secret's name beside it, is that PAT and no other", () =>
    Effect.gen(function* () {
      const fields = {
        authType: Option.some("pat" as const),
        oauthSecretName: Option.some("databricks-oauth"),
        namespace: Option.some("team-a")
      }
      const boundary = yield* auth
      const credential = yield* boundary.recall(
        written({ ...fields, authToken: Option.some(Redacted.make("dapi-old")) })
      )
      yield* boundary.invalidate(credential, yield* boundary.getHeader(credential))
      assert.strictEqual(bearer(yield* boundary.getHeader(credential)), "Bearer dapi-old")
      assert.deepStrictEqual(yield* Kubernetes.KubernetesMemory.use(({ reads }) => reads), [])
    }).pipe(on({ ...surroundings, cluster: { ...surroundings.cluster, "team-a/databricks-oauth": oauth } }))
  )

  it.effect.each([
    ["an instance that is not on the list", { instance: "evil.com" }, "InstanceRefused"],
    ["a namespace that leads elsewhere", { namespace: Option.some("../kube-system") }, "SettingInvalid"],
    ["a Secret's name that leads elsewhere", { oauthSecretName: Option.some("../../x") }, "SettingInvalid"],
    ["an older Secret's name that leads elsewhere", { tokenSecretName: Option.some("a/b") }, "SettingInvalid"],
    [
      "a token that no header can carry",
      { authToken: Option.some(Redacted.make("dapi\r\nX-Evil: 1")) },
      "SettingInvalid"
    ]
  ] as const)("is refused with %s, before anything is read", ([, fields, tag]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        poll(written({ authType: Option.some("pat"), namespace: Option.some("team-a"), ...fields }))
      )
      assert.strictEqual(error.reason._tag, tag)
      assert.deepStrictEqual(yield* Kubernetes.KubernetesMemory.use(({ reads }) => reads), [])
      if (tag === "SettingInvalid" && "authToken" in fields) {
        assert.include(error.message, 'auth_token of the job metadata is "(not shown)"')
        assert.include(error.message, "expected a token that a header can carry.")
      }
    }).pipe(on(surroundings))
  )

  it.effect("of another mode, with a token beside it, has no use for the token", () =>
    Effect.gen(function* () {
      const boundary = yield* auth
      const credential = yield* boundary.recall(
        written({
          authType: Option.some("oauth_m2m"),
          clientId: Option.some("app-0"),
          authToken: Option.some(Redacted.make("dapi-old"))
        })
      )
      assert.strictEqual(bearer(yield* boundary.getHeader(credential)), "Bearer t1")
    }).pipe(on({ secrets: pair }))
  )
})

describe("a credential that was rotated", () => {
  const cluster = { "team-a/databricks-oauth": oauth }
  const rotate = Kubernetes.KubernetesMemory.use(({ setSecret }) =>
    setSecret("team-a", "databricks-oauth", { client_id: "app-a", client_secret: "s2" })
  )

  it.effect("is read at once after Databricks refused the old one's token", () =>
    Effect.gen(function* () {
      const boundary = yield* auth
      const resolved = yield* boundary.resolve(teamA)
      const old = yield* boundary.getHeader(resolved)
      yield* rotate
      yield* boundary.invalidate(resolved, old)
      assert.strictEqual(bearer(yield* boundary.getHeader(resolved)), "Bearer t2")
      assert.lengthOf(yield* Kubernetes.KubernetesMemory.use(({ reads }) => reads), 2)
    }).pipe(on({ cluster }))
  )

  it.effect("is noticed by the next submit, and its runs before get the new token too", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer t1")
      yield* rotate
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer t1")
      yield* resolve(teamA)
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer t2")
    }).pipe(on({ cluster }))
  )

  it.effect("is a PAT: it is read again after five minutes", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      yield* header(resolved)
      const { setSecret } = yield* Kubernetes.KubernetesMemory
      yield* setSecret("team-a", "databricks-token", { token: "dapi-a2" })
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer dapi-a2")
    }).pipe(on({ cluster: { "team-a/databricks-token": { token: "dapi-a" } } }))
  )

  it.effect("is a PAT that is used for as long as the operator says", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      yield* header(resolved)
      yield* Kubernetes.KubernetesMemory.use(({ setSecret }) =>
        setSecret("team-a", "databricks-token", { token: "dapi-a2" })
      )
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer dapi-a")
    }).pipe(
      on({ cluster: { "team-a/databricks-token": { token: "dapi-a" } } }),
      Effect.provideService(Pat.PatLifetime, "1 hour")
    )
  )
})

describe("a namespace that the connector may not look into", () => {
  const forbid = (namespace: string) =>
    Kubernetes.KubernetesMemory.use(({ failSecret }) =>
      Effect.forEach(["databricks-oauth", "databricks-token"], (name) =>
        failSecret(namespace, name, new Kubernetes.Forbidden({ detail: "no" }))
      )
    )
  const secrets = { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }

  it.effect("is passed over by auto-detect with a warning, once for each Secret of each namespace", () =>
    Effect.gen(function* () {
      const logs = yield* makeLogs
      yield* Effect.gen(function* () {
        yield* forbid("team-a")
        yield* forbid("team-b")
        for (const namespace of ["team-a", "team-a", "team-b", "team-a", "team-b"]) {
          const { identity, explanation } = yield* resolve({ namespace })
          assertEquals(
            identity,
            new Identity.PatIdentity({
              instance: WorkspaceHost.WorkspaceHost.make(instance),
              origin: Identity.ConnectorLevel.make({})
            })
          )
          const forbidden = explanation.filter(({ outcome }) => outcome === "forbidden")
          assert.deepStrictEqual(
            forbidden.map(({ detail }) => detail),
            ["the connector has no right to read it", "the connector has no right to read it"]
          )
        }
      }).pipe(on({ secrets }), Effect.provide(logs.layer))
      const warnings = (yield* logs.lines).filter(({ level }) => level === "Warn")
      assert.lengthOf(warnings, 4)
      for (const namespace of ["team-a", "team-b"]) {
        for (const name of ["databricks-oauth", "databricks-token"]) {
          const about = warnings.filter(({ text }) => text.includes(`Secret ${name} in namespace ${namespace}`))
          assert.lengthOf(about, 1)
          assert.include(about[0]!.text, "FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore")
        }
      }
    })
  )

  it.effect("is an error, and no warning, where the auth type is set", () =>
    Effect.gen(function* () {
      const logs = yield* makeLogs
      yield* Effect.gen(function* () {
        yield* forbid("team-a")
        const error = yield* Effect.flip(resolve(teamA))
        assert.strictEqual(error.reason._tag, "AccessForbidden")
      }).pipe(on({ secrets, settings: { authType: "pat" } }), Effect.provide(logs.layer))
      assert.deepStrictEqual(
        (yield* logs.lines).filter(({ level }) => level === "Warn"),
        []
      )
    })
  )

  it.effect("is never looked into where the operator says so", () =>
    Effect.gen(function* () {
      yield* forbid("team-a")
      yield* resolve(teamA)
      assert.deepStrictEqual(yield* Kubernetes.KubernetesMemory.use(({ reads }) => reads), [])
    }).pipe(on({ secrets, settings: { namespaceIdentity: "ignore" } }))
  )
})

describe("a boundary that was built for one mode", () => {
  const all = {
    cluster: { "team-a/databricks-token": { token: "dapi-a" }, "team-a/databricks-oauth": oauth },
    secrets: { ...pair, FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" },
    serviceAccounts: {
      "team-a/spark": {
        labels: { "flyte.org/databricks-enabled": "true" },
        annotations: { "flyte.org/databricks-client-id": "app-a" }
      }
    }
  }
  const only = (layer: Parameters<typeof connector>[1]) => connector(all, layer)

  it.effect("PAT: resolves to it, and serves no run and no task of another", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer dapi-a")
      const error = yield* Effect.flip(resolve({ ...teamA, settings: { authType: "oauth_m2m" } }))
      assert.strictEqual(error.reason._tag, "ModeUnavailable")
      const run = { ...IdentityRecord.empty(instance), authType: Option.some("oauth_m2m" as const) }
      assert.strictEqual((yield* Effect.flip(poll(run))).reason._tag, "ModeUnavailable")
    }).pipe(Effect.provide(only(DatabricksAuth.layerPat)))
  )

  it.effect("OAuth M2M: resolves to it, and serves no run and no task of another", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      assert.strictEqual(resolved.identity._tag, "oauth_m2m")
      const error = yield* Effect.flip(resolve({ ...teamA, settings: { authType: "pat" } }))
      assert.strictEqual(error.reason._tag, "ModeUnavailable")
      const run = { ...IdentityRecord.empty(instance), authToken: Option.some(Redacted.make("dapi-old")) }
      assert.strictEqual((yield* Effect.flip(poll(run))).reason._tag, "ModeUnavailable")
    }).pipe(Effect.provide(only(DatabricksAuth.layerOAuthM2M)))
  )

  it.effect("OIDC federation: resolves to it, and serves no run and no task of another", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve(teamA)
      assert.strictEqual(resolved.identity._tag, "oidc_namespace")
      assert.strictEqual(bearer(yield* header(resolved)), "Bearer t1")
      const error = yield* Effect.flip(resolve({ ...teamA, settings: { authType: "pat" } }))
      assert.strictEqual(error.reason._tag, "ModeUnavailable")
      assert.strictEqual((yield* Effect.flip(poll(IdentityRecord.empty(instance)))).reason._tag, "ModeUnavailable")
    }).pipe(Effect.provide(only(DatabricksAuth.layerOidcFederation)))
  )
})

describe("a boundary as the environment configures it", () => {
  const start = (env: Record<string, string>) =>
    Effect.gen(function* () {
      const http = yield* makeHttp(answer(200, { access_token: "from-http", expires_in: 3600 }))
      const layer = DatabricksAuth.layerConfig.pipe(
        Layer.provide([Kubernetes.layerNone, http.layer, FileSystem.layerNoop({}), Path.layer]),
        Layer.provide(environment({ FLYTE_DATABRICKS_INSTANCE: instance, ...env }))
      )
      return { layer, sent: http.sent }
    })

  it.effect("works without a cluster", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* start(pair)
      yield* Effect.gen(function* () {
        const resolved = yield* resolve(teamA)
        assert.strictEqual(bearer(yield* header(resolved)), "Bearer from-http")
        assert.include(JSON.stringify(resolved.explanation), "no Kubernetes is configured")
      }).pipe(Effect.provide(layer))
      assert.lengthOf(yield* sent, 1)
    })
  )

  it.effect("does not start with a setting that is wrong", () =>
    Effect.gen(function* () {
      const { layer } = yield* start({ ...pair, FLYTE_DATABRICKS_AUTH_TYPE: "m2m" })
      assert.include((yield* Effect.flip(Effect.provide(resolve(teamA), layer))).message, "FLYTE_DATABRICKS_AUTH_TYPE")
    })
  )
})

describe("an identity", () => {
  it.effect("survives being written and read", () =>
    Effect.gen(function* () {
      const { identity } = yield* resolve(teamA)
      const written = JSON.stringify(yield* Schema.encodeEffect(Identity.IdentityFromJson)(identity))
      assertEquals(yield* Schema.decodeUnknownEffect(Identity.IdentityFromJson)(JSON.parse(written)), identity)
    }).pipe(on({ cluster: { "team-a/databricks-oauth": oauth } }))
  )
})
