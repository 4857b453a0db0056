/** What the connector reads out of a request of Flyte 2. */
import { clone, create } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { Flyte2 } from "@flyte-databricks/flyte-protocol"
import { Option, Redacted, Result } from "effect"
import { inspect } from "node:util"
import { textOf } from "../../src/IdempotencyToken.ts"
import { toConnection, toTask } from "../../src/flyte2/Task.ts"
import { flyte2Requests } from "../support/flyte2Requests.ts"

type Metadata = Flyte2.TaskExecutionMetadata

/** A recorded request, changed. */
const request = (change: (metadata: Metadata, request: Flyte2.CreateTaskRequest) => void = () => undefined) => {
  const recorded = flyte2Requests[0]?.request
  const metadata = recorded?.taskExecutionMetadata
  assert(recorded !== undefined && metadata !== undefined)
  const copy = clone(Flyte2.CreateTaskRequestSchema, recorded)
  const own = clone(Flyte2.TaskExecutionMetadataSchema, metadata)
  change(own, copy)
  return create(Flyte2.CreateTaskRequestSchema, { ...copy, taskExecutionMetadata: own })
}

const taskOf = (change?: Parameters<typeof request>[0], orgLabel?: string) =>
  Result.getOrThrow(toTask(request(change), Option.fromUndefinedOr(orgLabel)))
const executionOf = (metadata: Metadata) => {
  const execution = metadata.taskExecutionId?.nodeExecutionId?.executionId
  assert(execution !== undefined)
  return execution
}
const tokenOf = (change?: Parameters<typeof request>[0]) => textOf(taskOf(change).attempt)

/** The value that the entrypoint is given for an option. */
const toldOf = (option: string, change?: Parameters<typeof request>[0]) => {
  const { args = [] } = taskOf(change).container ?? {}
  return args[args.indexOf(option) + 1]
}

describe("where a task belongs", () => {
  it("is in the execution id, where open-source Flyte 2 leaves the organization out", () => {
    const { attempt, namespace } = taskOf()
    assert.strictEqual(namespace, "flyte")
    assert.deepStrictEqual(attempt, {
      org: "",
      project: "flytesnacks",
      domain: "development",
      execution: "run-0-0",
      node: "a0",
      task: "new-cluster.hello",
      retryAttempt: 0
    })
  })

  it("is never in labels, which authors set, but for the organization's where an operator names one", () => {
    const labelled = (metadata: Metadata) => {
      Object.assign(executionOf(metadata), { project: "", domain: " ", org: "" })
      metadata.labels = {
        project: "billing",
        domain: "production",
        "flyte.org/domain": "production",
        organization: " acme "
      }
    }
    assert.deepInclude(taskOf(labelled).attempt, { project: "", domain: "", org: "" })
    assert.deepInclude(taskOf(labelled, "organization").attempt, { project: "", domain: "", org: "acme" })
    assert.deepInclude(taskOf(labelled, "org").attempt, { org: "" })
  })

  it("is in the execution id where the labels say otherwise", () => {
    const { attempt } = taskOf((metadata) => {
      Object.assign(executionOf(metadata), { org: "acme" })
      metadata.labels = { project: "other", domain: "other", organization: "other" }
    }, "organization")
    assert.deepInclude(attempt, { project: "flytesnacks", domain: "development", org: "acme" })
  })
})

describe("the entrypoint's organization and run directory", () => {
  it("are what a pod's environment would say", () => {
    assert.strictEqual(toldOf("--org"), "local")
    assert.strictEqual(toldOf("--run-base-dir"), "mem://bucket/flytesnacks/development/run-0-0/")
  })
  it("may stand in the container's environment", () => {
    const inContainer = (metadata: Metadata, { template }: Flyte2.CreateTaskRequest) => {
      metadata.environmentVariables = {}
      if (template?.target.case !== "container") return
      for (const [key, value] of [
        ["_U_ORG_NAME", "acme"],
        ["_U_RUN_BASE", "s3://own/"]
      ] as const) {
        template.target.value.env.push({ $typeName: "flyteidl2.core.KeyValuePair", key, value })
      }
    }
    assert.strictEqual(toldOf("--org", inContainer), "acme")
    assert.strictEqual(toldOf("--run-base-dir", inContainer), "s3://own/")
  })
  it("are left out where nobody knows the one, and a label's where it alone is known", () => {
    const without = (metadata: Metadata) => void (metadata.environmentVariables = {})
    assert.notInclude([...(taskOf(without).container?.args ?? [])], "--run-base-dir")
    assert.strictEqual(toldOf("--org", without), "flyte")
  })
})

describe("an attempt", () => {
  const own = tokenOf()

  it("is the same however its inputs, its task's image and its secrets come", () => {
    const again = tokenOf((_metadata, copy) => {
      delete copy.inputs
      delete copy.connection
      if (copy.template?.target.case === "container") copy.template.target.value.image = "other"
    })
    assert.strictEqual(again, own)
  })

  const others: ReadonlyArray<readonly [what: string, change: (metadata: Metadata) => void]> = [
    ["run", (metadata) => Object.assign(executionOf(metadata), { name: "run-0-1" })],
    ["project", (metadata) => Object.assign(executionOf(metadata), { project: "other" })],
    ["domain", (metadata) => Object.assign(executionOf(metadata), { domain: "production" })],
    ["action", (metadata) => Object.assign(metadata.taskExecutionId?.nodeExecutionId ?? {}, { nodeId: "a1" })],
    ["retry", (metadata) => Object.assign(metadata.taskExecutionId ?? {}, { retryAttempt: 1 })]
  ]
  it.each(others)("is another one in another %s", (_what, change) => {
    assert.notStrictEqual(tokenOf(change), own)
  })

  it.each([
    ["run", (metadata: Metadata) => Object.assign(executionOf(metadata), { name: "" })],
    ["action", (metadata: Metadata) => Object.assign(metadata.taskExecutionId?.nodeExecutionId ?? {}, { nodeId: "" })],
    ["execution id", (metadata: Metadata) => delete metadata.taskExecutionId]
  ])("without a name of its %s is refused: it would share a run with every other such task", (_what, change) => {
    const refused = toTask(
      request((metadata) => void change(metadata)),
      Option.none()
    )
    assert(Result.isFailure(refused))
    assert.include(refused.failure.message, "task_execution_metadata.task_execution_id")
  })
})

describe("the secret of a request", () => {
  const connection = create(Flyte2.ConnectionSchema, { secrets: { databricks_token: "of-request", other: "of-other" } })

  it("is its Databricks token, redacted", () => {
    const { databricksToken } = toConnection(connection)
    assert.strictEqual(Redacted.value(Option.getOrThrow(databricksToken)), "of-request")
    const task = taskOf((_metadata, copy) => void (copy.connection = connection))
    for (const shown of [inspect(task, { depth: null, showHidden: true }), JSON.stringify(task)]) {
      assert.notInclude(shown, "of-request")
      assert.notInclude(shown, "of-other")
    }
  })
  it("is none where it has none", () => {
    for (const none of [undefined, create(Flyte2.ConnectionSchema), create(Flyte2.ConnectionSchema, { secrets: {} })]) {
      assert.isTrue(Option.isNone(toConnection(none).databricksToken))
    }
  })
})
