import { Identity, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Arbitrary, Effect, Option, Schema } from "effect"
import { host } from "./support/tokens.ts"

const other = WorkspaceHost.WorkspaceHost.make("dbc-0000.cloud.databricks.com")
/** Workspaces that serve behind one name. */
const unified = [
  "acme.databricks.com",
  "acme.databricks.com?o=1",
  "acme.databricks.com?o=12",
  "acme.databricks.com?w=a"
].map((workspace) => WorkspaceHost.WorkspaceHost.make(workspace))

const fromSecret = (namespace: string, name: string) => Identity.NamespaceSecret.make({ namespace, name })
const fromConnector = Identity.ConnectorLevel.make({})
const fromConnection = Identity.RequestSecret.make({})
const fromAnywhere = (namespace: string | undefined, name: string) =>
  Identity.Unrecorded.make({ namespace: Option.fromUndefinedOr(namespace), name })

const pat = (origin: Identity.Origin, instance = host) => new Identity.PatIdentity({ instance, origin })
const m2m = (clientId: string | undefined, origin: Identity.Origin, instance = host) =>
  new Identity.OAuthM2MIdentity({ instance, clientId: Option.fromUndefinedOr(clientId), origin })
const model1 = (clientId: string, tokenFile: string, audience: string, instance = host) =>
  new Identity.OidcConnectorIdentity({ instance, clientId, tokenFile, audience })
const model2 = (clientId: string, namespace: string, serviceAccount: string, audience: string, instance = host) =>
  new Identity.OidcNamespaceIdentity({ instance, clientId, namespace, serviceAccount, audience })
const extension = (
  parameters: Record<string, string>,
  other: Partial<Omit<ConstructorParameters<typeof Identity.ExtensionIdentity>[0], "parameters">> = {}
) =>
  new Identity.ExtensionIdentity({
    instance: host,
    mode: "entra",
    authType: "oauth_m2m",
    clientId: "app",
    namespace: Option.none(),
    source: "app registration",
    ...other,
    parameters
  })

/** Each differs from another one in a single part, or has the same parts cut elsewhere. */
const all = (): ReadonlyArray<Identity.Identity> => [
  pat(fromConnector),
  pat(fromConnector, other),
  pat(fromConnection),
  pat(fromSecret("ab", "c")),
  pat(fromSecret("a", "bc")),
  pat(fromSecret("a", "c")),
  pat(fromAnywhere(undefined, "c")),
  pat(fromAnywhere("a", "c")),
  pat(fromAnywhere("ab", "c")),
  pat(fromAnywhere("a", "bc")),
  m2m(undefined, fromConnector),
  m2m("app", fromConnector),
  m2m("app", fromConnector, other),
  m2m("app-2", fromConnector),
  m2m(undefined, fromSecret("a", "c")),
  m2m("app", fromSecret("a", "c")),
  m2m("app", fromAnywhere("a", "c")),
  m2m(undefined, fromAnywhere(undefined, "c")),
  model1("app", "/token", "databricks"),
  model1("app", "/token", "databricks", other),
  model1("app-2", "/token", "databricks"),
  model1("app", "/token-2", "databricks"),
  model1("app", "/token", "account"),
  model2("app", "a", "spark", "databricks"),
  model2("app", "a", "spark", "databricks", other),
  model2("app-2", "a", "spark", "databricks"),
  model2("app", "b", "spark", "databricks"),
  model2("app", "a", "spark-2", "databricks"),
  model2("app", "a", "spark", "account"),
  extension({ a: "1", b: "2" }),
  extension({ a: "2", b: "1" }),
  extension({ a: "1" }),
  extension({ "a,b": "1" }),
  extension({ a: "b,1" }),
  extension({ a: "1" }, { instance: other }),
  extension({ a: "1" }, { mode: "vault" }),
  extension({ a: "1" }, { authType: "oidc_federation" }),
  extension({ a: "1" }, { clientId: "app-2" }),
  extension({ a: "1" }, { namespace: Option.some("a") }),
  extension({ a: "1" }, { source: "another" }),
  ...unified.flatMap((workspace) => [
    pat(fromConnector, workspace),
    m2m("app", fromConnector, workspace),
    model1("app", "/token", "databricks", workspace),
    model2("app", "a", "spark", "databricks", workspace)
  ])
]

describe("the key of an identity", () => {
  it("is another one for each identity that may not share a token", () => {
    assert.strictEqual(new Set(all().map(({ key }) => key)).size, all().length)
  })

  it("is the same for two that may", () => {
    assert.deepStrictEqual(
      all().map(({ key }) => key),
      all().map(({ key }) => key)
    )
  })

  it("is the same whatever the order in which a mode gives its parameters", () => {
    const [key = "", ...others] = [
      { a: "1", b: "2", c: "3" },
      { b: "2", a: "1", c: "3" },
      { c: "3", b: "2", a: "1" },
      { b: "2", c: "3", a: "1" }
    ].map((parameters) => extension(parameters).key)
    for (const other of others) assert.strictEqual(other, key)
  })

  it("stays what it is", () => {
    for (const identity of all()) assert.strictEqual(identity.key, identity.key)
  })

  const part = Arbitrary.schema(Schema.Union([Schema.String, Schema.Literals(["", "a", "=", "\u0000", '"', ","])]))
  it.prop("tells parts apart, whatever they hold", { a: part, b: part, c: part, d: part }, ({ a, b, c, d }) => {
    assert.strictEqual(pat(fromSecret(a, b)).key === pat(fromSecret(c, d)).key, a === c && b === d)
    assert.strictEqual(m2m(a, fromAnywhere(b, "c")).key === m2m(c, fromAnywhere(d, "c")).key, a === c && b === d)
    assert.notStrictEqual(m2m(a, fromAnywhere(b, c)).key, m2m(undefined, fromAnywhere(b, c)).key)
    assert.notStrictEqual(m2m(a, fromAnywhere(b, c)).key, m2m(a, fromAnywhere(undefined, c)).key)
  })
})

describe("an identity", () => {
  it.each([
    ["PAT of a namespace", pat(fromSecret("team-a", "s")), "owner of the PAT", "Secret team-a/s"],
    ["PAT of the connector", pat(fromConnector), "owner of the PAT", "connector"],
    ["PAT of a request", pat(fromConnection), "owner of the PAT", "connection of the request"],
    ["PAT of somewhere", pat(fromAnywhere("team-a", "s")), "owner of the PAT", "not recorded at submit"],
    ["pair of a namespace", m2m("app", fromSecret("team-a", "s")), "app", "Secret team-a/s"],
    ["pair of somewhere", m2m(undefined, fromAnywhere("a", "s")), "not recorded at submit", "not recorded at submit"],
    ["JWT file", model1("app", "/run/token", "databricks"), "app", "JWT file /run/token"],
    ["ServiceAccount", model2("app", "team-a", "spark", "databricks"), "app", "ServiceAccount team-a/spark"],
    ["mode of another package", extension({}, { source: "role of Vault" }), "app", "role of Vault"]
  ] as const)("by a %s says who it is, and where its credential comes from", (_, identity, principal, source) => {
    assert.strictEqual(identity.principal, principal)
    assert.strictEqual(identity.source, source)
  })

  it("has the auth type that an operator would set for it", () => {
    assert.deepStrictEqual(
      [...new Set(all().map(({ _tag, authType }) => `${_tag}: ${authType}`))],
      [
        "pat: pat",
        "oauth_m2m: oauth_m2m",
        "oidc_connector: oidc_federation",
        "oidc_namespace: oidc_federation",
        "extension: oauth_m2m",
        "extension: oidc_federation"
      ]
    )
  })

  it("is a service principal where its mode knows which", () => {
    assertEquals(Identity.clientIdOf(pat(fromConnector)), Option.none())
    assertEquals(Identity.clientIdOf(m2m(undefined, fromConnector)), Option.none())
    assertEquals(Identity.clientIdOf(m2m("app-1", fromConnector)), Option.some("app-1"))
    assertEquals(Identity.clientIdOf(model1("app-2", "/token", "databricks")), Option.some("app-2"))
    assertEquals(Identity.clientIdOf(model2("app-3", "a", "spark", "databricks")), Option.some("app-3"))
    assertEquals(Identity.clientIdOf(extension({}, { clientId: "app-4" })), Option.some("app-4"))
  })
})

describe("an identity in JSON", () => {
  it.effect("survives being written and read, whichever it is", () =>
    Effect.gen(function* () {
      for (const identity of all()) {
        const written = JSON.stringify(yield* Schema.encodeEffect(Identity.IdentityFromJson)(identity))
        assertEquals(yield* Schema.decodeUnknownEffect(Identity.IdentityFromJson)(JSON.parse(written)), identity)
      }
    })
  )
})

describe("an identity summed up", () => {
  it.each(all())("says the same of every mode, and nothing that is not in it", (identity) => {
    const summary = Identity.summarize(identity)
    assert.deepStrictEqual(Schema.decodeUnknownSync(Identity.Summary)(JSON.parse(JSON.stringify(summary))), summary)
    assert.deepStrictEqual(summary, {
      mode: identity._tag === "extension" ? identity.mode : identity._tag,
      authType: identity.authType,
      principal: identity.principal,
      source: identity.source,
      instance: identity.instance
    })
  })
})
