/** Every error of the core, as the client says it: of a service, with what to do, and nothing of a connector. */
import { assert, describe, it } from "@effect/vitest"
import { AuthError } from "@flyte-databricks/databricks-auth"
import { Cause } from "effect"
import { type Code, DatabricksError } from "../../src/client/DatabricksError.ts"
import { explanation, fromAuthError, fromCause } from "../../src/client/internal/translate.ts"

const endpoint = "https://dbc-1.cloud.databricks.com/oidc/v1/token"
const refusal = { endpoint, clientId: "sp-1", source: "Secret s", status: 401, error: "invalid_client" }
const exchange = { ...refusal, status: 400, error: "invalid_grant", audiences: ["databricks", "other"] }

interface Case {
  readonly reason: AuthError.Reason
  readonly code: Code
  readonly message: string
  /** Where the client has one credential alone, which has a name of its own. */
  readonly source?: string
  readonly retryable?: true
  readonly retryAfterMillis?: number
}

const notOfKubernetes =
  "The namespace is not one of Kubernetes: expected 1 to 63 lower-case letters, digits and hyphens."
const notServed = "This way to log in is not served here."

const cases: Readonly<Record<string, Case>> = {
  "a setting": {
    reason: new AuthError.SettingInvalid({ setting: "FLYTE_X", value: "y", expected: "a word" }),
    code: "configuration_invalid",
    message: 'FLYTE_X is "y", expected a word.'
  },
  "no host": {
    reason: new AuthError.InstanceMissing(),
    code: "configuration_invalid",
    message: "No host: give one to databricks(), or set DATABRICKS_HOST."
  },
  "a host": {
    reason: new AuthError.InstanceRefused({ instance: "evil.example.com", why: "w", allowed: [] }),
    code: "configuration_invalid",
    message:
      'Host "evil.example.com" is refused: the credentials go to the host that databricks() was given, and nowhere else.'
  },
  "a namespace": {
    reason: new AuthError.NamespaceInvalid({ namespace: "A", template: "{project}", missing: [] }),
    code: "configuration_invalid",
    message: notOfKubernetes
  },
  "a namespace that may be two": {
    reason: new AuthError.NamespaceAmbiguous({ template: "{project}-{domain}", part: "project", value: "a-b" }),
    code: "configuration_invalid",
    message: notOfKubernetes
  },
  "a namespace that is not served": {
    reason: new AuthError.NamespaceNotServed({ namespace: "a", served: ["b"] }),
    code: "configuration_invalid",
    message: notOfKubernetes
  },
  "an override": {
    reason: new AuthError.TaskOverrideRefused({ keys: ["k"] }),
    code: "configuration_invalid",
    message: notServed
  },
  "a mode": {
    reason: new AuthError.ModeUnavailable({ wanted: "pat", from: "f", served: [] }),
    code: "configuration_invalid",
    message: notServed
  },
  "an identity": {
    reason: new AuthError.IdentityRefused({ principal: "p", source: "s", why: "w", setting: "FLYTE_X" }),
    code: "configuration_invalid",
    message: notServed
  },
  "no credentials": {
    reason: new AuthError.CredentialsMissing({
      wanted: "pat",
      looked: [
        { source: "Secret a", outcome: "absent" },
        { source: "Secret b", outcome: "forbidden", detail: "no rule" },
        { source: "Secret c", outcome: "skipped", detail: "not configured" }
      ],
      remedy: "r"
    }),
    code: "credentials_missing",
    message: "There are no credentials. Looked at:\n  - Secret a: absent\n  - Secret b: forbidden (no rule)"
  },
  "no credentials, of one": {
    reason: new AuthError.CredentialsMissing({
      wanted: "pat",
      looked: [
        { source: "Secret a", outcome: "absent" },
        { source: "Secret b", outcome: "absent", detail: "of the core" }
      ],
      remedy: "r"
    }),
    source: "DATABRICKS_TOKEN",
    code: "credentials_missing",
    message: "There are no credentials. Looked at:\n  - DATABRICKS_TOKEN: absent"
  },
  "broken credentials": {
    reason: new AuthError.CredentialsBroken({ source: "Secret a", problem: "lacks key token", remedy: "r" }),
    code: "credentials_invalid",
    message: "Secret a lacks key token."
  },
  "broken credentials, of one": {
    reason: new AuthError.CredentialsBroken({ source: "Secret a", problem: "is empty", remedy: "r" }),
    source: "DATABRICKS_TOKEN",
    code: "credentials_invalid",
    message: "DATABRICKS_TOKEN is empty."
  },
  "a Secret that may not be read": {
    reason: new AuthError.AccessForbidden({
      source: "Secret a",
      namespace: "team-a",
      resource: "secrets",
      resourceName: "databricks-token",
      verb: "get"
    }),
    code: "access_forbidden",
    message:
      "Secret a cannot be read: Kubernetes forbids it. Give this program's ServiceAccount the rule " +
      '{apiGroups: [""], resources: ["secrets"], resourceNames: ["databricks-token"], verbs: ["get"]} in namespace team-a.'
  },
  "ServiceAccounts that may not be listed": {
    reason: new AuthError.AccessForbidden({
      source: "Namespace team-a",
      namespace: "team-a",
      resource: "serviceaccounts",
      verb: "list"
    }),
    code: "access_forbidden",
    message:
      "Namespace team-a cannot be read: Kubernetes forbids it. Give this program's ServiceAccount the rule " +
      '{apiGroups: [""], resources: ["serviceaccounts"], verbs: ["list"]} in namespace team-a.'
  },
  "Kubernetes away": {
    reason: new AuthError.KubernetesUnavailable({ source: "Secret a", detail: "ECONNREFUSED" }),
    code: "unavailable",
    message: "Secret a could not be read: ECONNREFUSED. Try again.",
    retryable: true
  },
  "another client id": {
    reason: new AuthError.IdentityChanged({ source: "Secret a", expected: "sp-1", found: "sp-2" }),
    code: "credentials_invalid",
    message: "Secret a holds client id sp-2, expected sp-1."
  },
  "another client id, of one": {
    reason: new AuthError.IdentityChanged({ source: "Secret a", expected: "sp-1", found: "sp-2" }),
    source: "the pair",
    code: "credentials_invalid",
    message: "the pair holds client id sp-2, expected sp-1."
  },
  "a refused client": {
    reason: new AuthError.TokenRefused(refusal),
    code: "credentials_refused",
    message:
      `${endpoint} refused client sp-1 with 401 invalid_client. The secret came from Secret s: check that it is current, ` +
      "and that the service principal belongs to this workspace."
  },
  "a refused client, in Databricks' words": {
    reason: new AuthError.TokenRefused({ ...refusal, description: "Client is off", errorId: "e-7" }),
    source: "the pair",
    code: "credentials_refused",
    message:
      `${endpoint} refused client sp-1 with 401 invalid_client: Client is off (error id e-7). The secret came from the ` +
      "pair: check that it is current, and that the service principal belongs to this workspace."
  },
  "a refused JWT": {
    reason: new AuthError.ExchangeRefused({
      ...exchange,
      issuer: "https://issuer",
      expires: "2026-01-01T00:00:00Z"
    }),
    code: "credentials_refused",
    message: `${endpoint} refused client sp-1 with 400 invalid_grant.
The JWT, of Secret s, says
  iss: https://issuer
  aud: databricks, other
  sub: (nothing)
  exp: 2026-01-01T00:00:00Z
A federation policy of service principal sp-1 has to say the same.`
  },
  "a refused JWT without claims": {
    reason: new AuthError.ExchangeRefused({ ...exchange, audiences: [] }),
    source: "file /jwt",
    code: "credentials_refused",
    message: `${endpoint} refused client sp-1 with 400 invalid_grant.
The JWT, of file /jwt, says
  iss: (nothing)
  aud: (nothing)
  sub: (nothing)
  exp: (nothing)
A federation policy of service principal sp-1 has to say the same.`
  },
  "an endpoint away": {
    reason: new AuthError.TokenEndpointUnavailable({ endpoint, detail: "503", attempts: 2, retryAfterMillis: 5000 }),
    code: "unavailable",
    message: new AuthError.TokenEndpointUnavailable({ endpoint, detail: "503", attempts: 2, retryAfterMillis: 5000 })
      .message,
    retryable: true,
    retryAfterMillis: 5000
  },
  "a login page": {
    reason: new AuthError.TokenResponseInvalid({ endpoint, status: 200, problem: "it is a login page" }),
    code: "response_invalid",
    message:
      `${endpoint} answered 200, but it is a login page. If that does not pass, check that the host is a Databricks ` +
      "workspace and that no proxy or login page answers in its place.",
    retryable: true
  },
  "the end": {
    reason: new AuthError.AuthClosed(),
    code: "closed",
    message:
      "This client is closed: close() was called, or its `await using` block has ended. Make another, or keep this one open."
  }
}

describe("an error of the core", () => {
  it.each(Object.entries(cases))("about %s is the client's", (_, { code, message, reason, source, ...times }) => {
    const error = fromAuthError(new AuthError.AuthError({ reason }), source)
    const { retryable = false, retryAfterMillis = 0 } = times
    assert.isTrue(DatabricksError.is(error))
    assert.deepStrictEqual(
      [error.code, error.message, error.retryable, error.retryAfterMillis],
      [code, message, retryable, retryAfterMillis]
    )
  })

  it("is here, whatever its reason", () => {
    const tags = new Set<string>(Object.values(cases).map(({ reason }) => reason._tag))
    assert.deepStrictEqual(
      [...tags].toSorted(),
      AuthError.Reason.members.map(({ identifier }) => identifier).toSorted()
    )
  })

  it("has the command that adds a federation policy, where there is one", () => {
    const reason = new AuthError.ExchangeRefused({
      ...exchange,
      issuer: "https://issuer",
      subject: "system:serviceaccount:a:b"
    })
    assert.isDefined(reason.command)
    const { message } = fromAuthError(new AuthError.AuthError({ reason }))
    assert.include(message, "\n  sub: system:serviceaccount:a:b\n")
    assert.include(message, `has to say the same. This adds one:\n${reason.command}`)
  })

  it("is unexpected where this client is older than the core", () => {
    const reason = { _tag: "OfTomorrow" }
    const error = fromAuthError({ reason } as unknown as AuthError.AuthError)
    assert.deepStrictEqual([error.code, error.cause], ["unexpected", reason])
    assert.strictEqual(error.message, "Something unexpected happened; the cause has it.")
  })
})

describe("a cause", () => {
  const own = new DatabricksError("origin_foreign", "Not there.")
  const core = new AuthError.AuthError({ reason: new AuthError.InstanceMissing() })
  const fault = new Error("a fault")
  for (const [what, cause, code, message] of [
    ["of an error of the client is that error", Cause.fail(own), "origin_foreign", "Not there."],
    ["of a promise that gave such an error is that error", Cause.die(own), "origin_foreign", "Not there."],
    ["of an error of the core is that error's", Cause.fail(core), "configuration_invalid", cases["no host"]!.message],
    ["of another error is of the configuration", Cause.fail(fault), "configuration_invalid", "a fault"],
    ["of another value is of the configuration", Cause.fail("a word"), "configuration_invalid", "a word"],
    ["of a defect is unexpected", Cause.die(fault), "unexpected", "Something unexpected happened; the cause has it."],
    ["of an interruption is the end", Cause.interrupt(), "closed", cases["the end"]!.message]
  ] as const) {
    it(`${what}`, () => {
      const error = fromCause(cause)
      assert.deepStrictEqual([error.code, error.message], [code, message])
      assert.strictEqual(error.cause, code === "unexpected" ? fault : undefined)
    })
  }

  it("names the credential as the client calls it", () => {
    const reason = cases["broken credentials"]!.reason
    assert.strictEqual(
      fromCause(Cause.fail(new AuthError.AuthError({ reason })), "the PAT").message,
      "the PAT lacks key token."
    )
  })
})

describe("an explanation", () => {
  const looked: ReadonlyArray<AuthError.Finding> = [
    { source: "Secret a", outcome: "absent", detail: "d" },
    { source: "Secret b", outcome: "skipped" },
    { source: "Secret c", outcome: "used" }
  ]
  const identity = { authType: "pat", principal: "p", source: "s", host: "h" } as const

  it("has the places that count, and who it is", () => {
    const [absent, , used] = looked
    assert.deepStrictEqual(explanation(looked, undefined, identity), { looked: [absent, used], identity } as never)
  })

  it("has the one place by its name, and why it is nobody", () => {
    const error = new DatabricksError("unavailable", "Away.")
    assert.deepStrictEqual(explanation(looked, "the PAT", error), {
      looked: [{ source: "the PAT", outcome: "used" }],
      error
    })
    assert.deepStrictEqual(explanation(looked, "the PAT", undefined), {
      looked: [{ source: "the PAT", outcome: "used" }]
    })
  })
})
