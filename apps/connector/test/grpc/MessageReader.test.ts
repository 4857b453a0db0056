/** What is read of a message: what `fromBinary` reads, of the fields that are wanted. */
import { type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf"
import { FieldDescriptorProtoSchema, SourceCodeInfo_LocationSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals, throws } from "@effect/vitest/utils"
import { growth } from "@flyte-databricks/emulators/testing/Growth"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { Result, Schema } from "effect"
import { readFileSync } from "node:fs"
import * as Requests1 from "../../src/flyte1/Requests.ts"
import * as Requests2 from "../../src/flyte2/Requests.ts"
import { type Reader, reader } from "../../src/grpc/MessageReader.ts"
import { scan } from "../../src/grpc/WireScan.ts"
import { anyOf, type Dice, diceOf, muddled, partOf, sifted } from "../support/messages.ts"
import * as tasks from "../support/tasks.ts"
import { field } from "../support/wire.ts"

type AnyReader = Reader<DescMessage, unknown>

const readers: ReadonlyArray<AnyReader> = [
  ...Object.values(Requests1.ofTasks),
  ...Object.values(Requests1.ofMetadata),
  ...Object.values(Requests2.ofTasks),
  ...Object.values(Requests2.ofMetadata)
]
const [Create1, Create2] = [Requests1.ofTasks.createTask, Requests2.ofTasks.createTask]

/** The part that is wanted of what `fromBinary` reads. */
const whole = ({ type, wanted }: AnyReader, bytes: Uint8Array): unknown =>
  partOf(type, wanted, fromBinary(type, bytes, { readUnknownFields: false }))

/** What is no UTF-8 in a field that nobody wants is refused by `fromBinary`; one of another wire type it misreads. */
const wholeOfSifted = (of: AnyReader, bytes: Uint8Array): unknown => whole(of, sifted(of.type, of.wanted, bytes))

const outcome = (read: () => unknown): unknown => Result.getOrElse(Result.try(read), () => "refused")

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 - 1 }))
const often = { arbitrary: { runs: 300 } }

/** For all requests, whatever the dice give. */
const forAll = (what: string, check: (dice: Dice, of: AnyReader) => void) =>
  it.prop(what, { seed }, ({ seed }) => readers.forEach((of) => check(diceOf(seed), of)), often)

const message = (dice: Dice, { type, wanted }: AnyReader) => anyOf(dice, type, wanted)

describe("a message is read as it is read whole", () => {
  forAll("as it was written", (dice, of) => {
    const bytes = message(dice, of)
    assertEquals(of.read(bytes), whole(of, bytes))
    const later = Uint8Array.from([7, ...bytes]).subarray(1)
    assertEquals(of.read(later), whole(of, later))
  })

  forAll("where another follows it, which is joined with it", (dice, of) => {
    const bytes = Buffer.concat([message(dice, of), message(dice, of)])
    assertEquals(of.read(bytes), whole(of, bytes))
  })

  forAll("with fields that nobody knows, with those of another wire type, and with contents twice", (dice, of) => {
    const bytes = muddled(dice, of.type, message(dice, of))
    assertEquals(of.read(bytes), wholeOfSifted(of, bytes))
  })

  forAll("or refused with it, where it is cut off", (dice, of) => {
    const bytes = message(dice, of)
    const cut = bytes.subarray(0, dice(bytes.length + 1))
    assertEquals(
      outcome(() => of.read(cut)),
      outcome(() => whole(of, cut))
    )
  })

  forAll("or refused with it, where bytes of it are others and the scan lets it through", (dice, of) => {
    const bytes = message(dice, of)
    for (let times = dice(4); times > 0 && bytes.length > 0; times--) bytes[dice(bytes.length)] = dice(256)
    const read = outcome(() => of.read(bytes))
    if (scan(of.type, bytes) === undefined) return
    assertEquals(
      read,
      outcome(() => wholeOfSifted(of, bytes))
    )
  })
})

describe("of a message there is", () => {
  it("what is wanted, and nothing else", () => {
    const bytes = toBinary(Flyte1.CreateTaskRequestSchema, tasks.createTask({ retryAttempt: 3 }))
    assertEquals<unknown>(Create1.read(bytes), {
      template: {
        id: undefined,
        type: "databricks",
        custom: { databricksConf: { run_name: "nightly", existing_cluster_id: "0801-120000-abc" } },
        target: {
          case: "container",
          value: {
            image: "example.com/spark:v1",
            args: ["pyflyte-fast-execute", "--inputs", "s3://flyte/in"],
            env: []
          }
        }
      },
      outputPrefix: "",
      taskExecutionMetadata: {
        taskExecutionId: {
          taskId: { name: "workflows.nightly" },
          nodeExecutionId: {
            nodeId: "n0",
            executionId: { org: "", project: "billing", domain: "production", name: "f0c1d2e3" }
          },
          retryAttempt: 3
        },
        namespace: "team-pat",
        k8sServiceAccount: "",
        identity: undefined
      }
    })
  })

  it("what a type test would say too", () => {
    const request = Create1.read(new Uint8Array())
    // @ts-expect-error nobody wants it
    assert.isUndefined(request.inputs)
    // @ts-expect-error nobody wants it of the template
    assert.isUndefined(request.template?.metadata)
    const target = Create1.read(field(2, field(18, Buffer.alloc(0)))).template?.target
    assert(target?.case === "sql")
    // @ts-expect-error of a case that nobody wants only the name is known
    throws(() => target.value.statement)
  })

  it("no reader where a field is not of the type, or of a kind that none reads", () => {
    const { GetTaskMetricsRequestSchema, TaskTemplateSchema } = Flyte1
    // @ts-expect-error the type refuses it too
    throws(() => reader(GetTaskMetricsRequestSchema, { nonsense: true }))
    // @ts-expect-error what is wanted of a message has to be said
    throws(() => reader(TaskTemplateSchema, { metadata: true }))
    // @ts-expect-error so does that of a map of messages
    throws(() => reader(Flyte1.LiteralMapSchema, { literals: { scalar: true } }))
    // Without a default, and a list of numbers.
    throws(() => reader(FieldDescriptorProtoSchema, { name: true }))
    throws(() => reader(FieldDescriptorProtoSchema, { type: true }))
    throws(() => reader(SourceCodeInfo_LocationSchema, { path: true }))
  })

  it("the default of whatever is not sent", () => {
    assertEquals<unknown>(Requests1.ofTasks.getTaskLogs.read(new Uint8Array()), {
      taskType: "",
      taskCategory: undefined,
      resourceMeta: new Uint8Array(),
      lines: 0n,
      token: ""
    })
    assertEquals<unknown>(Create2.read(Buffer.concat([field(2, Buffer.alloc(0)), field(4, Buffer.alloc(0))])), {
      template: { type: "", custom: undefined, target: { case: undefined } },
      taskExecutionMetadata: {
        taskExecutionId: undefined,
        namespace: "",
        labels: {},
        environmentVariables: {},
        k8sServiceAccount: "",
        identity: undefined
      },
      connection: undefined
    })
  })
})

describe("numbers and words", () => {
  const Template = reader(Flyte1.TaskTemplateSchema, {
    type: true,
    taskTypeVersion: true,
    id: { resourceType: true },
    metadata: { discoverable: true, timeout: { seconds: true }, interruptibleValue: { interruptible: true } }
  })
  const read = (...bytes: ReadonlyArray<number>) => Template.read(Buffer.from(bytes))
  const ones = (count: number) => Array.from({ length: count }, () => 0xff)

  it("may be negative, and longer than they have to be", () => {
    assert.strictEqual(read(0x38, ...ones(9), 1).taskTypeVersion, -1)
    assert.strictEqual(read(0x38, 0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0).taskTypeVersion, 5)
    assert.strictEqual(read(0x1a, 13, 0x22, 11, 0x08, ...ones(9), 1).metadata?.timeout?.seconds, -1n)
    throws(() => read(0x38, ...ones(10), 1))
    throws(() => read(0x1a, 14, 0x22, 12, 0x08, ...ones(10), 1))
    // What is over 32 bits, or 64, is cut off.
    assert.strictEqual(read(0x38, 0x85, 0x80, 0x80, 0x80, 0x80, 1).taskTypeVersion, 5)
    const { lines } = Requests1.ofTasks.getTaskLogs.read(Buffer.from([0x18, ...ones(9), 0x7f]))
    assert.strictEqual(lines, 2n ** 64n - 1n)
  })
  it("may be enums, and yes or no", () => {
    assert.strictEqual(read(0x0a, 2, 0x08, 2).id?.resourceType as number, 2)
    assert.strictEqual(read(0x0a, 2, 0x08, 77).id?.resourceType as number, 77)
    assert.isTrue(read(0x1a, 2, 0x08, 1).metadata?.discoverable)
    assert.isTrue(read(0x1a, 3, 0x08, 0x80, 2).metadata?.discoverable)
    assert.isFalse(read(0x1a, 3, 0x08, 0x80, 0).metadata?.discoverable)
    assertEquals<unknown>(read(0x1a, 2, 0x40, 0).metadata?.interruptibleValue, { case: "interruptible", value: false })
  })
  it("have tags of 32 bits, of fields that there are", () => {
    assert.strictEqual(read(0x92, 0x80, 0x80, 0x80, 0x00, 1, 0x61).type, "a")
    throws(() => read(0x92, 0x80, 0x80, 0x80, 0x10, 1, 0x61))
    throws(() => read(0x92, 0x80, 0x80, 0x80, 0x80, 0x00, 1, 0x61))
    throws(() => read(0x02, 1, 0x61))
    for (const wireType of [3, 4, 6, 7]) throws(() => read(0xc0 | wireType, 0x3e))
  })
  it("are UTF-8 and nothing else, where they are words", () => {
    const type = (text: string, encoding: BufferEncoding) => Template.read(field(2, Buffer.from(text, encoding))).type
    for (const text of ["\ufeffa", "\ufffd", "\ufeff\ufffd", "é💥", "\0"]) assert.strictEqual(type(text, "utf8"), text)
    for (const bytes of ["ff", "61c3", "eda080", "c080"]) throws(() => type(bytes, "hex"))
  })
  it("are the last that came", () => {
    assert.strictEqual(Template.read(Buffer.concat([field(2, Buffer.from("a")), field(2, Buffer.from("b"))])).type, "b")
  })
})

/** Fields of a template, of a struct and of a value, by their numbers. */
const template = (...parts: ReadonlyArray<Uint8Array>) => field(2, Buffer.concat(parts))
const custom = (...entries: ReadonlyArray<Uint8Array>) => template(field(5, Buffer.concat(entries)))
const entry = (key: string, ...values: ReadonlyArray<Uint8Array>) =>
  field(1, Buffer.concat([field(1, Buffer.from(key)), ...values.map((value) => field(2, value))]))
const text = (value: string) => field(3, Buffer.from(value))

describe("what comes twice", () => {
  const target = (...parts: ReadonlyArray<Uint8Array>) => Create1.read(template(...parts)).template?.target
  const container = (image: string, arg: string) =>
    field(6, Buffer.concat([...(image === "" ? [] : [field(1, Buffer.from(image))]), field(3, Buffer.from(arg))]))
  const value = (image: string, ...args: ReadonlyArray<string>) => ({ image, args, env: [] })

  it("is joined where it is the same case of a oneof, and else replaced", () => {
    const [pod, sql] = [field(17, Buffer.alloc(0)), field(18, Buffer.alloc(0))]
    assertEquals<unknown>(target(container("i", "a"), container("", "b")), {
      case: "container",
      value: value("i", "a", "b")
    })
    for (const other of [pod, sql]) {
      assertEquals<unknown>(target(container("i", "a"), other, container("", "b")), {
        case: "container",
        value: value("", "b")
      })
    }
    assertEquals<unknown>(target(container("i", "a"), pod), { case: "k8sPod", value: { podSpec: undefined } })
    assertEquals<unknown>(target(container("i", "a"), sql), { case: "sql", value: undefined })
  })

  it("is joined in a struct, but for the values of a key", () => {
    const inner = (key: string) => field(5, entry(key, text(key)))
    const customOf = (...bytes: ReadonlyArray<Uint8Array>) => Create1.read(Buffer.concat(bytes)).template?.custom
    assertEquals(customOf(custom(entry("a", inner("x"))), custom(entry("b", inner("y")))), {
      a: { x: "x" },
      b: { y: "y" }
    })
    assertEquals(customOf(custom(entry("a", inner("x"))), custom(entry("a", inner("y")))), { a: { y: "y" } })
    assertEquals(customOf(custom(entry("a", inner("x"), inner("y")))), { a: { x: "x", y: "y" } })
    assertEquals(customOf(custom(entry("a", inner("x"), text("t"), inner("y")))), { a: { y: "y" } })
    assertEquals(customOf(custom(entry("a", text("t"), Buffer.alloc(0)), entry("b"))), { a: "t", b: null })
    assertEquals(customOf(custom(entry("a", text("t"), Buffer.of(0x08, 0)))), { a: null })
    const list = field(6, field(1, text("x")))
    assertEquals(customOf(custom(entry("a", list, list))), { a: ["x", "x"] })
  })
})

describe("whoever sends it", () => {
  it("reaches no prototype", () => {
    const { custom: read } =
      Create1.read(custom(entry("__proto__", field(5, entry("evil", text("yes")))))).template ?? {}
    const labels = field(4, field(3, Buffer.concat([field(1, Buffer.from("__proto__")), field(2, Buffer.from("x"))])))
    const { labels: map } = Create2.read(labels).taskExecutionMetadata ?? {}
    for (const made of [read, map]) {
      assert.deepStrictEqual(Object.keys(made ?? {}), ["__proto__"])
      assert.strictEqual(Object.getPrototypeOf(made), Object.prototype)
    }
    assert.isFalse("evil" in {})
  })

  it("cannot have more read than was scanned: what has another wire type is not read", () => {
    const list = Buffer.alloc(400, Buffer.of(0x0a, 2, 0x2a, 0))
    const inner = field(5, entry("odd", field(6, list)))
    // The length of a template, and then what is in it, as the scan takes it beside an odd number.
    const bytes = field(2, inner)
    bytes[0] = 2 << 3
    assert.isBelow(scan(Flyte1.CreateTaskRequestSchema, bytes)?.values ?? 0, 10)
    assert.isUndefined(Create1.read(bytes).template)
  })

  it("is read as deep as it is scanned, and no deeper", () => {
    const nested = (levels: number) => {
      let value = text("deep")
      for (let level = 0; level < levels; level++) value = field(6, field(1, value))
      return custom(entry("a", value))
    }
    const { type } = Create1
    for (let levels = 44; levels < 52; levels++) {
      const isScanned = scan(type, nested(levels)) !== undefined
      assert.strictEqual(outcome(() => Create1.read(nested(levels))) !== "refused", isScanned, `${levels}`)
    }
    throws(() => Create1.read(nested(20_000)))
  })

  it("is refused where a field ends behind what it is in", () => {
    throws(() => Create1.read(Buffer.from([0x12, 3, 0x12, 5, 0x61, 0x1a, 0])))
    throws(() => Create1.read(Buffer.from([0x12, 2, 0x0a, 3, 0x22, 1, 0x61])))
    throws(() => Create1.read(Buffer.from([0x12, 1, 0x92, 0x00, 0x00])))
    throws(() => Create1.read(Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f])))
  })

  const repeated = (part: Uint8Array) => (size: number) => Buffer.concat(Array.from({ length: size }, () => part))
  it.each([
    [
      "empty values in a list",
      (size: number) => custom(entry("a", field(6, repeated(field(1, field(5, Buffer.alloc(0))))(size))))
    ],
    ["structs that are joined", repeated(custom(entry("a", text("b"))))],
    [
      "cases that take each other's place",
      repeated(Buffer.concat([template(field(6, Buffer.alloc(0))), template(field(18, Buffer.alloc(0)))]))
    ],
    ["fields that nobody knows", repeated(Buffer.of(0x98, 0x06, 1))],
    ["long varints", repeated(Buffer.concat([Buffer.of(0x98, 0x06), Buffer.alloc(9, 0x80), Buffer.of(1)]))],
    ["text", (size: number) => custom(entry("a", text("\ufffd".repeat(size))))]
  ] as const)("has it read in proportion to its size: %s", (_, make) => {
    assert.isBelow(
      growth(make, (bytes) => Create1.read(bytes)),
      64
    )
  })
})

describe("the recorded requests", () => {
  const recorded = (file: string): ReadonlyArray<{ readonly name: string; readonly request_base64: string }> =>
    JSON.parse(
      readFileSync(new URL(`../../../../packages/flyte-protocol/test/fixtures/${file}`, import.meta.url), "utf8")
    )
  it.each([
    ["flyte1-create-requests.json", Create1],
    ["flyte1-pod-requests.json", Create1],
    ["flyte2-create-requests.json", Create2]
  ] as ReadonlyArray<[string, AnyReader]>)("are read as they are read whole: %s", (file, of) => {
    for (const { name, request_base64 } of recorded(file)) {
      const bytes = Buffer.from(request_base64, "base64")
      assertEquals(of.read(bytes), whole(of, bytes), name)
    }
  })
})
