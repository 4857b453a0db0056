/** What a message holds, told from its bytes. */
import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { growth } from "@flyte-databricks/emulators/testing/Growth"
import { Flyte1, Flyte2, GrpcHealth } from "@flyte-databricks/flyte-protocol"
import { Effect, Schema } from "effect"
import { scan } from "../../src/grpc/WireScan.ts"
import * as tasks from "../support/tasks.ts"
import { field } from "../support/wire.ts"

const Create = Flyte1.CreateTaskRequestSchema
const valuesOf = (type: DescMessage, bytes: Uint8Array) => scan(type, bytes)?.values
const task = toBinary(Create, tasks.createTask())

/** Struct, ListValue and Value, by the fields that hold them in a template. */
const custom = (struct: Uint8Array) => field(2, field(5, struct))
const entry = (key: string, value: Uint8Array) => field(1, Buffer.concat([field(1, Buffer.from(key)), field(2, value)]))
const nullValue = Buffer.of(0x08, 0)

describe("the values of a message are", () => {
  it.each([
    ["none where it is empty", new Uint8Array(), 0],
    [
      "a field each",
      toBinary(GrpcHealth.HealthCheckRequestSchema, create(GrpcHealth.HealthCheckRequestSchema, { service: "a" })),
      1
    ],
    ["fields in fields", custom(Buffer.alloc(0)), 2],
    ["an entry, its key, its value and what that is", custom(entry("a", nullValue)), 6],
    [
      "each element of a list",
      custom(entry("a", field(6, Buffer.concat([field(1, nullValue), field(1, nullValue)])))),
      10
    ],
    ["what the type does not know", Buffer.of(0x98, 0x06, 1, 0x98, 0x06, 1), 2],
    ["what comes twice, twice", Buffer.concat([custom(entry("a", nullValue)), custom(entry("a", nullValue))]), 12]
  ])("%s", (_, bytes, expected) => {
    const type = bytes.length === 3 && bytes[0] === 0x0a ? GrpcHealth.HealthCheckRequestSchema : Create
    assert.strictEqual(valuesOf(type, bytes), expected)
  })

  it("a hundred or so of a real task", () => {
    const values = valuesOf(Create, task) ?? 0
    assert.isAbove(values, 20)
    assert.isBelow(values, 200)
  })

  it("not those of text that looks like a message", () => {
    const text = Buffer.concat([Buffer.from([0x0a, 0]), Buffer.from([0x0a, 0])])
    assert.strictEqual(valuesOf(Create, custom(entry("a", field(3, text)))), 6)
  })

  // A list of numbers may be packed into one field, whose elements would not be counted.
  it("all that there can be: no request has a packed list", () => {
    const seen = new Set<DescMessage>()
    const look = (type: DescMessage): void => {
      if (seen.has(type)) return
      seen.add(type)
      for (const item of type.fields) {
        assert.isFalse(item.fieldKind === "list" && item.listKind !== "message" && item.packed, String(item))
        if (item.message !== undefined) look(item.message)
      }
    }
    const services = [
      Flyte1.AsyncAgentService,
      Flyte1.AgentMetadataService,
      Flyte2.AsyncConnectorService,
      Flyte2.ConnectorMetadataService,
      GrpcHealth.Health
    ]
    for (const { methods } of services) for (const { input } of methods) look(input)
    assert.isAbove(seen.size, 50)
  })
})

describe("a wanted field", () => {
  it("is found wherever it stands, and not looked into", () => {
    const inputs = field(1, Buffer.from("no message at all"))
    const bytes = Buffer.concat([inputs, task, inputs])
    const seen = scan(Create, bytes, 1)
    assert.strictEqual(seen?.values, (valuesOf(Create, task) ?? 0) + 2)
    assert.deepStrictEqual(
      seen?.found.map(({ start, content, end }) => [start, bytes.toString("utf8", content, end), end]),
      [
        [0, "no message at all", inputs.length],
        [bytes.length - inputs.length, "no message at all", bytes.length]
      ]
    )
  })
})

describe("what is no message", () => {
  it.each([
    ["text", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["cut off", task.slice(0, -7)],
    ["a field longer than the message", Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x07)],
    ["a field longer than the one it is in", Uint8Array.of(0x12, 2, 0x2a, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1)],
    ["a varint without an end", new Uint8Array(64).fill(0xff)],
    ["a tag without an end", Uint8Array.of(0x80)],
    ["a number without an end", Uint8Array.of(0x09, 1, 2, 3)],
    ["a group", Uint8Array.of(0x0b, 0x0c)]
  ])("is not scanned: %s", (_, bytes) => {
    assert.isUndefined(scan(Create, bytes))
  })

  const nested = (levels: number) => {
    let value: Buffer = nullValue
    for (let level = 0; level < levels; level++) value = field(6, field(1, value))
    return custom(entry("a", value))
  }
  it("is not scanned: what is nested deeper than is ever read", () => {
    assert.isDefined(scan(Create, nested(40)))
    assert.doesNotThrow(() => fromBinary(Create, nested(40)))
    assert.isUndefined(scan(Create, nested(60)))
    assert.throws(() => fromBinary(Create, nested(60)))
    assert.isUndefined(scan(Create, nested(20_000)))
  })

  it.effect.prop(
    "is never read where it is not scanned first: whatever bytes of a task are changed",
    {
      at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: task.length - 1 })),
      byte: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
    },
    ({ at, byte }) =>
      Effect.sync(() => {
        const bytes = Uint8Array.from(task)
        bytes[at] = byte
        const values = valuesOf(Create, bytes)
        if (values !== undefined) assert.isAtMost(values, bytes.length)
      }),
    { arbitrary: { runs: 500 } }
  )
})

describe("a scan takes time in proportion to the message", () => {
  const repeated = (part: Uint8Array) => (size: number) => Buffer.concat(Array.from({ length: size }, () => part))
  it.each([
    [
      "empty values in a list",
      (size: number) => custom(entry("a", field(6, repeated(field(1, field(5, Buffer.alloc(0))))(size))))
    ],
    ["entries", (size: number) => custom(repeated(entry("a", nullValue))(size))],
    ["fields that nobody knows", repeated(Buffer.of(0x98, 0x06, 1))],
    ["long varints", repeated(Buffer.concat([Buffer.of(0x98, 0x06), Buffer.alloc(9, 0x80), Buffer.of(1)]))],
    ["text", (size: number) => custom(entry("a", field(3, Buffer.alloc(size))))]
  ] as const)("of %s", (_, make) => {
    assert.isBelow(
      growth(make, (bytes) => scan(Create, bytes)),
      64
    )
  })
})
