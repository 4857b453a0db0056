/** What a request may cost before anybody knows whose it is, over real connections. */
import { toBinary } from "@bufbuild/protobuf"
import { assert, describe } from "@effect/vitest"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { Duration, Effect, Fiber, Layer } from "effect"
import type * as Http2Node from "node:http2"
import * as Room from "../../src/grpc/Room.ts"
import * as Http2 from "../support/Http2.ts"
import { refusal } from "../support/outcomes.ts"
import * as tasks from "../support/tasks.ts"
import { field } from "../support/wire.ts"
import { type Connector, scenario } from "../support/World.ts"

const createPath = "/flyteidl.service.AsyncAgentService/CreateTask"
const listPath = "/flyteidl.service.AgentMetadataService/ListAgents"
const createBytes = toBinary(Flyte1.CreateTaskRequestSchema, tasks.createTask())

const mebibyte = 1024 * 1024
const ordinary: Room.Limits = {
  headerBytes: 16 * 1024,
  wholeWithin: Duration.seconds(10),
  values: 10_000,
  heldPerConnection: 32 * mebibyte,
  heldInAll: 48 * mebibyte
}
const limited = (limits: Partial<Room.Limits>) => ({
  references: Layer.succeed(Room.Limits, { ...ordinary, ...limits })
})

const serves = ({ flyte }: Connector) => flyte.createTask(tasks.createTask({ execution: "next" }))

/** A call whose message is not finished: all but the last byte of it. */
const unfinished = (open: Http2Node.ClientHttp2Session, bytes: number, path = createPath) => {
  const stream = Http2.begin(open, path)
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(bytes, 1)
  stream.write(Buffer.concat([prefix, Buffer.alloc(bytes - 1)]))
  return stream
}

describe("a request of many values", () => {
  // Half of them are elements, half what these are.
  const list = (values: number) => Buffer.alloc(values * 2, Buffer.of(0x0a, 2, 0x2a, 0))
  const custom = (values: number) => {
    const entry = Buffer.concat([field(1, Buffer.from("odd")), field(2, field(6, list(values)))])
    return Buffer.concat([createBytes, field(2, field(5, field(1, entry)))])
  }

  scenario("is refused in words that say how many, and nothing is made of it", ({ workspace, serving }) =>
    serving({}, (connector) =>
      Effect.gen(function* () {
        const { code, details, line } = yield* refusal(connector, connector.flyte.raw(createPath, custom(1_000_000)))
        assert.strictEqual(code, "INVALID_ARGUMENT")
        assert.match(details, /^The request has 10000\d\d values; at most 10000 are read\.$/)
        assert.strictEqual(line?.annotations["outcome"], "RequestUnreadable")
        assert.deepStrictEqual(yield* workspace.requests.all(), [])
        yield* connector.flyte.raw(createPath, custom(9000))
      })
    )
  )

  scenario("that nobody knows is refused too, by every service", ({ serving }) =>
    serving({}, (connector) =>
      Effect.gen(function* () {
        const unknown = Buffer.alloc(3 * 20_000, Buffer.of(0x98, 0x06, 1))
        for (const path of [createPath, "/flyteidl2.connector.AsyncConnectorService/GetTask"]) {
          assert.strictEqual((yield* refusal(connector, connector.flyte.raw(path, unknown))).code, "INVALID_ARGUMENT")
        }
        for (const path of [listPath, "/grpc.health.v1.Health/Check"]) {
          assert.strictEqual((yield* refusal(connector, connector.flyte.raw(path, unknown))).code, "RESOURCE_EXHAUSTED")
        }
        yield* serves(connector)
      })
    )
  )

  scenario("is served where they are the inputs, which nobody reads", ({ workspace, serving }) =>
    serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        // Literals without an end, and bytes that are none.
        for (const inputs of [Buffer.alloc(3_000_000, Buffer.of(0x0a, 0)), Buffer.from("no literals at all")]) {
          yield* flyte.raw(createPath, Buffer.concat([field(1, inputs), createBytes]))
        }
        assert.lengthOf(yield* workspace.runs, 1)
      })
    )
  )
})

describe("a request that never comes to its end", () => {
  scenario("is refused after a while, also one that was never begun", ({ serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const open = yield* Http2.session(connector.port)
          const silent = Http2.begin(open, createPath)
          const whole = Http2.begin(open, createPath)
          whole.write(Http2.framed(createBytes))
          for (const stream of [silent, whole, unfinished(open, 1000), unfinished(open, 10, listPath)]) {
            assert.strictEqual(yield* Http2.statusOf(stream), "DEADLINE_EXCEEDED")
          }
          yield* Http2.closed(silent)
          yield* serves(connector)
        }).pipe(Effect.scoped),
      limited({ wholeWithin: Duration.millis(300) })
    )
  )

  scenario("does not hold up the end of the connector", ({ serving }) =>
    Effect.gen(function* () {
      const statuses = yield* serving(
        {},
        ({ port, flyte }) =>
          Effect.gen(function* () {
            const open = yield* Effect.sync(() => Http2.connect(port))
            const streams = [Http2.begin(open, createPath), unfinished(open, 1000)]
            const waiting = yield* Effect.forEach(streams, (stream) => Effect.forkDetach(Http2.statusOf(stream)))
            // The streams are there once what came after them is answered.
            assert.strictEqual(yield* Http2.statusOf(Http2.send(open, listPath, new Uint8Array())), "OK")
            yield* flyte.listAgents
            return waiting
          }),
        { drainTimeout: Duration.hours(1) }
      )
      assert.deepStrictEqual(yield* Effect.forEach(statuses, Fiber.join), ["UNAVAILABLE", "UNAVAILABLE"])
    })
  )
})

describe("what is held of requests", () => {
  const small = { ...limited({ heldPerConnection: 2 * mebibyte, heldInAll: 3 * mebibyte }), maxMessageBytes: mebibyte }

  scenario("is no more than one connection may have, and others are served", ({ serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const open = yield* Http2.session(connector.port)
          const streams = Array.from({ length: 20 }, () => unfinished(open, 400 * 1024))
          const refused = yield* Effect.raceAll(streams.map((stream) => Http2.statusOf(stream)))
          assert.strictEqual(refused, "RESOURCE_EXHAUSTED")
          yield* serves(connector)
          assert.include(
            connector.log.texts.join("\n"),
            "Too much at once: this connection's calls under way may hold 2 MiB"
          )
        }).pipe(Effect.scoped),
      small
    )
  )

  scenario("is no more than all may have: who sent most without an end pays, and not who comes then", ({ serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const fill = Effect.fnUntraced(function* (bytes: number) {
            const open = yield* Http2.session(connector.port)
            const stream = unfinished(open, bytes)
            yield* Http2.written(stream)
            return stream
          })
          const most = yield* fill(1_000_000)
          const others = [yield* fill(900_000), yield* fill(800_000)]
          const status = yield* Effect.forkChild(Http2.statusOf(most), { startImmediately: true })
          others.push(yield* fill(700_000))
          assert.strictEqual(yield* Fiber.join(status), "RESOURCE_EXHAUSTED")
          for (const stream of others) assert.isFalse(stream.closed)
          yield* serves(connector)
        }).pipe(Effect.scoped),
      small
    )
  )

  scenario("counts until the call is over, and the registry is answered for all the same", ({ workspace, serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const gate = yield* workspace.faults.hold({ path: "/api/2.1/jobs/runs/submit" })
          const opens = yield* Effect.replicateEffect(Http2.session(connector.port), 3)
          // Of an execution each: creates of one attempt share a submit.
          const big = (execution: string) =>
            toBinary(
              Flyte1.CreateTaskRequestSchema,
              tasks.createTask({ execution, custom: { padding: "x".repeat(900_000) } })
            )
          const calls = yield* Effect.forEach(opens, (open, count) =>
            Effect.forkChild(Http2.statusOf(Http2.send(open, createPath, big(`f${count}`))), { startImmediately: true })
          )
          yield* workspace.requests.waitFor({ path: "/api/2.1/jobs/runs/submit" }, 3)
          const { code, details } = yield* refusal(
            connector,
            connector.flyte.createTask(tasks.createTask({ custom: { padding: "x".repeat(600_000) } }))
          )
          assert.strictEqual(code, "RESOURCE_EXHAUSTED")
          assert.include(details, "all calls under way may hold 3 MiB. Try again later.")
          assert.lengthOf((yield* connector.flyte.listAgents).agents, 1)
          assert.strictEqual(yield* connector.flyte.health(""), "SERVING")
          yield* gate.release
          assert.deepStrictEqual(yield* Effect.forEach(calls, Fiber.join), ["OK", "OK", "OK"])
          yield* serves(connector)
        }).pipe(Effect.scoped),
      small
    )
  )

  scenario("counts values for more than their bytes", ({ workspace, serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const gate = yield* workspace.faults.hold({ path: "/api/2.1/jobs/runs/submit" })
          const list = Buffer.alloc(4 * 4500, Buffer.of(0x0a, 2, 0x2a, 0))
          const entry = Buffer.concat([field(1, Buffer.from("odd")), field(2, field(6, list))])
          const heavy = Buffer.concat([createBytes, field(2, field(5, field(1, entry)))])
          const open = yield* Http2.session(connector.port)
          // 18 KB on the wire, and some 600 KB as it counts.
          const streams = Array.from({ length: 6 }, () => Http2.send(open, createPath, heavy))
          assert.strictEqual(
            yield* Effect.raceAll(streams.map((stream) => Http2.statusOf(stream))),
            "RESOURCE_EXHAUSTED"
          )
          yield* gate.release
        }).pipe(Effect.scoped),
      small
    )
  )

  scenario("counts what is packed for as much as it may become", ({ workspace, serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const gate = yield* workspace.faults.hold({ path: "/api/2.1/jobs/runs/submit" })
          const open = yield* Http2.session(connector.port)
          const packed = { "grpc-encoding": "gzip" }
          const streams = [1, 2, 3].map(() => Http2.begin(open, createPath, packed))
          assert.strictEqual(
            yield* Effect.raceAll(streams.map((stream) => Http2.statusOf(stream))),
            "RESOURCE_EXHAUSTED"
          )
          yield* gate.release
        }).pipe(Effect.scoped),
      small
    )
  )

  scenario("has room for a message of the largest size that is allowed, whatever that is", ({ serving }) =>
    serving({}, ({ flyte }) => flyte.createTask(tasks.createTask({ custom: { padding: "x".repeat(3_900_000) } })), {
      ...small,
      maxMessageBytes: 4 * mebibyte
    })
  )

  scenario("is nothing once the calls are over", ({ serving }) =>
    serving(
      {},
      ({ flyte }) =>
        Effect.forEach(
          Array.from({ length: 30 }, (_, n) => n),
          (n) => flyte.createTask(tasks.createTask({ node: `n${n}`, custom: { padding: "x".repeat(1_000_000) } })),
          { discard: true }
        ),
      small
    )
  )
})

describe("headers", () => {
  scenario("of more than 16 KB are refused, those below are not", ({ serving }) =>
    serving({}, (connector) =>
      Effect.gen(function* () {
        const open = yield* Http2.session(connector.port)
        const status = (bytes: number) =>
          Http2.statusOf(Http2.send(open, createPath, createBytes, { "x-long": "h".repeat(bytes) }))
        assert.strictEqual(yield* status(17_000), "RESOURCE_EXHAUSTED")
        assert.include(connector.log.texts.at(-1), "at most 16384 are read")
        assert.strictEqual(yield* status(15_000), "OK")
      }).pipe(Effect.scoped)
    )
  )
})

describe("refusals that cost a caller nothing", () => {
  scenario("do not fill the log", ({ serving }) =>
    serving({}, (connector) =>
      Effect.gen(function* () {
        const open = yield* Http2.session(connector.port)
        const streams = Array.from({ length: 500 }, () => Http2.send(open, createPath, Buffer.from("nonsense")))
        const statuses = yield* Effect.forEach(streams, (stream) => Http2.statusOf(stream), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual([...new Set(statuses)], ["INTERNAL"])
        const lines = connector.log.calls()
        assert.isAtLeast(lines.length, 20)
        assert.isAtMost(lines.length, 100)
      }).pipe(Effect.scoped)
    )
  )
})
