/** Hosts that serve several workspaces: how one of them is named, and what is allowed of them. */
import {
  AuthRequest,
  IdentityRecord,
  Modes,
  type TaskSettings,
  TokenEndpoint,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Arbitrary, Effect, Option, Schema } from "effect"
import { auth, connector } from "./support/connector.ts"
import { settings } from "./support/environment.ts"
import { admitUnder, allowList, canonicalize, refusal } from "./support/hosts.ts"

const { baseUrl, databricksDomains, headers, hostOf, idOf, pageUrl } = WorkspaceHost

/** The workspace of a task at a connector with these variables. */
const workspaceOf = (task: TaskSettings.TaskSettings, env: Record<string, string>) =>
  Effect.flatMap(settings(env), (resolved) =>
    Effect.map(
      Effect.fromResult(AuthRequest.make(resolved, Modes.taskSettings)({ settings: task })),
      ({ instance }) => instance as string
    )
  )

const refusedTo = (task: TaskSettings.TaskSettings, env: Record<string, string>) =>
  Effect.map(Effect.flip(workspaceOf(task, env)), ({ message }) => message)

describe("the address of a workspace that shares its host", () => {
  it.effect.each([
    ["https://acme.databricks.com/?o=1234567890", "acme.databricks.com?o=1234567890"],
    ["https://acme.databricks.com?o=1234567890", "acme.databricks.com?o=1234567890"],
    ["ACME.databricks.com/?o=1234567890", "acme.databricks.com?o=1234567890"],
    ["acme.databricks.com?o=1234567890", "acme.databricks.com?o=1234567890"],
    [" acme.databricks.com:443/?w=1234567890 ", "acme.databricks.com?o=1234567890"],
    ["acme.databricks.com/?o=1&w=1", "acme.databricks.com?o=1"],
    ["acme.databricks.com/?a=0a1b2c3d-4e5f&o=1", "acme.databricks.com?o=1"],
    ["acme.databricks.com/?w=7a99b43c-b46c-432b", "acme.databricks.com?w=7a99b43c-b46c-432b"],
    ["https://acme.azuredatabricks.net/?o=1", "acme.azuredatabricks.net?o=1"]
  ] as const)("%s is %s", ([input, canonical]) =>
    Effect.gen(function* () {
      const workspace = yield* admitUnder(databricksDomains, input)
      assert.strictEqual<string>(workspace, canonical)
      assert.strictEqual(yield* admitUnder(databricksDomains, workspace), workspace)
      const [host = "", id] = canonical.split(/\?[ow]=/)
      assert.deepStrictEqual([hostOf(workspace) as string, idOf(workspace)], [host, Option.fromUndefinedOr(id)])
      assert.strictEqual(baseUrl(workspace), `https://${host}`)
      assert.strictEqual(pageUrl(workspace), `https://${canonical.replace("?", "/?")}`)
      assert.deepStrictEqual(headers(workspace), { "x-databricks-workspace-id": id ?? "" })
    })
  )

  it.effect.each([
    ["https://acme.databricks.com/?o=1&o=2", "it names two workspaces, 1 and 2"],
    ["https://acme.databricks.com/?o=1&w=two", "it names two workspaces, 1 and two"],
    ...[
      "?o=",
      "?o",
      "?o=hunter2",
      "?o=-1",
      "?o=1%20",
      "?o=1%0d%0aX-Evil:%201",
      "?w=../x",
      "?w=a%20b",
      `?w=${"x".repeat(65)}`,
      `?o=${"1".repeat(21)}`,
      "?token=hunter2",
      "?o=1&token=hunter2",
      "?o=1?o=1",
      "?o=1#hunter2",
      "#hunter2"
    ].map((query) => [`https://acme.databricks.com/${query}`, "it has a query other than"] as const)
  ])("%s is refused: %s", ([input, why]) =>
    Effect.gen(function* () {
      const refused = yield* refusal(input)
      assert.include(refused.why, why)
      assert.notInclude(refused.message, "hunter2")
      assert.notMatch(refused.message, /[\x00-\x1f]/)
    })
  )

  it.effect("needs an id where the host serves an account: no header would say which workspace is meant", () =>
    Effect.gen(function* () {
      for (const host of ["acme.databricks.com", "https://acme.databricks.com/", "a.b.databricks.com"]) {
        for (const words of ["?o=1234567890", "databricksWorkspaceId", "FLYTE_DATABRICKS_WORKSPACE_ID"]) {
          assert.include((yield* refusal(host)).why, words)
        }
      }
    })
  )
})

describe("a host of one workspace", () => {
  it.effect.each([
    "dbc-a1b2.cloud.databricks.com",
    "x.cloud.databricks.us",
    "adb-12.7.azuredatabricks.net",
    "adb-12.7.databricks.azure.us",
    "adb-12.7.databricks.azure.cn",
    "12.7.gcp.databricks.com"
  ])("%s stays as it is, with an id beside it or without", (host) =>
    Effect.gen(function* () {
      for (const input of [host, `https://${host}/?o=12`, `${host}?w=12`]) {
        const workspace = yield* admitUnder(databricksDomains, input)
        assert.strictEqual<string>(workspace, host)
        assert.deepStrictEqual(headers(workspace), {})
        assert.strictEqual(pageUrl(workspace), `https://${host}/`)
      }
      assert.strictEqual(
        yield* workspaceOf({}, { FLYTE_DATABRICKS_INSTANCE: host, FLYTE_DATABRICKS_WORKSPACE_ID: "12" }),
        host
      )
    })
  )

  it.effect.each(["adb-12.7.azuredatabricks.net", "adb-12.7.databricks.azure.cn", "12.7.gcp.databricks.com"])(
    "%s has its id in its name, and another one beside it is an error that names both",
    (host) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* refusal(`${host}/?o=13`)).why, "its name says workspace 12, and its address says 13")
        const env = { FLYTE_DATABRICKS_INSTANCE: host, FLYTE_DATABRICKS_WORKSPACE_ID: "13" }
        const { message } = yield* Effect.flip(settings(env))
        assert.include(message, "its name says workspace 12, and FLYTE_DATABRICKS_WORKSPACE_ID says 13")
      })
  )

  it.effect.each(["adb-12.azuredatabricks.net", "x-adb-12.7.azuredatabricks.net", "adb-12.7.x.azuredatabricks.net"])(
    "%s is not known for one",
    (host) =>
      Effect.gen(function* () {
        assert.strictEqual<string>(yield* admitUnder(databricksDomains, `${host}?o=5`), `${host}?o=5`)
      })
  )
})

describe("the operator's workspace", () => {
  const env = { FLYTE_DATABRICKS_INSTANCE: "acme.databricks.com", FLYTE_DATABRICKS_WORKSPACE_ID: "1" }

  it.effect("is named by its address, by an id beside it, or by the id that Databricks' tools read", () =>
    Effect.gen(function* () {
      for (const variables of [
        { FLYTE_DATABRICKS_INSTANCE: "https://acme.databricks.com/?o=1" },
        env,
        { FLYTE_DATABRICKS_INSTANCE: "acme.databricks.com", DATABRICKS_WORKSPACE_ID: "1" },
        { ...env, DATABRICKS_WORKSPACE_ID: "2" },
        { ...env, FLYTE_DATABRICKS_INSTANCE: "acme.databricks.com?o=1" }
      ]) {
        const { instance } = yield* settings(variables)
        assertEquals(instance, Option.some(WorkspaceHost.WorkspaceHost.make("acme.databricks.com?o=1")))
      }
    })
  )

  it.effect("is nobody's choice where two ids differ: the error names both, and where they stand", () =>
    Effect.gen(function* () {
      const instance = { FLYTE_DATABRICKS_INSTANCE: "acme.databricks.com?o=1" }
      for (const variable of ["FLYTE_DATABRICKS_WORKSPACE_ID", "DATABRICKS_WORKSPACE_ID"]) {
        const { message } = yield* Effect.flip(settings({ ...instance, [variable]: "2" }))
        assert.include(message, `its address says workspace 1, and ${variable} says 2`)
      }
    })
  )

  it.effect.each(["1 2", "a/b", "?o=1", "dapi0123456789abcdef", "x".repeat(65)])(
    "has an id that can be one, and not %j",
    (id) =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(settings({ ...env, FLYTE_DATABRICKS_WORKSPACE_ID: id }))
        assert.match(message, /^FLYTE_DATABRICKS_WORKSPACE_ID is .*expected the id of a workspace/)
        assert.notInclude(message, "dapi0")
        const task = yield* refusedTo({ workspaceId: id }, env)
        assert.match(task, /^databricksWorkspaceId of the task is .*, expected/)
      })
  )

  it.effect("may be left to the tasks, on a host that all of them share", () =>
    Effect.gen(function* () {
      const host = { FLYTE_DATABRICKS_INSTANCE: "acme.databricks.com" }
      assert.strictEqual(yield* workspaceOf({ workspaceId: "7" }, host), "acme.databricks.com?o=7")
      assert.include(yield* refusedTo({}, host), "it serves all workspaces of an account")
    })
  )
})

describe("the workspace of a task", () => {
  const env = { FLYTE_DATABRICKS_INSTANCE: "acme.databricks.com?o=1" }

  it.effect.each([
    [{}, "acme.databricks.com?o=1"],
    [{ instance: "https://acme.databricks.com/" }, "acme.databricks.com?o=1"],
    [{ workspaceId: "2" }, "acme.databricks.com?o=2"],
    [{ instance: "acme.databricks.com/?o=2" }, "acme.databricks.com?o=2"],
    [{ instance: "acme.databricks.com", workspaceId: "2" }, "acme.databricks.com?o=2"],
    [{ instance: "acme.databricks.com?o=2", workspaceId: "2" }, "acme.databricks.com?o=2"],
    [{ instance: "dbc-a1b2.cloud.databricks.com" }, "dbc-a1b2.cloud.databricks.com"],
    [{ instance: "dbc-a1b2.cloud.databricks.com", workspaceId: "2" }, "dbc-a1b2.cloud.databricks.com"],
    [{ instance: "other.databricks.com", workspaceId: "2" }, "other.databricks.com?o=2"]
  ] as const)("that says %j is %s", ([task, workspace]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* workspaceOf(task, env), workspace)
    })
  )

  it.effect("never has the operator's id on another host", () =>
    Effect.gen(function* () {
      const message = yield* refusedTo({ instance: "other.databricks.com" }, env)
      assert.include(message, 'Databricks instance "other.databricks.com" is refused: it serves all workspaces')
    })
  )

  it.effect("is an error where its address and its id differ", () =>
    Effect.gen(function* () {
      const message = yield* refusedTo({ instance: "acme.databricks.com?o=2", workspaceId: "3" }, env)
      assert.include(message, "its address says workspace 2, and databricksWorkspaceId of the task says 3")
    })
  )
})

describe("a run at a host that serves several workspaces", () => {
  const world = connector({
    settings: { instance: "acme.databricks.com?o=1", allowedInstances: ["acme.databricks.com"] },
    secrets: { FLYTE_DATABRICKS_CLIENT_ID: "app-0", FLYTE_DATABRICKS_CLIENT_SECRET: "s0" }
  })

  it.effect("goes on in its own workspace, with a token of its own, whatever the operator's is", () =>
    Effect.gen(function* () {
      const { getHeader, recall, record, resolve } = yield* auth
      for (const id of ["1", "2"]) {
        const resolved = yield* resolve({ settings: { workspaceId: id } })
        const recorded = record(resolved)
        assert.strictEqual(recorded.instance, `acme.databricks.com?o=${id}`)
        assertEquals((yield* recall(recorded)).identity, resolved.identity)
        yield* getHeader(resolved)
        yield* getHeader(yield* recall(recorded))
      }
      const requests = yield* TokenEndpoint.TokenEndpointMemory.use(({ requests }) => requests)
      assert.deepStrictEqual(
        requests.map(({ instance }) => instance as string),
        ["acme.databricks.com?o=1", "acme.databricks.com?o=2"]
      )
    }).pipe(Effect.provide(world))
  )

  it.effect("is not guessed to be in the operator's, where its metadata names the host alone", () =>
    Effect.gen(function* () {
      const { recall } = yield* auth
      const { reason } = yield* Effect.flip(recall(IdentityRecord.empty("acme.databricks.com")))
      assert(reason._tag === "InstanceRefused", reason.message)
      assert.include(reason.why, "it serves all workspaces of an account")
    }).pipe(Effect.provide(world))
  )
})

describe("an item of the allow-list", () => {
  it.effect("is one workspace of a host, or all of them", () =>
    Effect.gen(function* () {
      const { allows } = yield* allowList(["https://acme.databricks.com/?o=1", "all.databricks.com", "*.example.com"])
      const covered = (input: string) => Effect.map(canonicalize(input), allows)
      for (const input of [
        "acme.databricks.com?o=1",
        "all.databricks.com?o=1",
        "all.databricks.com?w=x",
        "a.example.com?o=3"
      ]) {
        assert.isTrue(yield* covered(input), input)
      }
      for (const input of [
        "acme.databricks.com",
        "acme.databricks.com?o=2",
        "acme.databricks.com?o=11",
        "acme.databricks.com:8443?o=1",
        "example.com?o=1"
      ]) {
        assert.isFalse(yield* covered(input), input)
      }
    })
  )

  it.effect("with a wildcard names no workspace", () =>
    Effect.gen(function* () {
      assert.include(
        (yield* refusal("x.example.com", ["*.example.com?o=1"])).why,
        "the id of a workspace needs its host"
      )
    })
  )

  it.effect("that is the operator's own workspace lets the connector's credentials go to that one alone", () =>
    Effect.gen(function* () {
      const { sharedInstances } = yield* settings({ FLYTE_DATABRICKS_INSTANCE: "acme.databricks.com?o=1" })
      assert.isTrue(sharedInstances.allows(yield* canonicalize("acme.databricks.com?o=1")))
      assert.isFalse(sharedInstances.allows(yield* canonicalize("acme.databricks.com?o=2")))
      assert.isFalse(sharedInstances.allows(yield* canonicalize("acme.databricks.com")))
    })
  )
})

describe("for any host and id", () => {
  const Id = Arbitrary.schema(Schema.String.check(Schema.isPattern(/^[1-9][0-9]{0,19}$/)))
  const Host = Arbitrary.schema(
    Schema.Literals(["acme.databricks.com", "b.azuredatabricks.net", "http://127.0.0.1:8080", "10.0.0.1:8443"])
  )

  it.effect.prop(
    "two workspaces are one exactly where both are the same, and a list of one lets in no other",
    { one: Host, two: Host, a: Id, b: Id },
    ({ one, two, a, b }) =>
      Effect.gen(function* () {
        const first = yield* canonicalize(`${one}/?o=${a}`)
        const second = yield* canonicalize(`${two}?w=${b}`)
        const isSame = one === two && a === b
        assert.strictEqual(first === second, isSame)
        const { allows } = yield* allowList([first])
        assert.strictEqual(allows(second), isSame)
        const all = yield* allowList([hostOf(first)])
        assert.strictEqual(all.allows(second), one === two)
        assert.strictEqual(new URL(pageUrl(first)).searchParams.get("o"), a)
      })
  )
})
