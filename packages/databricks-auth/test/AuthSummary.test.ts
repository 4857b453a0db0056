import { AuthSummary, DatabricksAuth, Kubernetes, Pat, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { configured, instance } from "./support/environment.ts"
import { jwtText } from "./support/jwt.ts"
import { defaultPath, makeTokenFiles } from "./support/oidc.ts"

/** A connector with these variables and files. */
const started = <A>(
  ask: (own: AuthSummary.AuthSummary["Service"]) => Effect.Effect<A>,
  env: Record<string, string> = {},
  files: Record<string, string> = {},
  kubernetes: Layer.Layer<Kubernetes.Kubernetes> = Kubernetes.layerMemory()
) =>
  Effect.gen(function* () {
    const disk = yield* makeTokenFiles(files)
    return yield* AuthSummary.AuthSummary.use(ask).pipe(
      Effect.provide(
        AuthSummary.layer.pipe(
          Layer.provide(TokenEndpoint.layerMemory(() => Effect.die("a summary asks for no token"))),
          Layer.provide(configured(env)),
          Layer.provide([kubernetes, disk.layer])
        )
      )
    )
  })

type Surroundings = [
  env?: Record<string, string>,
  files?: Record<string, string>,
  kubernetes?: Layer.Layer<Kubernetes.Kubernetes>
]
/** What it says of itself. */
const summary = (...surroundings: Surroundings) => started(({ describe }) => describe, ...surroundings)
/** What it warns of. */
const warnings = (...surroundings: Surroundings) => started((own) => Effect.succeed(own.warnings), ...surroundings)

describe("the summary of a connector", () => {
  it.effect("without settings says what there is not, and what is done where nothing is said", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* summary({}, {}, Kubernetes.layerNone), {
        instance: "none: each task names its own",
        allowedInstances:
          "*.cloud.databricks.com, *.cloud.databricks.us, *.azuredatabricks.net, *.databricks.azure.us, " +
          "*.databricks.azure.cn, *.gcp.databricks.com, *.databricks.com",
        authType: "auto-detect: oidc_federation, then oauth_m2m, then pat",
        connectorClientId: "none",
        connectorJwt: "none",
        connectorClientSecret: "none",
        connectorPat: "none",
        kubernetes: "not configured: namespaces have no Secrets",
        namespaceIdentity: "allow",
        taskAuthOverride: "allowed",
        patInJobMetadata: "written"
      })
    })
  )

  it.effect("with every setting repeats them, and of its credentials that they are there", () =>
    Effect.gen(function* () {
      const env = {
        FLYTE_DATABRICKS_INSTANCE: `https://${instance}/`,
        FLYTE_DATABRICKS_ALLOWED_INSTANCES: `${instance}, *.example.com`,
        FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m",
        FLYTE_DATABRICKS_CLIENT_ID: "app-0",
        FLYTE_DATABRICKS_CLIENT_SECRET: "s",
        FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0",
        FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/run/token",
        FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require",
        FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false",
        FLYTE_DATABRICKS_PERSIST_PAT: "false"
      }
      assert.deepStrictEqual(yield* summary(env, { "/run/token": jwtText() }), {
        instance,
        allowedInstances: `${instance}, *.example.com`,
        authType: "oauth_m2m",
        connectorClientId: "app-0",
        connectorJwt: "JWT file /run/token (named by FLYTE_DATABRICKS_OIDC_TOKEN_FILE)",
        connectorClientSecret: "set",
        connectorPat: "set",
        kubernetes: "in memory",
        namespaceIdentity: "require",
        taskAuthOverride: "refused",
        patInJobMetadata: "not written"
      })
    })
  )

  it.effect("says of a credential that it is broken, and how, before the first task meets it", () =>
    Effect.gen(function* () {
      const facts = yield* summary(
        { FLYTE_DATABRICKS_CLIENT_SECRET: "s", FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi\n0" },
        { [defaultPath]: "" }
      )
      assert.match(String(facts.connectorClientSecret), /^broken: The connector's client secret .* has no client id/)
      assert.match(String(facts.connectorPat), /^broken: The connector's PAT .* no header may carry/)
      assert.match(String(facts.connectorJwt), /^broken: JWT file \/var\/run\/secrets\/databricks\/token .* is empty/)
      assert.strictEqual(facts.connectorClientId, "none")
    })
  )

  it.effect("names the JWT file that AWS_WEB_IDENTITY_TOKEN_FILE does, where no other is named", () =>
    Effect.gen(function* () {
      const files = { "/run/aws": jwtText(), "/run/own": jwtText() }
      const aws = { AWS_WEB_IDENTITY_TOKEN_FILE: "/run/aws" }
      const { connectorJwt } = yield* summary(aws, files)
      assert.strictEqual(connectorJwt, "JWT file /run/aws (named by AWS_WEB_IDENTITY_TOKEN_FILE)")
      const own = yield* summary({ ...aws, FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/run/own" }, files)
      assert.strictEqual(own.connectorJwt, "JWT file /run/own (named by FLYTE_DATABRICKS_OIDC_TOKEN_FILE)")
    })
  )

  it.effect("counts a client id alone as half of a pair, unless there is a JWT, or is to be one, to go with it", () =>
    Effect.gen(function* () {
      const env = { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }
      const alone = yield* summary(env)
      assert.match(
        String(alone.connectorClientSecret),
        /^broken: The connector's client id .* has neither a client secret/
      )
      assert.strictEqual(alone.connectorJwt, "none")

      const withJwt = yield* summary(env, { [defaultPath]: jwtText() })
      assert.strictEqual(withJwt.connectorClientSecret, "none")
      assert.strictEqual(withJwt.connectorJwt, `JWT file ${defaultPath} (the default path)`)

      const withBrokenJwt = yield* summary(env, { [defaultPath]: "not a JWT" })
      assert.match(String(withBrokenJwt.connectorJwt), /^broken: .* does not hold a JWT/)
      assert.strictEqual(withBrokenJwt.connectorClientSecret, "none")

      const withMissingJwt = yield* summary({ ...env, FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/run/token" })
      assert.match(String(withMissingJwt.connectorJwt), /^broken: JWT file \/run\/token .* does not exist/)
      assert.strictEqual(withMissingJwt.connectorClientSecret, "none")
    })
  )
})

describe("a connector warns", () => {
  const clientId = { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }
  const pair = { ...clientId, FLYTE_DATABRICKS_CLIENT_SECRET: "s" }
  const pat = { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }
  const as = (authType: string) => ({ FLYTE_DATABRICKS_AUTH_TYPE: authType })
  const namespaces = (setting: string) => ({ FLYTE_DATABRICKS_NAMESPACE_IDENTITY: setting })
  const jwt = { [defaultPath]: jwtText() }
  const none = Kubernetes.layerNone
  const cluster = Kubernetes.layerMemory()
  const tasksMayNot = { FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false" }

  const cases: ReadonlyArray<readonly [what: string, says: ReadonlyArray<string>, ...surroundings: Surroundings]> = [
    ["of nothing, with a PAT", [], pat],
    ["of nothing, with nothing: namespaces may bring their own", [], {}],
    ["of nothing, with nothing of the auth type: namespaces may bring it", [], as("oauth_m2m")],
    ["of nothing, with a broken credential that is not used", [], { ...as("pat"), ...clientId, ...pat }],
    ["of half a pair", ["A task that says nothing", "has neither a client secret nor a JWT file"], clientId],
    [
      "of half a pair, the other half",
      ["has no client id to go with it"],
      { ...as("oauth_m2m"), FLYTE_DATABRICKS_CLIENT_SECRET: "s" }
    ],
    [
      "of a JWT file that is not there",
      ["JWT file /run/token (named by FLYTE_DATABRICKS_OIDC_TOKEN_FILE) does not exist"],
      { ...pair, FLYTE_DATABRICKS_OIDC_TOKEN_FILE: "/run/token" }
    ],
    ["of a JWT file that is none", ["does not hold a JWT"], clientId, { [defaultPath]: "x" }],
    ["of a PAT that no header may carry", ["no header may carry"], { FLYTE_DATABRICKS_ACCESS_TOKEN: "a\nb" }],
    [
      "of nothing at all, without Kubernetes",
      [
        "No credentials for auth type oauth_m2m",
        "in namespace NAMESPACE: absent (no Kubernetes is configured)",
        "set FLYTE_DATABRICKS_CLIENT_ID and"
      ],
      as("oauth_m2m"),
      {},
      none
    ],
    [
      "of OIDC without a client id, where namespaces are ignored",
      ["No credentials for auth type oidc_federation", "FLYTE_DATABRICKS_CLIENT_ID is not set"],
      { ...as("oidc_federation"), ...namespaces("ignore") },
      jwt
    ],
    [
      "of PATs that each namespace has to bring, without Kubernetes",
      ["No credentials for auth type pat", "FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require"],
      { ...as("pat"), ...namespaces("require"), ...pat },
      {},
      none
    ],
    [
      "of a pair that Flyte's own connector would not have taken",
      ["FLYTE_DATABRICKS_AUTH_TYPE is not set", "runs as app-0 (oauth_m2m, connector)", "set it to pat"],
      { ...pair, ...pat }
    ],
    [
      "of a JWT that Flyte's own connector would not have taken",
      ["FLYTE_DATABRICKS_AUTH_TYPE is not set", "app-0 (oidc_federation", "or to oidc_federation"],
      { ...clientId, ...pat },
      jwt
    ],
    ["of neither, once the auth type is set", [], { ...as("pat"), ...pair, ...pat }, jwt],
    [
      "of namespaces that nobody can tell from those that exist",
      [
        "{project}-{domain}, and tasks whose namespace does not exist run as owner of the PAT (connector)",
        "or set FLYTE_DATABRICKS_NAMESPACE_IDENTITY=require."
      ],
      { ...as("pat"), ...pat, FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" }
    ],
    [
      "of none of them, where the look for ServiceAccounts tells",
      [],
      { ...pat, FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" }
    ],
    [
      "of none of them, where nothing else than ServiceAccounts is looked for",
      [],
      { ...as("oidc_federation"), ...clientId, FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}" },
      jwt
    ],
    [
      "of none of them, where those that are served are listed",
      [],
      {
        ...as("pat"),
        ...pat,
        FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}",
        FLYTE_DATABRICKS_NAMESPACES: "billing-*"
      }
    ]
  ]

  it.effect.each(cases)("%s", ([, says, ...surroundings]) =>
    Effect.gen(function* () {
      const said = yield* warnings(...surroundings)
      assert.lengthOf(said, Math.min(says.length, 1), said.join("\n"))
      for (const words of says) assert.include(said[0], words)
    })
  )

  it.effect("of an auth type that is not among the modes it was built with, by the variable that asks for it", () =>
    Effect.gen(function* () {
      const said = yield* AuthSummary.AuthSummary.use((own) => Effect.succeed(own.warnings)).pipe(
        Effect.provide(
          DatabricksAuth.layerMemoryOf([Pat.mode], { settings: { instance, authType: "oauth_m2m" }, connector: pat })
        )
      )
      assert.lengthOf(said, 1)
      assert.include(said[0], "FLYTE_DATABRICKS_AUTH_TYPE asks for auth type oauth_m2m, which is not served here")
    })
  )

  it.effect("of a plain instance that it can be asked about, whatever the operator lists", () =>
    Effect.gen(function* () {
      for (const listed of ["*.example.com", "dbx.example.com, *.cloud.databricks.com"]) {
        const said = yield* warnings({ ...pair, FLYTE_DATABRICKS_ALLOWED_INSTANCES: listed })
        assert.lengthOf(said, 1)
        assert.include(said[0], "runs as app-0")
      }
    })
  )

  const never: ReadonlyArray<readonly [what: string, ...surroundings: Surroundings]> = [
    ["namespaces have to bring PATs and there is no Kubernetes", { ...as("pat"), ...namespaces("require") }, {}, none],
    ["the same, whatever the connector has", { ...namespaces("require"), ...pair, ...pat }, jwt, none],
    ["nothing is configured and there is no Kubernetes", {}, {}, none],
    ["OIDC has no client id and namespaces are ignored", { ...as("oidc_federation"), ...namespaces("ignore") }, jwt],
    ["what is configured is of another auth type", { ...as("pat"), ...namespaces("ignore"), ...pair }]
  ]

  it.effect.each(never)("and does not start where tasks may not choose and %s", ([, env, files, kubernetes]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(warnings({ ...env, ...tasksMayNot }, files, kubernetes))
      assert(error._tag === "AuthError" && error.reason._tag === "CredentialsMissing", error.message)
      // A task may bring what the connector lacks.
      assert.lengthOf(yield* warnings(env, files, kubernetes), 1)
    })
  )

  const mayCome: ReadonlyArray<readonly [what: string, ...surroundings: Surroundings]> = [
    ["the JWT file", { ...as("oidc_federation"), ...namespaces("ignore"), ...clientId }],
    ["the other half of a pair", { ...as("oauth_m2m"), ...namespaces("ignore"), ...clientId }]
  ]

  it.effect.each(mayCome)("and starts where %s may still come", ([, env, files]) =>
    Effect.gen(function* () {
      assert.lengthOf(yield* warnings({ ...env, ...tasksMayNot }, files, cluster), 1)
    })
  )
})
