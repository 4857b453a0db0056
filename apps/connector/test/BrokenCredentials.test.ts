/** Secrets that are not whole, not readable or out of reach: an error, and never another identity. */
import { assert, describe } from "@effect/vitest"
import { Fault, type FaultAction, KubernetesApi } from "@flyte-databricks/emulators"
import { Effect, Layer, Schedule } from "effect"
import { BackOff } from "../src/call/Faults.ts"
import { refusal } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import { scenario, teamPrincipal, withConnectorPat, withConnectorPrincipal, type World } from "./support/World.ts"

type Kubernetes = World["kubernetes"]

interface Case {
  readonly what: string
  readonly namespace?: string
  readonly custom?: Record<string, string>
  readonly env?: Readonly<Record<string, string>>
  readonly given?: (kubernetes: Kubernetes) => Effect.Effect<unknown, unknown>
  /** What Kubernetes answers in place of a Secret. */
  readonly action?: FaultAction
  readonly code: string
  readonly outcome: string
  readonly says: ReadonlyArray<string>
}

const pat = { databricksAuthType: "pat" }
const m2m = { databricksAuthType: "oauth_m2m" }
const everything = { ...withConnectorPat, ...withConnectorPrincipal }

const token = (data: Record<string, string>) => (kubernetes: Kubernetes) =>
  kubernetes.setSecret({ namespace: "team-pat", name: "databricks-token", data })
const oauth = (data: Record<string, string>) => (kubernetes: Kubernetes) =>
  kubernetes.setSecret({ namespace: "team-oauth", name: "databricks-oauth", data })

const broken = { code: "FAILED_PRECONDITION", outcome: "CredentialsBroken", env: everything }

const cases: ReadonlyArray<Case> = [
  {
    what: "a PAT Secret without its key",
    ...broken,
    custom: pat,
    given: token({ Token: "pat-under-another-key" }),
    says: [
      "Secret databricks-token in namespace team-pat",
      "lacks key token",
      "a value under token",
      "No other credential"
    ]
  },
  {
    what: "a PAT Secret with a blank value",
    ...broken,
    custom: pat,
    given: token({ token: " \n" }),
    says: ["Secret databricks-token in namespace team-pat", "blank value", "key token"]
  },
  {
    what: "an OAuth Secret without the client secret, in auto-detect",
    ...broken,
    namespace: "team-oauth",
    given: oauth({ client_id: teamPrincipal.id }),
    says: ["Secret databricks-oauth in namespace team-oauth", "lacks key client_secret", "or delete it"]
  },
  {
    what: "an OAuth Secret with two blank values, in auto-detect",
    ...broken,
    namespace: "team-oauth",
    given: oauth({ client_id: "", client_secret: "\t" }),
    says: ["key client_id", "key client_secret"]
  },
  {
    what: "a PAT Secret that is broken, in auto-detect, past which nothing is looked at",
    ...broken,
    env: {},
    given: token({}),
    says: ["lacks key token"]
  },
  {
    what: "half a pair on the connector",
    ...broken,
    namespace: "team-without",
    env: { FLYTE_DATABRICKS_CLIENT_ID: "sp-without-secret", ...withConnectorPat },
    says: ["client id", "neither a client secret nor a JWT file", "FLYTE_DATABRICKS_CLIENT_SECRET"]
  },
  {
    what: "nothing anywhere",
    namespace: "team-without",
    code: "FAILED_PRECONDITION",
    outcome: "CredentialsMissing",
    says: [
      "Secret databricks-oauth in namespace team-without: absent (not found)",
      "FLYTE_DATABRICKS_ACCESS_TOKEN of the connector: absent (not set)",
      "kubectl create secret generic"
    ]
  },
  {
    what: "no namespace and nothing on the connector",
    namespace: "",
    code: "FAILED_PRECONDITION",
    outcome: "CredentialsMissing",
    says: ["skipped (the request has no namespace)"]
  },
  {
    what: "an auth type whose credentials are not there, beside another's that are",
    custom: m2m,
    code: "FAILED_PRECONDITION",
    outcome: "CredentialsMissing",
    says: ["auth type oauth_m2m", "Secret databricks-oauth in namespace team-pat: absent"]
  },
  {
    what: "an explicit auth type whose Secret Kubernetes forbids to read",
    namespace: "team-oauth",
    custom: m2m,
    env: everything,
    given: (kubernetes) => kubernetes.addRule({ effect: "deny", resources: ["secrets"], namespaces: ["team-oauth"] }),
    code: "PERMISSION_DENIED",
    outcome: "AccessForbidden",
    says: [
      "Kubernetes forbids it",
      'resources: ["secrets"]',
      'verbs: ["get"]',
      "FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore"
    ]
  },
  {
    what: "an identity shared by namespaces, where each has to bring its own",
    namespace: "team-without",
    env: { FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require", ...everything },
    code: "FAILED_PRECONDITION",
    outcome: "CredentialsMissing",
    says: ["shared by namespaces", "FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require"]
  },
  ...[
    { what: "a Kubernetes API that answers 503", action: Fault.status(503), says: "503" },
    { what: "a Kubernetes API that answers 429", action: Fault.status(429), says: "429" },
    { what: "a Kubernetes API whose connections break", action: Fault.connectionReset, says: "connection failed" },
    { what: "a proxy's page in front of Kubernetes", action: Fault.html(404), says: "404" },
    { what: "a login page in front of Kubernetes", action: Fault.html(200), says: "JSON" },
    { what: "a Secret that is cut off", action: Fault.truncatedBody, says: "" },
    { what: "a Secret without end", action: Fault.endlessBody, says: "more than" }
  ].map(({ what, action, says }): Case => ({
    what,
    env: everything,
    action,
    code: "UNAVAILABLE",
    outcome: "KubernetesUnavailable",
    says: ["in namespace team-pat could not be read", says, "left undecided", "try again"]
  }))
]

// Riding a fault out is not what this is about.
const promptly = Layer.succeed(BackOff, Schedule.recurs(1))

describe("a task gets no identity from", () => {
  for (const { what, namespace = "team-pat", custom = {}, env = {}, given, action, code, outcome, says } of cases) {
    scenario(what, ({ workspace, kubernetes, serving }) =>
      serving(
        env,
        (connector) =>
          Effect.gen(function* () {
            const { flyte } = connector
            if (given !== undefined) yield* given(kubernetes)
            const fault =
              action === undefined ? undefined : yield* kubernetes.faults.add({ path: "*/secrets/*", action })
            const answer = yield* refusal(connector, flyte.createTask(tasks.createTask({ namespace, custom })))
            assert.strictEqual(answer.code, code, answer.details)
            for (const fragment of says) assert.include(answer.details, fragment)
            assert.strictEqual(answer.line?.annotations["outcome"], outcome)
            assert.notInclude(answer.details, "pat-under-another-key")
            assert.deepStrictEqual(yield* workspace.requests.all(), [])

            // The same connector, once the credential is there.
            if (fault !== undefined) yield* kubernetes.faults.remove(fault)
            const whole = { client_id: teamPrincipal.id, client_secret: teamPrincipal.secret }
            yield* kubernetes.setSecret({ namespace: "team-next", name: "databricks-oauth", data: whole })
            yield* flyte.createTask(tasks.createTask({ namespace: "team-next" }))
            assert.strictEqual((yield* workspace.runs)[0]?.creator, teamPrincipal.id)
          }),
        { references: promptly }
      )
    )
  }

  scenario("a Kubernetes API that is gone", ({ workspace, directory, serving }) =>
    Effect.gen(function* () {
      const KUBECONFIG = `${directory}/gone`
      yield* Effect.scoped(KubernetesApi.make({ tls: true, kubeconfigFile: KUBECONFIG }))
      yield* serving(
        { KUBECONFIG, ...everything },
        (connector) =>
          Effect.gen(function* () {
            const answer = yield* refusal(connector, connector.flyte.createTask(tasks.createTask()))
            assert.strictEqual(answer.code, "UNAVAILABLE")
            assert.include(answer.details, "ECONNREFUSED")
            assert.include(answer.details, "127.0.0.1")
            assert.deepStrictEqual(yield* workspace.requests.all(), [])
            assert.strictEqual((yield* connector.flyte.listAgents).agents.length, 1)
          }),
        { references: promptly }
      )
    })
  )
})

describe("auto-detect goes past", () => {
  scenario(
    "a namespace that Kubernetes forbids, to the connector's identity, and warns once",
    ({ kubernetes, serving }) =>
      serving(everything, ({ flyte, log }) =>
        Effect.gen(function* () {
          yield* kubernetes.setRules([])
          const warnings = () =>
            log.lines().flatMap(({ level, message }) => (level === "WARN" ? [String(message)] : []))
          yield* flyte.createTask(tasks.createTask({ node: "n0" }))
          const first = warnings()
          assert.isNotEmpty(first)
          for (const warning of first) assert.include(warning, "Kubernetes forbids it")
          yield* flyte.createTask(tasks.createTask({ node: "n1" }))
          assert.deepStrictEqual(warnings(), first)
          assert.deepStrictEqual(
            log.calls().map(({ annotations }) => annotations["origin"]),
            ["connector", "connector"]
          )
        })
      )
  )

  scenario("every namespace, where the operator says so", ({ kubernetes, serving }) =>
    serving({ FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "ignore", ...withConnectorPat }, ({ flyte, log }) =>
      Effect.gen(function* () {
        yield* flyte.createTask(tasks.createTask())
        assert.strictEqual(log.calls()[0]?.annotations["origin"], "connector")
        assert.deepStrictEqual(yield* kubernetes.requests.all(), [])
      })
    )
  )

  scenario("Kubernetes itself, where none is configured, which it says once", ({ serving }) =>
    serving({ KUBECONFIG: "", ...withConnectorPat }, ({ flyte, log }) =>
      Effect.gen(function* () {
        yield* flyte.createTask(tasks.createTask({ node: "n0" }))
        yield* flyte.createTask(tasks.createTask({ node: "n1" }))
        const said = log.lines().filter(({ message }) => String(message).startsWith("No Kubernetes is configured"))
        assert.strictEqual(said.length, 1)
      })
    )
  )
})
