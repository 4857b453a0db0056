/** A workspace that answers with something else than it should, at its token endpoint and at its Jobs API. */
import { assert, describe } from "@effect/vitest"
import { Fault, type FaultAction } from "@flyte-databricks/emulators"
import { RetryPolicy, TokenPolicy } from "@flyte-databricks/databricks-auth"
import { Duration, Effect, Layer, Schedule } from "effect"
import { BackOff } from "../src/call/Faults.ts"
import { type CallFailed, phaseOf } from "./support/FlyteClient.ts"
import { refusal, verdict } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import { scenario, teamPrincipal } from "./support/World.ts"

const namespace = "team-oauth"
const tokenPath = "/oidc/v1/token"

interface Case {
  readonly what: string
  readonly action: FaultAction
  readonly code: string
  readonly outcome: string
  readonly says: ReadonlyArray<string>
}

const tenMegabytes = " ".repeat(10 * 1024 * 1024)

// Two tries, at once, and no failure is kept: how long either takes is tested elsewhere.
const references = Layer.mergeAll(
  Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(1)),
  Layer.succeed(BackOff, Schedule.recurs(1)),
  Layer.succeed(TokenPolicy.TokenPolicy, {
    ...TokenPolicy.defaults,
    failureTimeToLive: { unavailable: Duration.zero, refused: Duration.zero }
  })
)

const invalidToken = { code: "UNAVAILABLE", outcome: "TokenResponseInvalid" }
const noToken = { code: "UNAVAILABLE", outcome: "TokenEndpointUnavailable" }

const tokenEndpoint: ReadonlyArray<Case> = [
  {
    what: "HTML",
    action: Fault.html(),
    ...invalidToken,
    says: ["200", "an HTML page, not JSON", "no proxy or login page"]
  },
  { what: "nothing", action: Fault.emptyBody(), ...invalidToken, says: ["200", "the body is empty"] },
  { what: "half of a token", action: Fault.malformedJson, ...invalidToken, says: ["not JSON"] },
  { what: "JSON that is no token", action: Fault.status(200, { body: [1] }), ...invalidToken, says: ["access_token"] },
  {
    what: "a token that no header may carry",
    action: Fault.status(200, { body: { access_token: "a\r\nb", token_type: "Bearer", expires_in: 3600 } }),
    ...invalidToken,
    says: ["no header may carry"]
  },
  {
    what: "200 with an error",
    action: Fault.status(200, { body: { error: "invalid_client", error_description: "Client authentication failed" } }),
    code: "UNAUTHENTICATED",
    outcome: "TokenRefused",
    says: ["200 invalid_client", "Client authentication failed"]
  },
  {
    what: "401 with our secret in its words",
    action: Fault.status(401, { body: { error: "invalid_client", error_description: `no ${teamPrincipal.secret}!` } }),
    code: "UNAUTHENTICATED",
    outcome: "TokenRefused",
    says: [teamPrincipal.id, "Secret databricks-oauth in namespace team-oauth", "check that the secret is current"]
  },
  { what: "10 MB", action: Fault.status(200, { body: tenMegabytes }), ...invalidToken, says: ["larger than"] },
  { what: "a body without end", action: Fault.endlessBody, ...invalidToken, says: ["larger than"] },
  {
    what: "a redirect",
    action: Fault.status(302, { headers: { location: "https://login.example/?next=x" }, body: "" }),
    ...invalidToken,
    says: ["302", "redirect"]
  },
  { what: "503 again and again", action: Fault.status(503), ...noToken, says: ["status 503", "tried 2 times"] },
  { what: "429 again and again", action: Fault.status(429), ...noToken, says: ["status 429"] },
  { what: "a reset connection", action: Fault.connectionReset, ...noToken, says: ["tried 2 times", "Try again"] },
  { what: "an answer that is cut off", action: Fault.truncatedBody, ...noToken, says: ["Try again"] }
]

describe("the token endpoint answers with", () => {
  for (const { what, action, code, outcome, says } of tokenEndpoint) {
    scenario(what, ({ workspace, serving }) =>
      serving(
        {},
        (connector) =>
          Effect.gen(function* () {
            const { flyte } = connector
            const create = flyte.createTask(tasks.createTask({ namespace }))
            yield* workspace.faults.add({ path: tokenPath, action })
            const answer = yield* refusal(connector, create)
            assert.strictEqual(answer.code, code, answer.details)
            for (const fragment of [`${workspace.url}${tokenPath}`, ...says]) assert.include(answer.details, fragment)
            assert.strictEqual(answer.line?.annotations["outcome"], outcome)
            assert.strictEqual(answer.line?.annotations["identity"], teamPrincipal.id)
            assert.isBelow(answer.details.length, 1000)
            assert.strictEqual(yield* workspace.requests.count({ path: "/api/*" }), 0)

            yield* workspace.faults.clear
            yield* create
            assert.strictEqual((yield* workspace.runs).length, 1)
          }),
        { references }
      )
    )
  }

  scenario("503 once: nobody notices", ({ workspace, serving }) =>
    serving(
      {},
      ({ flyte, log }) =>
        Effect.gen(function* () {
          yield* workspace.faults.add({ path: tokenPath, times: 1, action: Fault.status(503) })
          yield* flyte.createTask(tasks.createTask({ namespace }))
          assert.strictEqual(yield* workspace.requests.count({ path: tokenPath }), 2)
          assert.strictEqual(log.calls()[0]?.annotations["outcome"], "ok")
        }),
      { references }
    )
  )
})

const invalidAnswer = { code: "UNAVAILABLE", outcome: "ResponseInvalid" }
const unavailable = { code: "UNAVAILABLE", outcome: "JobsUnavailable" }
const secretInWords = { error_code: "INTERNAL", message: "refused Bearer pat-of-team-pat, try another" }

const jobsApi: ReadonlyArray<Case> = [
  { what: "HTML", action: Fault.html(), ...invalidAnswer, says: ["200", "an HTML page, not JSON"] },
  { what: "nothing", action: Fault.emptyBody(), ...invalidAnswer, says: ["the body is empty"] },
  {
    what: "half of an answer",
    action: Fault.malformedJson,
    ...invalidAnswer,
    says: ["not JSON, or only the beginning"]
  },
  { what: "10 MB", action: Fault.status(200, { body: tenMegabytes }), ...invalidAnswer, says: ["larger than"] },
  { what: "a body without end", action: Fault.endlessBody, ...invalidAnswer, says: ["larger than"] },
  {
    what: "a redirect",
    action: Fault.status(302, { headers: { location: "https://login.example/?token=x" }, body: "" }),
    ...invalidAnswer,
    says: ["redirects to https://login.example/,", "not followed"]
  },
  {
    what: "400",
    action: Fault.status(400, { body: { error_code: "INVALID_PARAMETER_VALUE", message: "Node type m9 is unknown" } }),
    code: "INVALID_ARGUMENT",
    outcome: "RequestRejected",
    says: ["400 INVALID_PARAMETER_VALUE: Node type m9 is unknown"]
  },
  {
    what: "403",
    action: Fault.status(403, { body: { error_code: "PERMISSION_DENIED", message: "no right to attach" } }),
    code: "PERMISSION_DENIED",
    outcome: "PermissionDenied",
    says: ["does not let owner of the PAT", "no right to attach"]
  },
  {
    what: "401 again and again",
    action: Fault.status(401, { body: { error_code: 401, message: "token pat-of-team-pat" } }),
    code: "UNAUTHENTICATED",
    outcome: "TokenRefused",
    says: ["refused the token of owner of the PAT", "<redacted>"]
  },
  {
    what: "500 with our token in its words",
    action: Fault.status(500, { body: secretInWords }),
    ...unavailable,
    says: ["500", "<redacted>"]
  },
  { what: "429", action: Fault.status(429), ...unavailable, says: ["429", "REQUEST_LIMIT_EXCEEDED"] },
  { what: "a reset connection", action: Fault.connectionReset, ...unavailable, says: ["could not be asked"] },
  { what: "an answer that is cut off", action: Fault.truncatedBody, ...unavailable, says: ["could not be asked"] }
]

describe("the Jobs API answers with", () => {
  for (const { what, action, code, outcome, says } of jobsApi) {
    scenario(what, ({ workspace, serving }) =>
      serving(
        {},
        (connector) =>
          Effect.gen(function* () {
            const { flyte } = connector
            const resourceMeta = yield* flyte.createTask(tasks.createTask())
            const attempts: ReadonlyArray<readonly [operation: string, call: Effect.Effect<unknown, CallFailed>]> = [
              ["submit a run", flyte.createTask(tasks.createTask({ node: "n1" }))],
              ["cancel run", flyte.deleteTask(resourceMeta)]
            ]
            for (const [operation, call] of attempts) {
              const fault = yield* workspace.faults.add({ path: "/api/*", action })
              const answer = yield* refusal(connector, call)
              assert.strictEqual(answer.code, code, answer.details)
              for (const fragment of [workspace.url, operation, ...says]) assert.include(answer.details, fragment)
              assert.strictEqual(answer.line?.annotations["outcome"], outcome)
              assert.isBelow(answer.details.length, 1000)
              yield* workspace.faults.remove(fault)
            }
            yield* flyte.getTask(resourceMeta)
            yield* workspace.faults.add({ path: "/api/*", action })
            const poll = yield* verdict(connector, flyte.getTask(resourceMeta))
            assert.strictEqual(poll.phase, code === "UNAVAILABLE" ? "RUNNING" : "FAILED")
            assert.strictEqual(poll.outcome, outcome)
            for (const fragment of [workspace.url, "get run", ...says]) assert.include(poll.message, fragment)
            assert.isBelow(poll.message.length, 1000)
            yield* workspace.faults.clear
            assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
          }),
        { references }
      )
    )
  }

  scenario("200 with something else than a run's id", ({ workspace, serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const create = connector.flyte.createTask(tasks.createTask())
          for (const [body, says] of [
            [secretInWords, "the body is an error: INTERNAL: refused Bearer <redacted>"],
            [{ job_id: 7 }, "run_id"]
          ] as const) {
            const fault = yield* workspace.faults.add({ path: "/api/*", action: Fault.status(200, { body }) })
            const { code, details } = yield* refusal(connector, create)
            assert.strictEqual(code, "UNAVAILABLE")
            assert.include(details, says)
            yield* workspace.faults.remove(fault)
          }
          yield* create
        }),
      { references }
    )
  )
})
