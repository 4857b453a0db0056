/**
 * Secrets that a workspace says back: in every place that the connector reads of it, in every common spelling, and none
 * of them anywhere that the connector writes to.
 */
import { NodeServices } from "@effect/platform-node"
import { create } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { KubernetesApi } from "@flyte-databricks/emulators"
import { Flyte1, Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Effect, FileSystem } from "effect"
import { spellingsOf } from "@flyte-databricks/emulators/testing/Spellings"
import * as ConnectorProcess from "./support/ConnectorProcess.ts"
import * as EchoingWorkspace from "./support/EchoingWorkspace.ts"
import * as FlyteClient from "./support/FlyteClient.ts"
import * as OtlpReceiver from "./support/OtlpReceiver.ts"
import * as tasks from "./support/tasks.ts"

const { kinds, secretOf, spellings } = EchoingWorkspace
const agent = grpcServiceDefinition(Flyte1.AsyncAgentService)
const connector2 = grpcServiceDefinition(Flyte2.AsyncConnectorService)
// What may pass is tried again until then.
const soon = { timeout: 3000 }
const mayPass: ReadonlyArray<number> = [kinds.elsewhere, kinds.errorAsAnswer, kinds.missing]
type Call = Effect.Effect<unknown, FlyteClient.CallFailed>
const taskCategory = { name: "databricks" }
const refused = "client-secret"
const pat = "pat"

/** Everything that was said in calls about the secrets of one spelling. */
const conversation = Effect.fnUntraced(function* (flyte: FlyteClient.FlyteClient, url: string, spelling: number) {
  const heard: Array<string> = []
  const hear = (answer: unknown) => {
    heard.push(JSON.stringify(answer, (_, value) => (typeof value === "bigint" ? "" : value)))
  }
  const ask = (call: Call) =>
    Effect.match(call, { onSuccess: hear, onFailure: ({ message }) => void heard.push(message) })
  const creates = ["oauth", "pat"].map((kind) => {
    const task = tasks.createTask({ namespace: `${kind}-${spelling}` })
    return flyte.createTask(task, soon)
  })
  const polls = Object.values(kinds).flatMap((kind) => {
    const metadata = {
      databricks_instance: url,
      run_id: String(kind * 1000 + spelling),
      auth_type: "pat",
      auth_token: secretOf(pat, spelling)
    }
    const about = { resourceMeta: new TextEncoder().encode(JSON.stringify(metadata)), taskCategory }
    const logs = [
      flyte.stream(agent.getTaskLogs, create(Flyte1.GetTaskLogsRequestSchema, about), soon),
      flyte.stream(agent.getTaskLogs, create(Flyte1.GetTaskLogsRequestSchema, { ...about, lines: 1n }), soon),
      flyte.stream(connector2.getTaskLogs, create(Flyte2.GetTaskLogsRequestSchema, about), soon)
    ]
    return [
      flyte.call(agent.getTask, create(Flyte1.GetTaskRequestSchema, about), soon),
      flyte.call(connector2.getTask, create(Flyte2.GetTaskRequestSchema, about), soon),
      flyte.deleteTask(about.resourceMeta, soon),
      // There is room for a few at once, and those of which there are none would take it to their end.
      ...(mayPass.includes(kind) ? [] : logs)
    ]
  })
  yield* Effect.forEach([...creates, ...polls] as ReadonlyArray<Call>, ask, { concurrency: 8, discard: true })
  return heard
})

/** The texts that have the secret in any spelling. */
const withSecret = (texts: ReadonlyArray<string>, secret: string) =>
  texts.flatMap((text) =>
    spellingsOf(secret).flatMap(([how, spelling]) =>
      // In a line of JSON as JSON has it.
      [spelling, JSON.stringify(spelling).slice(1, -1)].some((written) => text.includes(written))
        ? [`${how}: ${text.slice(0, 500)}`]
        : []
    )
  )

describe.each(["json", "pretty"])("what a workspace says back, with a log in %s", (format) => {
  it.live(
    "is not said to callers, nor in the log, nor in traces and metrics",
    () =>
      Effect.gen(function* () {
        const workspace = yield* EchoingWorkspace.make
        const receiver = yield* OtlpReceiver.make
        const files = yield* FileSystem.FileSystem
        const kubeconfigFile = `${yield* files.makeTempDirectoryScoped()}/kubeconfig`
        yield* KubernetesApi.make({
          tls: true,
          kubeconfigFile,
          secrets: spellings.flatMap(({ spelling }) => [
            {
              namespace: `oauth-${spelling}`,
              name: "databricks-oauth",
              data: { client_id: `sp-${spelling}`, client_secret: secretOf(refused, spelling) }
            },
            { namespace: `pat-${spelling}`, name: "databricks-token", data: { token: secretOf(pat, spelling) } }
          ])
        })
        const served = yield* ConnectorProcess.serve(
          {
            FLYTE_DATABRICKS_INSTANCE: workspace.url,
            KUBECONFIG: kubeconfigFile,
            FLYTE_DATABRICKS_LOG_FORMAT: format,
            OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
            OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
            OTEL_BSP_SCHEDULE_DELAY: "200",
            OTEL_METRIC_EXPORT_INTERVAL: "1000",
            OTEL_EXPORTER_OTLP_HEADERS: `authorization=${encodeURIComponent(secretOf(refused, 0))}`
          },
          ["--log-level", "all"]
        )
        const flyte = yield* FlyteClient.make(`127.0.0.1:${served.port}`, [])
        const all = yield* Effect.forEach(
          spellings,
          (one) => Effect.map(conversation(flyte, workspace.url, one.spelling), (heard) => ({ ...one, heard })),
          { concurrency: 8 }
        )
        const logged = yield* served.log
        // What is left to send goes at the end.
        yield* served.signal("SIGTERM")
        assert.strictEqual(yield* served.exitCode, 0)
        const sent = [...receiver.spans.map((span) => JSON.stringify(span)), ...receiver.bodies.slice(-1)]
        assert.isAbove(receiver.spans.length, 10 * spellings.length)
        assert.isAbove(sent.filter((text) => text.includes("<redacted>")).length, spellings.length)
        for (const { heard, how, spelling } of all) {
          for (const what of [refused, pat]) {
            assert.deepStrictEqual(withSecret([...heard, ...logged, ...sent], secretOf(what, spelling)), [], how)
          }
          // It was said, and taken out.
          assert.isAbove(heard.filter((text) => text.includes("<redacted>")).length, 3, how)
        }
        assert.isAbove(logged.filter((line) => line.includes("<redacted>")).length, 5 * spellings.length)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    300_000
  )
})
