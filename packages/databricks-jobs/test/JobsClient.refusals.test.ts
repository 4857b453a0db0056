/** What Databricks refuses: the token, or what is asked with it. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import {
  PermissionDenied,
  RequestRejected,
  RunNotFound,
  TokenRefused
} from "@flyte-databricks/databricks-jobs/JobsError"
import * as LiveSecrets from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import type { Credential } from "@flyte-databricks/databricks-auth/Credential"
import { OidcNamespaceIdentity } from "@flyte-databricks/databricks-auth/Identity"
import { WorkspaceHost } from "@flyte-databricks/databricks-auth/WorkspaceHost"
import type { JobsClient } from "@flyte-databricks/databricks-jobs/JobsClient"
import { Effect, Redacted } from "effect"
import { answer, clientAnswered, nextSecret, secret } from "./support/answers.ts"
import { as, type Call, cancel, errorOf, get, instance, reasonOf, runId, submit } from "./support/calls.ts"

const { principal } = as.identity

describe("a refused token", () => {
  const refusals: ReadonlyArray<[what: string, status: number, body: unknown]> = [
    ["401", 401, { error_code: 401, message: "Credential was not sent." }],
    ["401 without a body", 401, ""],
    ["403 that says the token is invalid", 403, { error_code: "403", message: "Invalid access token." }],
    ["403 that says the token ends", 403, { error_code: "403", message: "Token is expiring within 30 seconds." }],
    ["403 that says so in plain text", 403, "Invalid access token."]
  ]

  it.effect.each(refusals)("by %s is invalidated, and a new one for the same identity tried once", ([, status, body]) =>
    Effect.gen(function* () {
      for (const call of [submit, get, cancel]) {
        const { jobs, sent, invalidations } = yield* clientAnswered((count) =>
          count === 1 ? answer(status, body) : answer(200, { run_id: 1, state: { life_cycle_state: "RUNNING" } })
        )
        yield* call(jobs)
        const [first, second, ...others] = yield* sent
        assert.strictEqual(others.length, 0)
        assert.strictEqual(first?.authorization, `Bearer ${secret}`)
        assert.deepStrictEqual(second, { ...first!, authorization: `Bearer ${nextSecret}` })
        const [invalidated, ...more] = yield* invalidations
        assert.strictEqual(more.length, 0)
        assertEquals(invalidated?.credential, as)
        assert.strictEqual(Redacted.value(invalidated!.refused.authorization), `Bearer ${secret}`)
      }
    })
  )

  it.effect.each(refusals)("by %s twice is an error; there is no third try", ([, status, body]) =>
    Effect.gen(function* () {
      const { jobs, sent, invalidations } = yield* clientAnswered(() => answer(status, body))
      const error = yield* Effect.flip(get(jobs))
      assert.strictEqual(error.reason._tag, "TokenRefused")
      assert.isFalse(error.retryable)
      assert.strictEqual((yield* sent).length, 2)
      assert.strictEqual((yield* invalidations).length, 1)
    })
  )

  it.effect("is told with what Databricks said, and whose it was", () =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(() =>
        answer(403, { error_code: "403", message: `Invalid access token ${nextSecret}.` }, { "x-request-id": "q" })
      )
      assertEquals(
        reason,
        new TokenRefused({
          operation: `get run ${runId}`,
          instance,
          status: 403,
          errorCode: "403",
          detail: "Invalid access token <redacted>.",
          requestId: "q",
          principal
        })
      )
    })
  )

  it.effect("is not what another 403 is about", () =>
    Effect.gen(function* () {
      const { jobs, sent, invalidations } = yield* clientAnswered(() =>
        answer(403, { error_code: "PERMISSION_DENIED", message: "No permission on cluster c" })
      )
      assertEquals(
        (yield* Effect.flip(submit(jobs))).reason,
        new PermissionDenied({
          operation: "submit a run",
          instance,
          status: 403,
          errorCode: "PERMISSION_DENIED",
          detail: "No permission on cluster c",
          principal
        })
      )
      assert.strictEqual((yield* sent).length, 1)
      assert.strictEqual((yield* invalidations).length, 0)
    })
  )

  it.effect(
    "after a good token says that the principal is not in the workspace or lacks a grant, and what adds it",
    () =>
      Effect.gen(function* () {
        const refused = Effect.fnUntraced(function* (
          instance: string,
          call: (jobs: JobsClient["Service"], as: Credential) => Effect.Effect<unknown, unknown>
        ) {
          const { jobs } = yield* clientAnswered(() =>
            answer(403, { error_code: "PERMISSION_DENIED", message: "app-1 is not a member of this workspace." })
          )
          const identity = new OidcNamespaceIdentity({
            instance: WorkspaceHost.make(instance),
            clientId: "app-1",
            namespace: "team-a",
            serviceAccount: "spark",
            audience: "databricks"
          })
          return ((yield* Effect.flip(call(jobs, { identity }))) as Error).message
        })
        for (const message of [
          yield* refused("acme.databricks.com?o=12", (jobs, as) => jobs.submit(as, {}, "token")),
          yield* refused("adb-12.7.azuredatabricks.net", (jobs, as) => jobs.get(as, runId))
        ]) {
          assert.include(message, "It has a token, and is not in this workspace or lacks a permission there")
          assert.include(
            message,
            `This adds it:\nSP_ID=$(databricks account service-principals list --filter 'applicationId eq "app-1"'`
          )
          assert.match(
            message,
            /\ndatabricks account workspace-assignment update 12 "\$SP_ID" --json '\{"permissions": \["USER"\]\}'\nIf it is there, give it the permission/
          )
        }
        const unknown = yield* refused("dbc-a1b2.cloud.databricks.com", (jobs, as) => jobs.get(as, runId))
        assert.include(unknown, "workspace-assignment update WORKSPACE_ID")
      })
  )
})

describe("a refused request", () => {
  const missing = { error_code: "INVALID_PARAMETER_VALUE", message: `Run ${runId} does not exist.` }

  it.effect.each<[name: string, call: Call]>([
    ["get", get],
    ["cancel", cancel]
  ])("for a run that does not exist is that, to %s", ([name, call]) =>
    Effect.gen(function* () {
      assertEquals(
        yield* reasonOf(() => answer(400, missing), call),
        new RunNotFound({
          operation: `${name} run ${runId}`,
          instance,
          status: 400,
          errorCode: "INVALID_PARAMETER_VALUE",
          detail: missing.message,
          runId
        })
      )
      const newer = { error_code: "RESOURCE_DOES_NOT_EXIST", message: "No run" }
      assert.strictEqual((yield* reasonOf(() => answer(404, newer), call))._tag, "RunNotFound")
    })
  )

  it.effect("for a run that does not exist is that also where a proxy says 200 to it", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* reasonOf(() => answer(200, missing)))._tag, "RunNotFound")
    })
  )

  it.effect("for something else that does not exist is not about a run", () =>
    Effect.gen(function* () {
      const cluster = { error_code: "INVALID_PARAMETER_VALUE", message: "Cluster c does not exist" }
      assert.strictEqual((yield* reasonOf(() => answer(400, cluster), submit))._tag, "RequestRejected")
      const notFound = { error_code: "ENDPOINT_NOT_FOUND", message: "No API found" }
      assert.strictEqual((yield* reasonOf(() => answer(404, notFound)))._tag, "RequestRejected")
    })
  )

  it.effect("is told in Databricks' words, on one line, cut, without the token, with the request's id", () =>
    Effect.gen(function* () {
      const message = `Bearer ${secret}\n is\u0000 wrong ${"x".repeat(2000)}`
      const headers = { "x-databricks-request-id": "req-1" }
      const { reason, retryable } = yield* errorOf(
        () => answer(400, { error_code: "MALFORMED_REQUEST", message }, headers),
        submit
      )
      assertEquals(
        reason,
        new RequestRejected({
          operation: "submit a run",
          instance,
          status: 400,
          errorCode: "MALFORMED_REQUEST",
          detail: `Bearer <redacted> is wrong ${"x".repeat(472)}…`,
          requestId: "req-1"
        })
      )
      assert.isFalse(retryable)
      assert.include(
        reason.message,
        "rejected the request to submit a run: 400 MALFORMED_REQUEST: Bearer <redacted> is"
      )
    })
  )

  it.effect.each<[status: number, body: string, detail: string]>([
    [400, "Malformed", "Malformed"],
    [413, "", ""],
    [400, '{"error":"other"}', '{"error":"other"}'],
    [400, '{"error_code":null,"message":"m"}', "m"]
  ])("by %d with the body %s is told as far as it goes", ([status, body, detail]) =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(() => answer(status, body))
      assertEquals(reason, new RequestRejected({ operation: `get run ${runId}`, instance, status, detail }))
    })
  )
})

describe("what an answer means", () => {
  it.effect("is decided in the server's own words, though one of them is a secret", () =>
    Effect.gen(function* () {
      LiveSecrets.add(Redacted.make("RESOURCE_DOES_NOT_EXIST"))
      const reason = yield* reasonOf(() => answer(400, { error_code: "RESOURCE_DOES_NOT_EXIST", message: "gone" }))
      assert.strictEqual(reason._tag, "RunNotFound")
      assert.include(JSON.stringify(reason), "<redacted>")
    })
  )
})
