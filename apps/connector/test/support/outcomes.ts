/** What tests ask of answers. */
import { assert } from "@effect/vitest"
import type { Flyte1 } from "@flyte-databricks/flyte-protocol"
import type { Log } from "@flyte-databricks/emulators/testing/Log"
import { Effect } from "effect"
import { type CallFailed, phaseOf } from "./FlyteClient.ts"
import type { World } from "./World.ts"

/**
 * The status of a call that is refused. The log has the refusal too: one line, a warning, with the same words, and an
 * outcome that says what it was.
 */
export const refusal = Effect.fnUntraced(function* <A>(
  { log }: { readonly log: Log },
  call: Effect.Effect<A, CallFailed>
) {
  const before = log.calls().length
  const { code, details } = yield* Effect.flip(call)
  const [line, ...more] = log.calls().slice(before)
  assert.deepStrictEqual(more, [])
  assert.strictEqual(line?.level, "WARN")
  // What is refused before it is read, gRPC refuses, and has no code.
  const [, message = details, finding] = /^(.*) \[(FDC\d+), docs\/\w+\.md#[\w-]+\]$/s.exec(details) ?? []
  assert.include(String(line?.message).toWellFormed(), message)
  assert.strictEqual(line?.annotations["code"], finding)
  assert.notInclude(["ok", "defect", "Unknown"], line?.annotations["outcome"])
  return { code, details, line }
})

/**
 * What a poll that met with something is answered all the same: a phase, and why it is that. The log has it too: one
 * line, a warning, with an outcome that says what it was.
 */
export const verdict = Effect.fnUntraced(function* (
  { log }: { readonly log: Log },
  poll: Effect.Effect<Flyte1.Resource, CallFailed>
) {
  const before = log.calls().length
  const resource = yield* poll
  const [line, ...more] = log.calls().slice(before)
  assert.deepStrictEqual(more, [])
  assert.strictEqual(line?.level, "WARN")
  const { phase, outcome } = line?.annotations ?? {}
  assert.strictEqual(phase, phaseOf(resource))
  assert.notInclude(["ok", "defect", "Unknown"], outcome)
  return { phase, outcome, message: resource.message, links: resource.logLinks.map(({ uri }) => uri) }
})

/** What Flyte keeps of a run, read. */
export const readMetadata = (resourceMeta: Uint8Array): Record<string, string | null> =>
  JSON.parse(new TextDecoder().decode(resourceMeta))

/** Changed by somebody who is not the connector. */
export const tampered = (resourceMeta: Uint8Array, changes: Record<string, unknown>): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ ...readMetadata(resourceMeta), ...changes }))

/** Who asked the workspace's Jobs API, by the token of each request, oldest first. */
export const jobsTokens = (workspace: World["workspace"], path = "*") =>
  Effect.map(workspace.requests.all({ path: `/api/2.1/jobs/runs/${path}` }), (requests) =>
    requests.map(({ headers }) => headers["authorization"]?.replace("Bearer ", ""))
  )
