/** What comes over the wire that is no call as Flyte makes it. */
import { toBinary } from "@bufbuild/protobuf"
import { assert, describe } from "@effect/vitest"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { Deferred, Duration, Effect, Fiber } from "effect"
import { connect } from "node:net"
import { gzipSync } from "node:zlib"
import * as Http2 from "./support/Http2.ts"
import { refusal } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import { field } from "./support/wire.ts"
import { type Connector, scenario } from "./support/World.ts"

const createPath = "/flyteidl.service.AsyncAgentService/CreateTask"
const createBytes = toBinary(Flyte1.CreateTaskRequestSchema, tasks.createTask())

const serves = ({ flyte }: Connector) => flyte.createTask(tasks.createTask({ execution: "next" }))

/** `custom` of a template, as a list in a list in a list, … */
const nested = (levels: number): Buffer => {
  let value: Buffer = Buffer.alloc(0)
  for (let level = 0; level < levels; level++) value = field(6, field(1, value))
  return field(2, Buffer.concat([field(2, Buffer.from("databricks")), field(5, entry("databricksConf", value))]))
}

const entry = (key: string, value: Buffer): Buffer =>
  field(1, Buffer.concat([field(1, Buffer.from(key)), field(2, value)]))

/** A request as Flyte makes it, with one more key in `databricksConf`, whose value may be any bytes. */
const withKey = (value: Buffer): Buffer => {
  const conf = Buffer.concat([entry("existing_cluster_id", field(3, Buffer.from("c"))), entry("odd", value)])
  // A message that comes twice is merged, the later value of a key wins.
  return Buffer.concat([createBytes, field(2, field(5, entry("databricksConf", field(5, conf))))])
}

const double = (value: number): Buffer => {
  const bytes = Buffer.alloc(9, 0x11)
  bytes.writeDoubleLE(value, 1)
  return bytes
}

describe("in place of a request,", () => {
  const garbage: ReadonlyArray<readonly [what: string, bytes: Uint8Array]> = [
    ["bytes that are no message", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["a message that is cut off", createBytes.slice(0, -7)],
    ["a field that is longer than the message", Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x07)],
    ["a varint without end", new Uint8Array(64).fill(0xff)],
    ["20,000 lists in each other", nested(20_000)]
  ]

  for (const [what, bytes] of garbage) {
    scenario(`${what}: the answer is a status, and the next call is served`, ({ workspace, serving }) =>
      serving({}, (connector) =>
        Effect.gen(function* () {
          for (const method of ["CreateTask", "GetTask", "DeleteTask"]) {
            const path = `/flyteidl.service.AsyncAgentService/${method}`
            const { code, details } = yield* refusal(connector, connector.flyte.raw(path, bytes))
            assert.include(["INTERNAL", "NOT_FOUND"], code)
            assert.isNotEmpty(details)
          }
          assert.deepStrictEqual(yield* workspace.requests.all(), [])
          yield* serves(connector)
        })
      )
    )
  }

  scenario("text that is not UTF-8 in a name is no name", ({ workspace, serving }) =>
    serving({}, (connector) =>
      Effect.gen(function* () {
        const broken = Buffer.from(createBytes)
        broken.set([0xff, 0xfe], broken.indexOf("team-pat"))
        const { code, line } = yield* refusal(connector, connector.flyte.raw(createPath, broken))
        assert.strictEqual(code, "INTERNAL")
        assert.strictEqual(line?.annotations["outcome"], "RequestUnreadable")
        assert.deepStrictEqual(yield* workspace.requests.all(), [])
        yield* serves(connector)
      })
    )
  )
})

describe("a value in a task's configuration", () => {
  for (const [what, value] of [
    ["NaN", Number.NaN],
    ["infinity", Number.POSITIVE_INFINITY]
  ] as const) {
    scenario(`that is ${what} is refused: JSON does not have it`, ({ workspace, serving }) =>
      serving({}, (connector) =>
        Effect.gen(function* () {
          const { code, details } = yield* refusal(connector, connector.flyte.raw(createPath, withKey(double(value))))
          assert.strictEqual(code, "INVALID_ARGUMENT")
          assert.include(details, "custom is not JSON")
          assert.deepStrictEqual(yield* workspace.runs, [])
        })
      )
    )
  }

  const megabyte = "x".repeat(1_000_000)
  const handedOn: ReadonlyArray<readonly [what: string, value: Buffer, as: string | null]> = [
    ["null", Buffer.of(0x08, 0), null],
    ["nothing at all", Buffer.alloc(0), null],
    ["a megabyte of text", field(3, Buffer.from(megabyte)), megabyte]
  ]
  for (const [what, value, as] of handedOn) {
    scenario(`that is ${what} is handed on`, ({ workspace, serving }) =>
      serving({}, ({ flyte }) =>
        Effect.gen(function* () {
          yield* flyte.raw(createPath, withKey(value))
          const bodies = (yield* workspace.requests.all({ path: "/api/*" })).map(({ body }) => JSON.parse(body).odd)
          assert.deepStrictEqual(bodies, [as])
        })
      )
    )
  }
})

describe("a message", () => {
  scenario("over the limit is RESOURCE_EXHAUSTED, one below it is served", ({ workspace, serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const withInputs = (bytes: number) =>
            connector.flyte.createTask(tasks.createTask({ custom: { padding: "x".repeat(bytes) } }))
          const { code, details } = yield* refusal(connector, withInputs(64 * 1024))
          assert.strictEqual(code, "RESOURCE_EXHAUSTED")
          assert.include(details, String(64 * 1024))
          assert.deepStrictEqual(yield* workspace.requests.all(), [])
          yield* withInputs(60 * 1024)
        }),
      { maxMessageBytes: 64 * 1024 }
    )
  )

  const zeros = Buffer.alloc(50 * 1024 * 1024)
  const headers: ReadonlyArray<
    readonly [what: string, bytes: Uint8Array, headers: Record<string, string>, status: string]
  > = [
    ["of 50 KB that unpacks to 50 MB", gzipSync(zeros), { "grpc-encoding": "gzip" }, "RESOURCE_EXHAUSTED"],
    ["that says it is packed and is not", createBytes, { "grpc-encoding": "gzip" }, "INTERNAL"],
    ["packed in a way of its own", createBytes, { "grpc-encoding": "zip" }, "UNIMPLEMENTED"],
    ["with a deadline that is no time", createBytes, { "grpc-timeout": "soon" }, "INTERNAL"],
    ["with a deadline of now", createBytes, { "grpc-timeout": "0m" }, "DEADLINE_EXCEEDED"]
  ]
  for (const [what, bytes, more, status] of headers) {
    scenario(`${what} is ${status}, and the next is served`, ({ serving }) =>
      serving({}, (connector) =>
        Effect.gen(function* () {
          const open = yield* Http2.session(connector.port)
          assert.strictEqual(yield* Http2.statusOf(Http2.send(open, createPath, bytes, more)), status)
          yield* serves(connector)
        }).pipe(Effect.scoped)
      )
    )
  }

  scenario("of 3.9 MB in a name is refused in few words, in the answer and in the log", ({ serving }) =>
    serving({}, (connector) =>
      Effect.gen(function* () {
        const { flyte, log } = connector
        const name = "x".repeat(3_900_000)
        for (const task of [
          { type: name },
          { namespace: name },
          { execution: name, namespace: "NO" },
          { custom: { databricksAuthType: name } }
        ]) {
          const { details } = yield* Effect.flip(flyte.createTask(tasks.createTask(task)))
          assert.isBelow(details.length, 1000)
        }
        for (const text of log.texts) assert.isBelow(text.length, 5000)
        yield* serves(connector)
      })
    )
  )
})

describe("more calls than one connection may have under way", () => {
  scenario("wait their turn, and each is answered", ({ workspace, serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const submit = { path: "/api/2.1/jobs/runs/submit" }
          const gate = yield* workspace.faults.hold(submit)
          const calls = yield* Effect.forkChild(
            Effect.forEach(
              Array.from({ length: 20 }, (_, n) => n),
              (n) => connector.flyte.createTask(tasks.createTask({ node: `n${n}` })),
              { concurrency: "unbounded" }
            )
          )
          yield* workspace.requests.waitFor(submit, 2)
          // Another connection is not held up by this one's calls.
          assert.strictEqual((yield* otherConnection(connector.port)).status, 200)
          assert.strictEqual(yield* workspace.requests.count(submit), 2)
          yield* gate.release
          assert.strictEqual(new Set(yield* Fiber.join(calls)).size, 20)
          assert.strictEqual((yield* workspace.runs).length, 20)
        }),
      { maxConcurrentStreams: 2 }
    )
  )

  scenario("are refused one by one where a client does not care, and the others go on", ({ workspace, serving }) =>
    serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const submit = { path: "/api/2.1/jobs/runs/submit" }
          const gate = yield* workspace.faults.hold(submit)
          const refused = yield* Deferred.make<void>()
          const answered = yield* Effect.forkChild(rudeClient(connector.port, 10, { limit: 2, refused }))
          yield* gate.arrived
          yield* Deferred.await(refused)
          yield* gate.release
          assert.strictEqual(yield* Fiber.join(answered), 2)
          yield* serves(connector)
        }),
      { maxConcurrentStreams: 2 }
    )
  )
})

describe("a connection that", () => {
  for (const [what, bytes] of [
    ["speaks HTTP/1.1", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"],
    ["speaks TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["says nothing", ""]
  ] as const) {
    scenario(`${what} is none of the others' business`, ({ serving }) =>
      serving({}, (connector) =>
        Effect.gen(function* () {
          const socket = yield* Effect.acquireRelease(
            Effect.callback<ReturnType<typeof connect>>((resume) => {
              const opened = connect(connector.port, "127.0.0.1", () => {
                opened.write(bytes)
                resume(Effect.succeed(opened))
              })
              opened.on("error", () => undefined)
            }),
            (opened) => Effect.sync(() => opened.destroy())
          )
          yield* serves(connector)
          socket.destroy()
          yield* serves(connector)
        }).pipe(Effect.scoped)
      )
    )
  }
})

const otherConnection = (port: number) =>
  Effect.scoped(
    Effect.flatMap(Http2.session(port), (open) =>
      Effect.callback<{ readonly status: number }>((resume) => {
        const stream = Http2.send(open, "/flyteidl.service.AgentMetadataService/ListAgents", new Uint8Array())
        stream.on("response", ({ ":status": status }) => resume(Effect.succeed({ status: status ?? 0 })))
      })
    )
  )

/**
 * Opens all streams before it has heard how many it may open. Says when all above the limit were refused; gives how
 * many were answered.
 */
const rudeClient = (
  port: number,
  count: number,
  told: { readonly limit: number; readonly refused: Deferred.Deferred<void> }
) =>
  Effect.scoped(
    Effect.flatMap(Http2.session(port), (open) =>
      Effect.callback<number>((resume) => {
        let answered = 0
        let refused = 0
        for (let n = 0; n < count; n++) {
          const request = toBinary(Flyte1.CreateTaskRequestSchema, tasks.createTask({ node: `n${n}` }))
          const stream = Http2.send(open, createPath, request)
          stream.on("response", () => answered++)
          stream.on("error", () => refused++)
          stream.on("close", () => {
            if (refused === count - told.limit) Deferred.doneUnsafe(told.refused, Effect.void)
            if (answered + refused === count) resume(Effect.succeed(answered))
          })
          stream.resume()
        }
      })
    )
  )

scenario("a connection that has grown old is asked to go, and its call under way is served", ({ workspace, serving }) =>
  serving(
    {},
    ({ port }) =>
      Effect.gen(function* () {
        const gate = yield* workspace.faults.hold({ path: "/api/2.1/jobs/runs/submit" })
        const open = yield* Http2.session(port)
        const told = yield* Deferred.make<number>()
        open.on("goaway", (code) => Deferred.doneUnsafe(told, Effect.succeed(code)))
        const call = Http2.send(open, createPath, createBytes)
        const status = yield* Effect.forkChild(Http2.statusOf(call))
        yield* gate.arrived
        assert.strictEqual(yield* Deferred.await(told), 0)
        yield* gate.release
        assert.strictEqual(yield* Fiber.join(status), "OK")
      }).pipe(Effect.scoped),
    { maxConnectionAge: Duration.millis(300) }
  )
)
