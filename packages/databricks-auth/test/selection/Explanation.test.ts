/** What selection says of where it looked: in the explanation of an identity, and in the error where there is none. */
import { type AuthError, type AuthRequest, DatabricksAuth, Kubernetes } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, Tracer } from "effect"
import { connector, type Surroundings } from "../support/connector.ts"

const namespace = "team-a"
const inTeam: AuthRequest.TaskContext = { namespace }

const resolve = (surroundings: Surroundings, task: AuthRequest.TaskContext = inTeam) =>
  DatabricksAuth.DatabricksAuth.use((auth) => auth.resolve(task)).pipe(Effect.provide(connector(surroundings)))

/** Why nobody, in an error that is about nothing else. */
const missing = (surroundings: Surroundings, task: AuthRequest.TaskContext = inTeam) =>
  Effect.map(Effect.flip(resolve(surroundings, task)), (error) => {
    assert(error._tag === "AuthError" && error.reason._tag === "CredentialsMissing", error.message)
    return error.reason
  })

const lines = (findings: ReadonlyArray<AuthError.Finding>) =>
  findings.map(({ source, outcome, detail }) => `${source}: ${outcome}${detail === undefined ? "" : `, ${detail}`}`)

const serviceAccounts = "ServiceAccounts labelled flyte.org/databricks-enabled=true in namespace team-a"
const model1 = "client id and projected JWT of the connector (Model 1)"
const oauthSecret = "Secret databricks-oauth in namespace team-a"
const pair = "FLYTE_DATABRICKS_CLIENT_ID and FLYTE_DATABRICKS_CLIENT_SECRET of the connector"
const ofRequest = 'connection.secrets["databricks_token"] of the request'
const tokenSecret = "Secret databricks-token in namespace team-a"
const accessToken = "FLYTE_DATABRICKS_ACCESS_TOKEN of the connector"

const noClientId = "no client id: FLYTE_DATABRICKS_CLIENT_ID is not set"
const noNamespace = "the request has no namespace"

const ways = {
  serviceAccount:
    "give one ServiceAccount in namespace team-a\n" +
    '      labels: {flyte.org/databricks-enabled: "true"}\n' +
    "      annotations: {flyte.org/databricks-client-id: <application id of its service principal>}",
  model1:
    "set FLYTE_DATABRICKS_CLIENT_ID on the connector and project a ServiceAccount token to /var/run/secrets/databricks/token",
  oauthSecret:
    "kubectl create secret generic databricks-oauth --namespace team-a --from-literal=client_id=… --from-literal=client_secret=…",
  pair: "set FLYTE_DATABRICKS_CLIENT_ID and FLYTE_DATABRICKS_CLIENT_SECRET on the connector",
  ofRequest: "name a secret of Flyte that holds a token: databricks_token of the task",
  tokenSecret: "kubectl create secret generic databricks-token --namespace team-a --from-literal=token=…",
  accessToken: "set FLYTE_DATABRICKS_ACCESS_TOKEN on the connector"
}

const oneOf = (...remedies: ReadonlyArray<string>) =>
  `To mend it, do one of these:\n${remedies.map((remedy) => `  - ${remedy}`).join("\n")}`

describe("where there is nothing", () => {
  it.effect("auto-detect names every place, strongest first, and what each would take", () =>
    Effect.gen(function* () {
      const { wanted, looked, remedy } = yield* missing({})
      assert.strictEqual(wanted, "any auth type (auto-detect)")
      assert.deepStrictEqual(lines(looked), [
        `${serviceAccounts}: absent, none found`,
        `${model1}: absent, ${noClientId}`,
        `${oauthSecret}: absent, not found`,
        `${pair}: absent, not set`,
        `${tokenSecret}: absent, not found`,
        `${accessToken}: absent, not set`
      ])
      const { serviceAccount, model1: jwt, oauthSecret: own, pair: shared, tokenSecret: pat, accessToken: last } = ways
      assert.strictEqual(remedy, oneOf(serviceAccount, jwt, own, shared, pat, last))
    })
  )

  it.effect.each([
    [
      "pat",
      [`${tokenSecret}: absent, not found`, `${accessToken}: absent, not set`],
      [ways.tokenSecret, ways.accessToken]
    ],
    ["oauth_m2m", [`${oauthSecret}: absent, not found`, `${pair}: absent, not set`], [ways.oauthSecret, ways.pair]],
    [
      "oidc_federation",
      [`${serviceAccounts}: absent, none found`, `${model1}: absent, ${noClientId}`],
      [ways.serviceAccount, ways.model1]
    ]
  ] as const)("an auth type that is set names its own places alone: %s", ([authType, places, remedies]) =>
    Effect.gen(function* () {
      const { wanted, looked, remedy } = yield* missing({ settings: { authType } })
      assert.strictEqual(wanted, `auth type ${authType}`)
      assert.deepStrictEqual(lines(looked), [...places])
      assert.strictEqual(remedy, oneOf(...remedies))
    })
  )

  it.effect("the Secrets are those that the task names", () =>
    Effect.gen(function* () {
      const settings = { tokenSecretName: "my-token", authType: "pat" }
      const { looked, remedy } = yield* missing({}, { namespace, settings })
      assert.strictEqual(lines(looked)[0], "Secret my-token in namespace team-a: absent, not found")
      assert.include(remedy, "kubectl create secret generic my-token --namespace team-a")
    })
  )

  it.effect("and the task names two Secrets, only those are looked at", () =>
    Effect.gen(function* () {
      const settings = { tokenSecretName: "my-token", oauthSecretName: "my-oauth" }
      const { looked, remedy } = yield* missing({}, { namespace, settings })
      const other = "skipped, databricksOauthSecret of the task and databricksTokenSecret of the task names another"
      assert.deepStrictEqual(lines(looked), [
        `${serviceAccounts}: ${other}`,
        `${model1}: ${other}`,
        "Secret my-oauth in namespace team-a: absent, not found",
        `${pair}: ${other}`,
        "Secret my-token in namespace team-a: absent, not found",
        `${accessToken}: ${other}`
      ])
      const renamed = (way: string) => way.replace(/databricks-(token|oauth)/, "my-$1")
      assert.strictEqual(remedy, oneOf(renamed(ways.oauthSecret), renamed(ways.tokenSecret)))
    })
  )

  it.effect("a Secret that the connector may not read is passed over, and is one to fill", () =>
    Effect.gen(function* () {
      const looking = Effect.gen(function* () {
        const { failSecret } = yield* Kubernetes.KubernetesMemory
        yield* failSecret(namespace, "databricks-token", new Kubernetes.Forbidden({ detail: "no" }))
        return yield* Effect.flip((yield* DatabricksAuth.DatabricksAuth).resolve(inTeam))
      })
      const { reason } = yield* Effect.provide(looking, connector({ settings: { namespaceIdentity: "require" } }))
      assert(reason._tag === "CredentialsMissing", reason.message)
      const [seen] = lines(reason.looked).filter((line) => line.startsWith(tokenSecret))
      assert.strictEqual(seen, `${tokenSecret}: forbidden, the connector has no right to read it`)
      assert.strictEqual(reason.remedy, oneOf(ways.serviceAccount, ways.oauthSecret, ways.tokenSecret))
    })
  )

  it.effect("a request without a namespace has its places skipped, and none of them in what to do", () =>
    Effect.gen(function* () {
      const { looked, remedy } = yield* missing({}, {})
      assert.deepStrictEqual(lines(looked), [
        `${serviceAccounts.replace("team-a", "(none)")}: skipped, ${noNamespace}`,
        `${model1}: absent, ${noClientId}`,
        `${oauthSecret.replace("team-a", "(none)")}: skipped, ${noNamespace}`,
        `${pair}: absent, not set`,
        `${tokenSecret.replace("team-a", "(none)")}: skipped, ${noNamespace}`,
        `${accessToken}: absent, not set`
      ])
      assert.strictEqual(remedy, oneOf(ways.model1, ways.pair, ways.accessToken))
    })
  )

  it.effect("namespaces that are ignored are skipped, whatever they hold", () =>
    Effect.gen(function* () {
      const { looked, remedy } = yield* missing({
        settings: { namespaceIdentity: "ignore", authType: "pat" },
        cluster: { "team-a/databricks-token": { token: "dapi-a" } }
      })
      assert.deepStrictEqual(lines(looked), [
        `${tokenSecret}: skipped, FLYTE_DATABRICKS_NAMESPACE_IDENTITY is ignore`,
        `${accessToken}: absent, not set`
      ])
      assert.strictEqual(remedy, oneOf(ways.accessToken))
    })
  )

  it.effect("a connector whose namespaces bring their own is skipped, whatever it holds", () =>
    Effect.gen(function* () {
      const { looked, remedy } = yield* missing({
        settings: { namespaceIdentity: "require", authType: "pat" },
        secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }
      })
      assert.deepStrictEqual(lines(looked), [
        `${tokenSecret}: absent, not found`,
        `${accessToken}: skipped, shared by namespaces, and FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require`
      ])
      assert.strictEqual(remedy, oneOf(ways.tokenSecret))
    })
  )

  it.effect("and no place is left to look at, the error says which two settings that comes from", () =>
    Effect.gen(function* () {
      const { remedy } = yield* missing({ settings: { namespaceIdentity: "require" } }, {})
      assert.strictEqual(
        remedy,
        "Only a namespace may bring one here, and the request has none: submit it in a namespace, " +
          "or set FLYTE_DATABRICKS_NAMESPACE_IDENTITY=allow."
      )
    })
  )
})

describe("a boundary of no modes", () => {
  it.effect("has credentials for nobody, and looks nowhere", () =>
    Effect.gen(function* () {
      const resolving = DatabricksAuth.DatabricksAuth.use((auth) => Effect.flip(auth.resolve(inTeam)))
      const { reason } = yield* Effect.provide(resolving, connector({}, DatabricksAuth.layerOf([])))
      assert(reason._tag === "CredentialsMissing", reason.message)
      assert.deepStrictEqual(reason.looked, [])
    })
  )
})

describe("a request of Flyte 2", () => {
  const ask = (token: Option.Option<string>, secretName?: string): AuthRequest.TaskContext => ({
    namespace,
    settings: { authType: "pat", connectionSecretName: secretName },
    connection: { databricksToken: Option.map(token, (text) => Redacted.make(text)) }
  })

  it.effect("has the secret that it may name as one more place", () =>
    Effect.gen(function* () {
      const { looked, remedy } = yield* missing({}, ask(Option.none()))
      assert.strictEqual(lines(looked)[0], `${ofRequest}: absent, the task names no secret for it`)
      assert.strictEqual(remedy, oneOf(ways.ofRequest, ways.tokenSecret, ways.accessToken))
    })
  )

  it.effect("that names one and does not bring it says so", () =>
    Effect.gen(function* () {
      const { looked } = yield* missing({}, ask(Option.none(), "my-token"))
      assert.strictEqual(lines(looked)[0], `${ofRequest}: absent, not sent, though the task names secret "my-token"`)
    })
  )

  it.effect("is looked at first, and what it brings is used", () =>
    Effect.gen(function* () {
      const resolved = yield* resolve({ secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" } }, ask(Option.some("t")))
      assert.deepStrictEqual(lines(resolved.explanation), [`${ofRequest}: used`])
      assert.strictEqual(resolved.identity.source, "connection of the request")
    })
  )
})

describe("an explanation", () => {
  it.effect("is in the trace of the decision, place by place", () =>
    Effect.gen(function* () {
      const events: Array<readonly [string, unknown]> = []
      const event: Tracer.Span["event"] = (name, _, attributes) => void events.push([name, attributes])
      const tracer = Tracer.make({ span: (options) => Object.assign(Tracer.nativeTracer.span(options), { event }) })
      yield* Effect.withTracer(
        resolve({ secrets: { FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-0" }, settings: { authType: "pat" } }),
        tracer
      )
      assert.deepStrictEqual(events, [
        ["place", { place: tokenSecret, outcome: "absent", detail: "not found" }],
        ["place", { place: accessToken, outcome: "used" }]
      ])
    })
  )

  it.effect("ends with the place that was used, and says what stronger ones were looked at before", () =>
    Effect.gen(function* () {
      const { explanation } = yield* resolve({
        secrets: { FLYTE_DATABRICKS_CLIENT_ID: "app-0", FLYTE_DATABRICKS_CLIENT_SECRET: "s" }
      })
      assert.deepStrictEqual(lines(explanation), [
        `${serviceAccounts}: absent, none found`,
        `${model1}: absent, JWT file /var/run/secrets/databricks/token (the default path) does not exist`,
        `${oauthSecret}: absent, not found`,
        `${pair}: used`
      ])
    })
  )

  it.effect("says what else was seen in the place that was used", () =>
    Effect.gen(function* () {
      const labels = { "flyte.org/databricks-enabled": "true" }
      const { explanation } = yield* resolve({
        serviceAccounts: {
          "team-a/spark": { labels, annotations: { "flyte.org/databricks-client-id": "app-a" } },
          "team-a/other": { labels }
        }
      })
      assert.deepStrictEqual(lines(explanation), [`${serviceAccounts}: used, seen and skipped: other`])
    })
  )
})
