/** A collector that is down, slow or hostile: calls do not notice, little is kept, and the log hears of it once. */
import { assert, describe, it } from "@effect/vitest"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import { Duration, Effect, Fiber, Logger, Metric, Redacted } from "effect"
import { HttpBody, HttpClientRequest } from "effect/http"
import type { ServerResponse } from "node:http"
import * as Collector from "../../src/telemetry/Collector.ts"
import * as OtlpReceiver from "../support/OtlpReceiver.ts"

const batch = (url: string) =>
  HttpClientRequest.post(url).pipe(
    HttpClientRequest.setBody(HttpBody.text(JSON.stringify({ resourceSpans: [] }), "application/json"))
  )

const results = Effect.map(Metric.snapshot, (all) =>
  Object.fromEntries(
    all.flatMap(({ id, attributes, state }) =>
      id === "flyte_databricks_otlp_exports_total" && "count" in state ? [[attributes?.["result"], state.count]] : []
    )
  )
)

const world = (timeout: Duration.Input = "300 millis") =>
  Effect.gen(function* () {
    const receiver = yield* OtlpReceiver.make
    const url = new URL(`${receiver.url}/v1/traces`)
    const headers = Redacted.make({ authorization: "Bearer key" })
    const destination = { url, protocol: "http/json", headers } as const
    const client = yield* Collector.make("TRACES", destination, Duration.fromInputUnsafe(timeout))
    return { receiver, send: client.execute(batch(url.href)) }
  })

const alone = <A, E, R>(effect: Effect.Effect<A, E, R>, log: Log.Log) =>
  effect.pipe(
    Effect.scoped,
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.provide(Logger.layer([log.logger]))
  )

const hostile: ReadonlyArray<readonly [string, OtlpReceiver.Answer, RegExp]> = [
  ["is silent", () => undefined, /nothing within 300ms/],
  ["answers 500", (response) => void response.writeHead(500).end(), /answered 500/],
  ["answers 400", (response) => void response.writeHead(400).end(), /answered 400/],
  [
    "redirects elsewhere",
    (response) => void response.writeHead(307, { location: "http://169.254.169.254/" }).end(),
    /answered 307/
  ],
  [
    "asks to come back in a year",
    (response) => void response.writeHead(429, { "retry-after": "31536000" }).end(),
    /nothing within|answered 429/
  ],
  ["hangs up", (response) => void response.destroy(), /UND_ERR_SOCKET|ECONNRESET|nothing within/],
  ["answers 500 without end", (response) => endless(response), /answered 500|UND_ERR|nothing within/]
]

const endless = (response: ServerResponse) => {
  response.writeHead(500)
  const more = () => {
    while (!response.destroyed && response.write("x".repeat(16_384)));
    if (!response.destroyed) response.once("drain", more)
  }
  more()
}

describe("a collector that", () => {
  for (const [name, answers, words] of hostile) {
    it.live(`${name} is given up in time, and said once`, () => {
      const log = Log.make()
      return alone(
        Effect.gen(function* () {
          const { receiver, send } = yield* world()
          receiver.answers(answers)
          for (let n = 0; n < 3; n++) yield* Effect.timeout(send, "2 seconds")
          assert.deepStrictEqual(yield* results, { sent: 0, failed: 3, dropped: 0 })
          receiver.answers(undefined)
          yield* send
          assert.deepStrictEqual(yield* results, { sent: 1, failed: 3, dropped: 0 })
          const lines = log.lines().map(({ message }) => String(message))
          assert.lengthOf(lines, 2)
          assert.match(lines[0] ?? "", words)
          assert.match(lines[1] ?? "", /takes the traces again/)
        }),
        log
      )
    })
  }

  it.live("does not answer has two batches at most, and the others are dropped at once", () => {
    const log = Log.make()
    return alone(
      Effect.gen(function* () {
        const { receiver, send } = yield* world("1 minute")
        receiver.answers(() => undefined)
        const two = yield* Effect.forEach([1, 2], () => Effect.forkChild(send, { startImmediately: true }))
        for (let n = 0; n < 1000; n++) yield* send
        assert.deepStrictEqual(yield* results, { sent: 0, failed: 0, dropped: 1000 })
        yield* Effect.forEach(two, Fiber.interrupt)
        // Who was interrupted leaves room.
        receiver.answers(undefined)
        yield* send
        assert.strictEqual((yield* results)["sent"], 1)
        assert.deepStrictEqual(log.texts, [])
      }),
      log
    )
  })
})
