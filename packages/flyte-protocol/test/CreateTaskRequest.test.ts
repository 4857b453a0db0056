import { equals, fromBinary, toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Flyte1, Flyte2 } from "../src/index.ts"
import { bytesOf, flyte1PodRequests, flyte1Requests, flyte2Requests } from "./createRequests.ts"
import type { RecordedRequest } from "./createRequests.ts"

const contract = (
  schema: typeof Flyte1.CreateTaskRequestSchema | typeof Flyte2.CreateTaskRequestSchema,
  requests: ReadonlyArray<RecordedRequest>
) => {
  it("has its settings as plain JSON", () => {
    const recorded = requests.find((request) => request.name.endsWith("new-cluster"))
    assert(recorded !== undefined)
    deepStrictEqual(fromBinary(schema, bytesOf(recorded)).template?.custom?.["databricksConf"], {
      new_cluster: { spark_version: "13.3.x-scala2.12", num_workers: 2, node_type_id: "m5.xlarge" },
      run_name: "r"
    })
  })

  describe.each(requests)("$name", (recorded) => {
    const bytes = bytesOf(recorded)
    const message = fromBinary(schema, bytes)

    it("has no field that the schema does not know, and is written as it was read", () => {
      const known = fromBinary(schema, bytes, { readUnknownFields: false })
      deepStrictEqual(Buffer.from(toBinary(schema, known)).toString("base64"), recorded.request_base64)
    })

    it("means the same after a round trip", () => {
      assert.isTrue(equals(schema, fromBinary(schema, toBinary(schema, message)), message))
    })

    it("holds the task type and the container's arguments", () => {
      const template = message.template
      assert.strictEqual(template?.type, recorded.task_type)
      assert.strictEqual(template?.target.case, "container")
      const parameters = recorded.runs_submit?.spark_python_task?.parameters
      if (parameters !== undefined && template?.target.case === "container") {
        deepStrictEqual(template.target.value.args, parameters)
      }
    })
  })
}

describe("a CreateTaskRequest of Flyte 1", () => {
  it("was recorded 24 times", () => {
    assert.strictEqual(flyte1Requests.length, 24)
  })

  contract(Flyte1.CreateTaskRequestSchema, flyte1Requests)

  it.each(flyte1PodRequests)("$name has its pod as plain JSON, and is written as it was read", (recorded) => {
    const message = fromBinary(Flyte1.CreateTaskRequestSchema, bytesOf(recorded), { readUnknownFields: false })
    const target = message.template?.target
    assert(target?.case === "k8sPod")
    assert.isArray(target.value.podSpec?.["containers"])
    const written = toBinary(Flyte1.CreateTaskRequestSchema, message)
    deepStrictEqual(Buffer.from(written).toString("base64"), recorded.request_base64)
  })
})

describe("a CreateTaskRequest of Flyte 2", () => {
  it("was recorded 14 times", () => {
    assert.strictEqual(flyte2Requests.length, 14)
  })

  contract(Flyte2.CreateTaskRequestSchema, flyte2Requests)
})
