/** Job metadata that no connector wrote, or that somebody changed on the way. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { phaseOf } from "./support/FlyteClient.ts"
import { jobsTokens, refusal, tampered, verdict } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import { scenario, withConnectorPat } from "./support/World.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

interface Case {
  readonly what: string
  /** Made of the metadata of a run that exists. */
  readonly of: (resourceMeta: Uint8Array) => Uint8Array
  readonly outcome?: string
  readonly says: string
}

const cases: ReadonlyArray<Case> = [
  { what: "nothing", of: () => new Uint8Array(), says: "it is empty" },
  { what: "bytes that are no text", of: () => Uint8Array.of(0xff, 0xfe, 0, 1, 2), says: "it is not JSON" },
  { what: "a pickle of Python", of: () => Uint8Array.of(0x80, 4, 0x95, 0x10, 0), says: "it is not JSON" },
  { what: "the beginning of metadata", of: (own) => own.slice(0, -20), says: "only the beginning of it" },
  { what: "JSON that is no object", of: () => bytes("[1, 2]"), says: "Expected object" },
  { what: "another connector's metadata", of: () => bytes('{"job_id": "bq-1"}'), says: "databricks_instance" },
  { what: "no run", of: (own) => tampered(own, { run_id: null }), says: "run_id" },
  { what: "a run that is no number", of: (own) => tampered(own, { run_id: "1 OR 1=1" }), says: "run_id" },
  { what: "a negative run", of: (own) => tampered(own, { run_id: -5 }), says: "run_id" },
  { what: "a run past 64 bits", of: (own) => tampered(own, { run_id: "9".repeat(40) }), says: "run_id" },
  { what: "an unknown auth type", of: (own) => tampered(own, { auth_type: "kerberos" }), says: "auth_type" },
  {
    what: "a namespace with a path in it",
    of: (own) => tampered(own, { auth_token: null, namespace: "../../../api/v1/namespaces/kube-system" }),
    outcome: "SettingInvalid",
    says: "namespace of the job metadata"
  },
  {
    what: "a Secret's name with a path in it",
    of: (own) => tampered(own, { auth_token: null, oauth_secret_name: "../admin" }),
    outcome: "SettingInvalid",
    says: "oauth_secret_name of the job metadata"
  },
  {
    what: "100 KB of it",
    of: (own) => tampered(own, { padding: "x".repeat(100_000) }),
    says: "expected at most 65536"
  },
  { what: "3 MB of nesting", of: () => bytes("[".repeat(3_000_000)), says: "expected at most 65536" },
  { what: "60 KB of nesting", of: () => bytes("[".repeat(60_000)), says: "it is not JSON" },
  {
    what: "60 KB of closed nesting",
    of: () => bytes(`{"databricks_instance":${"[".repeat(30_000)}${"]".repeat(30_000)}}`),
    says: "unusable"
  }
]

describe("a task ends FAILED, and its delete is refused, when its metadata is", () => {
  for (const { what, of, says, outcome = "JobMetadataInvalid" } of cases) {
    scenario(what, ({ workspace, kubernetes, serving }) =>
      serving(withConnectorPat, (connector) =>
        Effect.gen(function* () {
          const { flyte } = connector
          const own = yield* flyte.createTask(tasks.createTask())
          yield* workspace.requests.clear
          yield* kubernetes.requests.clear
          const changed = of(own)
          // A poll that fails is counted against the task until it hangs; a phase ends it.
          const poll = yield* verdict(connector, flyte.getTask(changed))
          const { code, details, line } = yield* refusal(connector, flyte.deleteTask(changed))
          assert.strictEqual(poll.phase, "FAILED")
          assert.strictEqual(code, "INVALID_ARGUMENT")
          assert.deepStrictEqual([poll.outcome, line?.annotations["outcome"]], [outcome, outcome])
          for (const message of [poll.message, details]) {
            assert.include(message, says)
            assert.isBelow(message.length, 1000)
          }
          assert.deepStrictEqual(yield* workspace.requests.all(), [])
          assert.deepStrictEqual(yield* kubernetes.requests.all(), [])
          assert.strictEqual(phaseOf(yield* flyte.getTask(own)), "INITIALIZING")
        })
      )
    )
  }
})

describe("metadata with", () => {
  scenario("keys of a later connector is taken", ({ serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const own = yield* flyte.createTask(tasks.createTask())
        const later = tampered(own, { region: "eu-1", nested: { a: [1] } })
        assert.strictEqual(phaseOf(yield* flyte.getTask(later)), "INITIALIZING")
      })
    )
  )

  scenario("another team's Secret reads that Secret, not the connector's", ({ workspace, serving }) =>
    serving(withConnectorPat, (connector) =>
      Effect.gen(function* () {
        const own = yield* connector.flyte.createTask(tasks.createTask({ namespace: "team-without" }))
        const other = tampered(own, {
          auth_type: "pat",
          namespace: "team-without",
          oauth_secret_name: "databricks-token"
        })
        yield* workspace.requests.clear
        const { phase, message } = yield* verdict(connector, connector.flyte.getTask(other))
        assert.strictEqual(phase, "FAILED")
        assert.include(message, "Secret databricks-token in namespace team-without")
        assert.deepStrictEqual(yield* jobsTokens(workspace), [])
      })
    )
  )

  scenario("a token that is not one is refused by the workspace, and no other is tried", ({ workspace, serving }) =>
    serving(withConnectorPat, (connector) =>
      Effect.gen(function* () {
        const own = yield* connector.flyte.createTask(tasks.createTask())
        const poll = connector.flyte.getTask(tampered(own, { auth_token: "made-up-by-somebody" }))
        assert.strictEqual((yield* verdict(connector, poll)).phase, "FAILED")
        assert.deepStrictEqual([...new Set(yield* jobsTokens(workspace, "get"))], ["made-up-by-somebody"])
      })
    )
  )

  scenario("a token that no header may carry is an error, not a crash", ({ serving }) =>
    serving({}, (connector) =>
      Effect.gen(function* () {
        const own = yield* connector.flyte.createTask(tasks.createTask())
        for (const auth_token of ["line\r\nx-evil: 1", "tab\u0000", "ключ"]) {
          const poll = yield* verdict(connector, connector.flyte.getTask(tampered(own, { auth_token })))
          assert.strictEqual(poll.phase, "FAILED")
          assert.notInclude(poll.message, auth_token)
        }
        assert.strictEqual(phaseOf(yield* connector.flyte.getTask(own)), "INITIALIZING")
      })
    )
  )
})
