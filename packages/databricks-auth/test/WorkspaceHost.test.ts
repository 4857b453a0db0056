import { WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Option } from "effect"
import { settings } from "./support/environment.ts"
import { admit, admitUnder, refusal } from "./support/hosts.ts"

const { baseUrl, databricksDomains } = WorkspaceHost

describe("the workspaces of all of Databricks' clouds", () => {
  it.effect.each([
    "dbc-a1b2.cloud.databricks.com",
    "x.cloud.databricks.us",
    "adb-123456789012345.7.azuredatabricks.net",
    "adb-1.2.databricks.azure.us",
    "adb-1.2.databricks.azure.cn",
    "123456789.8.gcp.databricks.com"
  ])("%s is admitted by default", (input) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* admitUnder(databricksDomains, input), input)
    })
  )

  it.effect.each([
    ["in upper case", "DBC-A1B2.Cloud.Databricks.COM"],
    ["with https://", "https://dbc-a1b2.cloud.databricks.com"],
    ["with HTTPS://", "HTTPS://dbc-a1b2.cloud.databricks.com"],
    ["with a slash at its end, as a browser shows it", "https://dbc-a1b2.cloud.databricks.com/"],
    ["between blanks", " \tdbc-a1b2.cloud.databricks.com \n"],
    ["with the port that HTTPS has anyway", "dbc-a1b2.cloud.databricks.com:443"]
  ] as const)("one written %s is the same workspace", ([, input]) =>
    Effect.gen(function* () {
      const host = yield* admitUnder(databricksDomains, input)
      assert.strictEqual(host, "dbc-a1b2.cloud.databricks.com")
      assert.strictEqual(baseUrl(host), "https://dbc-a1b2.cloud.databricks.com")
    })
  )
})

describe("a stand-in on this machine", () => {
  it.effect.each([
    ["http://localhost:8080", "http://localhost:8080"],
    ["http://127.0.0.1:8080/", "http://127.0.0.1:8080"],
    ["HTTP://LOCALHOST:8080", "http://localhost:8080"],
    ["http://[::1]:8080", "http://[::1]:8080"],
    ["http://localhost:80", "http://localhost"],
    ["http://localhost:08080", "http://localhost:8080"]
  ] as const)("%s may be the operator's own instance, over http and with its port", ([own, canonical]) =>
    Effect.gen(function* () {
      const { instance, allowedInstances } = yield* settings({ FLYTE_DATABRICKS_INSTANCE: own })
      const host = yield* admit(own, allowedInstances)
      assert.strictEqual<string>(host, canonical)
      assert.strictEqual(baseUrl(host), canonical)
      assertEquals(instance, Option.some(host))
    })
  )

  it.effect.each([
    "http://localhost:8081",
    "http://localhost",
    "https://localhost:8080",
    "localhost:8080",
    "http://127.0.0.1:8080"
  ])("%s is another one than http://localhost:8080", (input) =>
    Effect.gen(function* () {
      assert.match((yield* refusal(input, ["http://localhost:8080"])).why, /allow-list|IP address/)
    })
  )

  it.effect.each(["http://localhost:8080", "http://127.0.0.1", "http://[::1]:80", "localhost"])(
    "%s is refused where the operator does not list it: a task could read the connector's neighbours",
    (input) =>
      Effect.gen(function* () {
        assert.match((yield* refusal(input)).why, /allow-list|IP address/)
      })
  )

  it.effect.each([
    "http://localhost.evil.com",
    "http://127.0.0.2",
    "http://localhost.",
    "http://0.0.0.0",
    "http://127.1"
  ])("%s is no loopback host", (input) =>
    Effect.gen(function* () {
      assert.match((yield* refusal(input, [input])).message, /http:\/\/|host name|IP address/)
    })
  )
})

describe("FLYTE_DATABRICKS_ALLOWED_INSTANCES", () => {
  const listed = (list: string, own?: string) =>
    settings({
      FLYTE_DATABRICKS_ALLOWED_INSTANCES: list,
      ...(own === undefined ? {} : { FLYTE_DATABRICKS_INSTANCE: own })
    })

  it.effect("stands in place of the Databricks domains", () =>
    Effect.gen(function* () {
      const { allowedInstances } = yield* listed("dbc-a1b2.cloud.databricks.com, *.example.com")
      assert.strictEqual(
        yield* admit("dbc-a1b2.cloud.databricks.com", allowedInstances),
        "dbc-a1b2.cloud.databricks.com"
      )
      assert.strictEqual(yield* admit("a.b.example.com", allowedInstances), "a.b.example.com")
      const { message } = yield* Effect.flip(admit("other.cloud.databricks.com", allowedInstances))
      assert.include(message, "dbc-a1b2.cloud.databricks.com, *.example.com")
    })
  )

  it.effect("reads items in any case, between blanks, and passes over empty ones", () =>
    Effect.gen(function* () {
      const { allowedInstances } = yield* listed(" , DBC-A1B2.cloud.databricks.com ,, *.Example.COM:8443 ,")
      yield* admit("dbc-a1b2.cloud.databricks.com", allowedInstances)
      assert.strictEqual(yield* admit("x.example.com:8443", allowedInstances), "x.example.com:8443")
      assert.match((yield* Effect.flip(admit("x.example.com", allowedInstances))).message, /allow-list/)
      assert.match((yield* Effect.flip(admit("x.example.com:8444", allowedInstances))).message, /allow-list/)
    })
  )

  it.effect("without the connector's own instance: the connector does not start", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(listed("*.example.com", "dbc-a1b2.cloud.databricks.com"))
      assert.include(message, "dbc-a1b2.cloud.databricks.com")
      assert.include(message, "*.example.com")
    })
  )

  it.effect("need not be set: the own instance counts beside the Databricks domains", () =>
    Effect.gen(function* () {
      const { allowedInstances } = yield* settings({ FLYTE_DATABRICKS_INSTANCE: "databricks.example.com:8443" })
      yield* admit("databricks.example.com:8443", allowedInstances)
      yield* admit("x.cloud.databricks.com", allowedInstances)
      assert.match((yield* Effect.flip(admit("databricks.example.com", allowedInstances))).message, /allow-list/)
      assert.match((yield* Effect.flip(admit("x.databricks.example.com:8443", allowedInstances))).message, /allow-list/)
    })
  )

  it.effect.each([
    "*",
    "*.",
    "**.example.com",
    "a.*.example.com",
    "exa*mple.com",
    "https://*.example.com",
    "*.http://localhost",
    "*.example.com/x"
  ])("with the item %s: the connector does not start, and says which item", (item) =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(listed(`good.example.com,${item}`))
      assert.include(message, "FLYTE_DATABRICKS_ALLOWED_INSTANCES")
    })
  )

  it.effect("with commas alone: the connector does not start, since no instance could be used", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(listed(" , ,"))
      assert.include(message, "FLYTE_DATABRICKS_ALLOWED_INSTANCES")
      assert.include(message, "expected instances and *. wildcards, separated by commas.")
    })
  )
})

describe("the id of a workspace", () => {
  it.each([
    ["acme.databricks.com?o=12", "12"],
    ["acme.databricks.com?w=a-1", "a-1"],
    ["adb-34.5.azuredatabricks.net", "34"],
    ["56.7.gcp.databricks.com", "56"],
    ["dbc-a1b2.cloud.databricks.com", undefined],
    ["http://localhost:8080", undefined]
  ])("of %s is known by its address, or by the name of its host: %s", (workspace, id) => {
    assertEquals(WorkspaceHost.knownId(WorkspaceHost.WorkspaceHost.make(workspace)), Option.fromUndefinedOr(id))
  })
})

describe("a host that serves all workspaces of an account", () => {
  it.each([
    ["acme.databricks.com", true],
    ["acme.databricks.com?o=1", true],
    ["cloud.databricks.com", true],
    ["a.cloud.databricks.com.b.databricks.com", true],
    ["dbc-a1b2.cloud.databricks.com", false],
    ["56.7.gcp.databricks.com", false],
    ["adb-34.5.azuredatabricks.net", false],
    ["databricks.com.example.com", false]
  ])("is known by its name: %s is one, %s", (workspace, isOne) => {
    assert.strictEqual(WorkspaceHost.isAccountWide(WorkspaceHost.WorkspaceHost.make(workspace)), isOne)
  })
})
