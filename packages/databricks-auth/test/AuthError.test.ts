/** What whoever reads an error needs: what was looked for and where, what was found, and what to do. */
import { AuthError } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const collectGarbage = (): void => {
  setFlagsFromString("--expose-gc")
  runInNewContext("gc")()
}

const refusal = { endpoint: "https://e/oidc/v1/token", clientId: "app-a", source: "JWT of spark", status: 401 }
const said = { error: "invalid_client", description: "unknown client", errorId: "id-7" }
/** What Databricks says of a JWT that it refuses. */
const ofDatabricks = (what: string, audience: string) =>
  `Failed to process token: ${what}. Valid federation policy for provided token: ` +
  `{issuer: 'https://issuer', subject: 'sub-1', audience: '${audience}'}`

const claims = { issuer: "https://issuer", audiences: ["a-1", "a-2"], subject: "sub-1", expires: "2026-01-01" }

interface Case {
  readonly reason: AuthError.Reason
  readonly says: ReadonlyArray<string>
  readonly never?: ReadonlyArray<string>
  readonly retryable?: true
}

const cases: Record<string, Case> = {
  "a setting": {
    reason: new AuthError.SettingInvalid({ setting: "MODE", value: "x", expected: "a or b" }),
    says: ['MODE is "x", expected a or b.']
  },
  "no instance": {
    reason: new AuthError.InstanceMissing(),
    says: ["No Databricks instance", "databricks_instance on the task", "or FLYTE_DATABRICKS_INSTANCE on the connector"]
  },
  "an instance that is not allowed": {
    reason: new AuthError.InstanceRefused({
      instance: "evil.com",
      why: "it is not listed",
      allowed: ["a.com", "*.b.com"]
    }),
    says: [
      'instance "evil.com" is refused: it is not listed.',
      "Credentials go only to a.com, *.b.com;",
      "FLYTE_DATABRICKS_ALLOWED_INSTANCES"
    ]
  },
  "an instance that no list would help": {
    reason: new AuthError.InstanceRefused({ instance: "a b", why: "it is not a host name", allowed: [] }),
    says: ['Databricks instance "a b" is refused: it is not a host name.'],
    never: ["not a host name. "]
  },
  "a namespace": {
    reason: new AuthError.NamespaceInvalid({ namespace: "A_B", template: "{project}_x", missing: [] }),
    says: [
      '"A_B"',
      'FLYTE_DATABRICKS_NAMESPACE_TEMPLATE "{project}_x"',
      "is not a Kubernetes namespace",
      "1 to 63 lower-case"
    ],
    never: ["does not have"]
  },
  "a namespace of parts that are not there": {
    reason: new AuthError.NamespaceInvalid({ namespace: "-", template: "{a}-{b}", missing: ["a", "b"] }),
    says: ['FLYTE_DATABRICKS_NAMESPACE_TEMPLATE "{a}-{b}" asks for a and b', "which the request does not have"],
    never: ["is not a Kubernetes namespace"]
  },
  "a namespace that could be another request's": {
    reason: new AuthError.NamespaceAmbiguous({
      template: "{project}-{domain}",
      part: "domain",
      value: "eu-production"
    }),
    says: ['The domain "eu-production" has a hyphen', '"{project}-{domain}"', "Only the project may have hyphens"]
  },
  "a namespace that is not served": {
    reason: new AuthError.NamespaceNotServed({ namespace: "billing", served: ["team-*", "ml"] }),
    says: ["Namespace billing is not served here: only team-*, ml.", "FLYTE_DATABRICKS_NAMESPACES"]
  },
  "an identity that today's settings refuse": {
    reason: new AuthError.IdentityRefused({
      principal: "app-a",
      source: "connector",
      why: "it is shared",
      setting: "X"
    }),
    says: ["app-a (connector) is refused: it is shared. An operator decides that with X."]
  },
  "settings that a task may not make": {
    reason: new AuthError.TaskOverrideRefused({ keys: ["databricksClientId", "databricksAuthType"] }),
    says: [
      "The task sets databricksClientId, databricksAuthType",
      "FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false",
      "remove these settings from the task"
    ]
  },
  "no credentials": {
    reason: new AuthError.CredentialsMissing({
      wanted: "auth type pat",
      looked: [
        { source: "Secret s", outcome: "absent", detail: "not found" },
        { source: "Secret t", outcome: "forbidden" },
        { source: "connector", outcome: "skipped" },
        { source: "file", outcome: "used" }
      ],
      remedy: "Make one."
    }),
    says: [
      "No credentials for auth type pat. Looked at:\n",
      "  - Secret s: absent (not found)\n  - Secret t: forbidden\n  - connector: skipped\n  - file: used\n",
      "\nMake one."
    ]
  },
  "half a credential": {
    reason: new AuthError.CredentialsBroken({ source: "Secret s", problem: "lacks key token", remedy: "Add it." }),
    says: ["Secret s lacks key token. Add it. No other credential is tried in its place."]
  },
  "a right that is missing": {
    reason: new AuthError.AccessForbidden({
      source: "Secret s",
      namespace: "team-a",
      resource: "secrets",
      resourceName: "s",
      verb: "get"
    }),
    says: [
      "Secret s cannot be read: Kubernetes forbids it. Two ways out",
      '{apiGroups: [""], resources: ["secrets"], resourceNames: ["s"], verbs: ["get"]} in namespace team-a',
      "or set FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore"
    ]
  },
  "a right on all objects of a kind": {
    reason: new AuthError.AccessForbidden({
      source: "ServiceAccounts",
      namespace: "team-a",
      resource: "serviceaccounts",
      verb: "list"
    }),
    says: ['resources: ["serviceaccounts"], verbs: ["list"]']
  },
  "Kubernetes that does not answer": {
    reason: new AuthError.KubernetesUnavailable({ source: "Secret s", detail: "status 503" }),
    says: ["Secret s could not be read: status 503.", "left undecided rather than guessed; try again"],
    retryable: true
  },
  "another principal's credential": {
    reason: new AuthError.IdentityChanged({ source: "Secret s", expected: "app-a", found: "app-b" }),
    says: ["Secret s holds client id app-b, expected app-a.", "Put the credentials of app-a back"]
  },
  "an auth type that is not served": {
    reason: new AuthError.ModeUnavailable({
      wanted: "pat",
      from: "The task",
      served: ["oauth_m2m", "oidc_federation"]
    }),
    says: ["The task asks for auth type pat, which is not served here: only oauth_m2m and oidc_federation."]
  },
  "a secret that was refused": {
    reason: new AuthError.TokenRefused({ ...refusal, ...said }),
    says: [
      "https://e/oidc/v1/token refused client app-a with 401 invalid_client: unknown client (error id id-7).",
      "Its credentials came from JWT of spark",
      "check that the secret is current"
    ]
  },
  "a secret that was refused in a word": {
    reason: new AuthError.TokenRefused({ ...refusal, error: "invalid_client" }),
    says: ["refused client app-a with 401 invalid_client. Its credentials"]
  },
  "a JWT that was refused": {
    reason: new AuthError.ExchangeRefused({ ...refusal, ...said, ...claims }),
    says: [
      "https://e/oidc/v1/token refused client app-a with 401 invalid_client: unknown client (error id id-7).\n",
      "The JWT, of JWT of spark, says\n  iss: https://issuer\n  aud: a-1, a-2\n  sub: sub-1\n  exp: 2026-01-01\n",
      "Check that Databricks can reach the issuer's keys, and that a federation policy of service principal app-a says the same.",
      `SP_ID=$(databricks account service-principals list --filter 'applicationId eq "app-a"' --output json | jq -r '.[0].id')\n`,
      'databricks account service-principal-federation-policy create "$SP_ID" --json ' +
        `'{"oidc_policy":{"issuer":"https://issuer","audiences":["a-1","a-2"],"subject":"sub-1"}}'\nA policy counts within two minutes.`
    ]
  },
  "a JWT that no policy takes": {
    reason: new AuthError.ExchangeRefused({
      ...refusal,
      ...claims,
      error: "invalid_grant",
      description: ofDatabricks("TOKEN_INVALID (Ensure a valid federation policy has been configured)", "a-1")
    }),
    says: [
      "with 401 invalid_grant: Failed to process token: TOKEN_INVALID (",
      "  aud: a-1, a-2\n",
      "No federation policy of service principal app-a takes it. This adds one:\nSP_ID=",
      `--json '{"oidc_policy":{"issuer":"https://issuer","audiences":["a-1","a-2"],"subject":"sub-1"}}'\nA policy counts within two minutes.`
    ],
    never: ["the policy accepts", "but for its audience"]
  },
  "a JWT whose audience no policy takes": {
    reason: new AuthError.ExchangeRefused({
      ...refusal,
      ...claims,
      error: "invalid_grant",
      description: ofDatabricks("TOKEN_AUDIENCE_INVALID (Token audience 'a-1' invalid)", "0a1b-account")
    }),
    says: [
      "with 401 invalid_grant: Failed to process token: TOKEN_AUDIENCE_INVALID (",
      "  aud: a-1, a-2, and the policy accepts 0a1b-account\n",
      "A federation policy of service principal app-a takes it but for its audience. Have it issued for 0a1b-account " +
        "(FLYTE_DATABRICKS_OIDC_AUDIENCE, for a ServiceAccount of a namespace its annotation flyte.org/databricks-audience), or add a policy that takes this one. This adds one:\nSP_ID=",
      `--json '{"oidc_policy":{"issuer":"https://issuer","audiences":["a-1","a-2"],"subject":"sub-1"}}'\nA policy counts within two minutes.`
    ],
    never: ["No federation policy"]
  },
  "a JWT that was refused in a word, and says nothing": {
    reason: new AuthError.ExchangeRefused({ ...refusal, error: "invalid_grant", audiences: [] }),
    says: [
      "with 401 invalid_grant.\n",
      "  iss: (nothing)\n  aud: (nothing)\n  sub: (nothing)\n  exp: (nothing)\n",
      "which no federation policy can let in: it takes an iss that is an https URL, an aud and a sub."
    ],
    never: ["oidc_policy"]
  },
  "a token endpoint that fails": {
    reason: new AuthError.TokenEndpointUnavailable({ endpoint: "https://e", detail: "status 503", attempts: 3 }),
    says: ["https://e was tried 3 times and gave no token; the last answer: status 503. Try again."],
    retryable: true
  },
  "a token endpoint that fails at once": {
    reason: new AuthError.TokenEndpointUnavailable({
      endpoint: "https://e",
      detail: "status 429",
      attempts: 1,
      retryAfterMillis: 2000
    }),
    says: ["https://e was tried once and gave no token", "status 429. It asks for 2 s before the next try. Try again."],
    retryable: true
  },
  "a token endpoint that asks for more than there is": {
    reason: new AuthError.TokenEndpointUnavailable({
      endpoint: "https://e",
      detail: "status 429",
      attempts: 1,
      retryAfterMillis: 60_000,
      leftMillis: 1_234
    }),
    says: ["status 429. It asks for 60 s before the next try, and there were 1.3 s left. Try again."],
    retryable: true
  },
  "a token endpoint that is down": {
    reason: new AuthError.TokenEndpointUnavailable({
      endpoint: "https://e",
      detail: "status 503",
      attempts: 0,
      retryAfterMillis: 4_000,
      downSinceMillis: 60_000
    }),
    says: [
      "https://e has given no token to anyone since 1970-01-01T00:01:00.000Z; the last answer: status 503. ",
      "It was not asked for this call; the next try is made in 4 s. Try again then."
    ],
    retryable: true
  },
  "a token endpoint that went down meanwhile": {
    reason: new AuthError.TokenEndpointUnavailable({
      endpoint: "https://e",
      detail: "status 503",
      attempts: 2,
      downSinceMillis: 0
    }),
    says: ["status 503. This call tried it 2 times; the next try is under way. Try again then."],
    retryable: true
  },
  "an answer that is no token": {
    reason: new AuthError.TokenResponseInvalid({ endpoint: "https://e", status: 200, problem: "the body is empty" }),
    says: ["https://e answered 200, but the body is empty.", "a Databricks workspace", "no proxy or login page"],
    retryable: true
  },
  "a service that is closed": {
    reason: new AuthError.AuthClosed(),
    says: ["Authentication is closed: the scope of its layer has ended", "Keep that scope (or the ManagedRuntime) open"]
  }
}

describe("an error", () => {
  it.each(Object.entries(cases))("about %s says so", (_, { reason, says, never = [], retryable = false }) => {
    const error = new AuthError.AuthError({ reason })
    for (const text of says) assert.include(error.message, text)
    for (const text of never) assert.notInclude(error.message, text)
    assert.strictEqual(error.retryable, retryable)
  })

  it("about a JWT that lacks one of the three claims that a policy asks for has no policy to offer", () => {
    const without: ReadonlyArray<Partial<typeof claims>> = [
      { ...claims, issuer: "http://issuer" },
      { ...claims, audiences: [] }
    ]
    const { issuer: _issuer, ...noIssuer } = claims
    const { subject: _subject, ...noSubject } = claims
    for (const lacking of [...without, noIssuer, noSubject]) {
      const reason = new AuthError.ExchangeRefused({ ...refusal, ...said, audiences: [], ...lacking })
      assert.include(reason.message, "which no federation policy can let in")
      assert.notInclude(reason.message, "oidc_policy")
    }
  })

  it("says how long to wait, where somebody asked for that", () => {
    const unavailable = { endpoint: "e", detail: "status 429", attempts: 1 }
    const waits = [
      new AuthError.TokenEndpointUnavailable({ ...unavailable, retryAfterMillis: 2000 }),
      new AuthError.TokenEndpointUnavailable(unavailable),
      new AuthError.InstanceMissing()
    ].map((reason) => new AuthError.AuthError({ reason }).retryAfterMillis)
    assert.deepStrictEqual(waits, [2000, 0, 0])
  })

  it("lists findings, of these outcomes alone", () => {
    const isFinding = Schema.is(AuthError.Finding)
    assert.isTrue(isFinding({ source: "s", outcome: "absent" }))
    assert.isFalse(isFinding({ source: "s", outcome: "unknown" }))
    assert.isFalse(isFinding({ outcome: "absent" }))
  })

  it("of every kind is one that the package's error holds", () => {
    for (const { reason } of Object.values(cases)) assert.isTrue(Schema.is(AuthError.Reason)(reason))
    assert.strictEqual(
      new Set(Object.values(cases).map(({ reason }) => reason._tag)).size,
      AuthError.Reason.members.length
    )
  })
})

describe("an error", () => {
  it.effect("keeps nothing alive of what it was made from, however long it is remembered", () =>
    Effect.gen(function* () {
      const remembered: Array<AuthError.AuthError> = []
      // What fails is a method of an object that has the task, as a generator or a callback is.
      const fail = (): WeakRef<object> => {
        const call = {
          task: { padding: "x" },
          fail() {
            remembered.push(new AuthError.AuthError({ reason: this.reason() }))
          },
          reason: () => new AuthError.InstanceMissing()
        }
        call.fail()
        return new WeakRef(call)
      }
      const call = fail()
      // What a WeakRef was made of lives as long as the turn in which it was.
      yield* Effect.yieldNow
      collectGarbage()
      assert.isUndefined(call.deref())
      assert.lengthOf(remembered, 1)
    })
  )
})
