import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Fault } from "../../src/index.ts"
import { bearer, get } from "../support/http.ts"
import { accountsUrl, type Api, list, withApi } from "../support/kubernetes.ts"

const enabled = { "flyte.org/databricks-enabled": "true" }
const clientId = { "flyte.org/databricks-client-id": "sp-a" }
const spark = { namespace: "team-a", name: "spark", labels: enabled, annotations: clientId }

const readOne = (api: Api, name: string) => get(`${accountsUrl(api, "team-a")}/${name}`, bearer(api.token))

interface Reply {
  readonly json: ReturnType<typeof JSON.parse>
}

const names = ({ json }: Reply): ReadonlyArray<string> =>
  json.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)

describe("a ServiceAccount", () => {
  it.effect("comes as the API server gives it", () =>
    withApi(
      { serviceAccounts: [spark] },
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* readOne(api, "spark")
        const { resourceVersion, uid, ...metadata } = json.metadata
        assert.strictEqual(status, 200)
        assert.match(uid, /^[0-9a-f-]{36}$/)
        assert.match(resourceVersion, /^\d+$/)
        assert.deepStrictEqual(
          { ...json, metadata },
          {
            kind: "ServiceAccount",
            apiVersion: "v1",
            metadata: {
              name: "spark",
              namespace: "team-a",
              creationTimestamp: "1970-01-01T00:00:00Z",
              labels: enabled,
              annotations: clientId
            }
          }
        )
      })
    )
  )

  it.effect("that is not there is a NotFound Status", () =>
    withApi(
      {},
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* readOne(api, "spark")
        assert.strictEqual(status, 404)
        assert.strictEqual(json.message, 'serviceaccounts "spark" not found')
        assert.deepStrictEqual(json.details, { name: "spark", kind: "serviceaccounts" })
      })
    )
  )

  it.effect("keeps its identity when labels and annotations change, and gets another when it is made anew", () =>
    withApi(
      { serviceAccounts: [spark] },
      Effect.fnUntraced(function* (api) {
        const metadata = Effect.map(readOne(api, "spark"), ({ json }) => json.metadata)
        const first = yield* metadata
        yield* TestClock.adjust("1 hour")

        yield* api.patchServiceAccount(spark, { labels: { "flyte.org/databricks-enabled": null, team: "a" } })
        const second = yield* metadata
        assert.deepStrictEqual([second.labels, second.annotations], [{ team: "a" }, clientId])
        assert.deepStrictEqual([second.uid, second.creationTimestamp], [first.uid, first.creationTimestamp])
        assert.isAbove(Number(second.resourceVersion), Number(first.resourceVersion))

        yield* api.patchServiceAccount(spark, { labels: { team: null }, annotations: { note: "any text: é" } })
        const third = yield* metadata
        assert.deepStrictEqual([third.labels, third.annotations], [undefined, { ...clientId, note: "any text: é" }])

        yield* api.setServiceAccount({ namespace: "team-a", name: "spark" })
        const fourth = yield* metadata
        assert.deepStrictEqual([fourth.labels, fourth.annotations, fourth.uid], [undefined, undefined, first.uid])

        assert.isTrue(yield* api.deleteServiceAccount(spark))
        assert.isFalse(yield* api.deleteServiceAccount(spark))
        assert.strictEqual((yield* readOne(api, "spark")).status, 404)
        yield* api.setServiceAccount(spark)
        const anew = yield* metadata
        assert.notStrictEqual(anew.uid, first.uid)
        assert.strictEqual(anew.creationTimestamp, "1970-01-01T01:00:00Z")
      })
    )
  )

  const refused = [
    [{ ...spark, name: "Spark" }, '"Spark" is not a valid name'],
    [{ ...spark, namespace: "a.b" }, '"a.b" is not a valid namespace'],
    [{ ...spark, labels: { "a b": "" } }, '"a b" is not a valid key of a label or an annotation'],
    [{ ...spark, annotations: { "/x": "" } }, '"/x" is not a valid key of a label or an annotation'],
    [{ ...spark, labels: { team: "a b" } }, '"a b" is not a valid value of the label "team"']
  ] as const

  it.effect.each(refused)("that the API server would refuse is refused: %#", ([account, problem]) =>
    withApi(
      {},
      Effect.fnUntraced(function* (api) {
        const error = yield* Effect.flip(api.setServiceAccount(account))
        assert.strictEqual(error.message, `Invalid ServiceAccount: ${problem}`)
        assert.deepStrictEqual(yield* api.serviceAccounts, [])
      })
    )
  )

  it.effect("that is not there cannot be changed", () =>
    withApi(
      { serviceAccounts: [spark] },
      Effect.fnUntraced(function* (api) {
        const error = yield* Effect.flip(api.patchServiceAccount({ namespace: "team-a", name: "other" }, {}))
        assert.strictEqual(
          error.message,
          'The emulator has no ServiceAccount "team-a/other" (known: team-a/spark, team-a/default)'
        )
      })
    )
  )
})

describe("the list of ServiceAccounts", () => {
  const accounts = ["c", "a", "b", "e", "d"].map((name) => ({
    namespace: "team-a",
    name,
    labels: name < "c" ? enabled : {}
  }))
  const cluster = { serviceAccounts: [...accounts, { namespace: "team-b", name: "x", labels: enabled }] }

  it.effect("has its own namespace's, by name", () =>
    withApi(
      cluster,
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* list(api, "team-a")
        assert.deepStrictEqual([status, json.kind, json.apiVersion], [200, "ServiceAccountList", "v1"])
        assert.deepStrictEqual(names({ json }), ["a", "b", "c", "d", "default", "e"])
        // Items are of the list's kind and do not repeat it.
        assert.deepStrictEqual(Object.keys(json.items[0]), ["metadata"])
        assert.deepStrictEqual(Object.keys(json.metadata), ["resourceVersion"])
        assert.deepStrictEqual((yield* list(api, "nowhere")).json.items, [])
      })
    )
  )

  it.effect(
    "is that of a namespace which exists, once there is anything in it: it has a ServiceAccount `default`",
    () =>
      withApi(
        {},
        Effect.fnUntraced(function* (api) {
          assert.deepStrictEqual(names(yield* list(api, "team-c")), [])
          yield* api.setSecret({ namespace: "team-c", name: "databricks-token", data: {} })
          assert.deepStrictEqual(names(yield* list(api, "team-c")), ["default"])
        })
      )
  )

  it.effect("is cut down by a label selector", () =>
    withApi(
      cluster,
      Effect.fnUntraced(function* (api) {
        const labelSelector = "flyte.org/databricks-enabled=true"
        assert.deepStrictEqual(names(yield* list(api, "team-a", { labelSelector })), ["a", "b"])
        yield* api.patchServiceAccount({ namespace: "team-a", name: "a" }, { labels: { ...enabled, x: "y" } })
        yield* api.patchServiceAccount(
          { namespace: "team-a", name: "b" },
          { labels: { "flyte.org/databricks-enabled": "false" } }
        )
        assert.deepStrictEqual(names(yield* list(api, "team-a", { labelSelector })), ["a"])
      })
    )
  )

  const pages = Effect.fnUntraced(function* (api: Api, query: Record<string, string>) {
    const found: Array<{ readonly names: ReadonlyArray<string>; readonly metadata: Record<string, unknown> }> = []
    let next: string | undefined = ""
    while (next !== undefined) {
      const reply: Reply = yield* list(api, "team-a", { ...query, ...(next === "" ? {} : { continue: next }) })
      const { json } = reply
      found.push({ names: names({ json }), metadata: json.metadata })
      next = json.metadata.continue
    }
    return found
  })

  it.effect("comes page by page, each of the size asked for, and says how many are left", () =>
    withApi(
      cluster,
      Effect.fnUntraced(function* (api) {
        const found = yield* pages(api, { limit: "2" })
        assert.deepStrictEqual(
          found.map(({ metadata, names }) => [names, metadata["remainingItemCount"]]),
          [
            [["a", "b"], 4],
            [["c", "d"], 2],
            [["default", "e"], undefined]
          ]
        )
        // A page that ends with the list is the last.
        assert.deepStrictEqual(
          (yield* pages(api, { limit: "6" })).map(({ names }) => names.length),
          [6]
        )
      })
    )
  )

  it.effect("does not count what is left where labels select", () =>
    withApi(
      cluster,
      Effect.fnUntraced(function* (api) {
        const found = yield* pages(api, { limit: "1", labelSelector: "flyte.org/databricks-enabled" })
        assert.deepStrictEqual(
          found.map(({ names }) => names),
          [["a"], ["b"]]
        )
        assert.isUndefined(found[0]?.metadata["remainingItemCount"])
      })
    )
  )

  it.effect("goes on after the last name seen, whatever came or went before it", () =>
    withApi(
      cluster,
      Effect.fnUntraced(function* (api) {
        const first = yield* list(api, "team-a", { limit: "2" })
        yield* api.deleteServiceAccount({ namespace: "team-a", name: "b" })
        yield* api.setServiceAccount({ namespace: "team-a", name: "aa" })
        const second = yield* list(api, "team-a", { limit: "2", continue: first.json.metadata.continue })
        assert.deepStrictEqual(names(second), ["c", "d"])
        assert.strictEqual(second.json.metadata.resourceVersion, first.json.metadata.resourceVersion)
      })
    )
  )

  const bad: ReadonlyArray<readonly [Record<string, string>, RegExp]> = [
    [{ labelSelector: "a b" }, /unable to parse requirement/],
    [{ limit: "many" }, /limit: Invalid value: "many"/],
    [{ limit: "-1" }, /limit: Invalid value/],
    [{ continue: "***" }, /continue key is not valid/],
    [{ continue: Buffer.from('{"v":"other"}').toString("base64url") }, /continue key is not valid/],
    [{ watch: "true" }, /does not watch/],
    [{ fieldSelector: "metadata.name=a" }, /field label not supported: metadata\.name=a/]
  ]

  it.effect.each(bad)("refuses a query that it cannot answer: %o", ([query, message]) =>
    withApi(
      cluster,
      Effect.fnUntraced(function* (api) {
        const { json, status } = yield* list(api, "team-a", query)
        assert.deepStrictEqual([status, json.kind, json.reason], [400, "Status", "BadRequest"])
        assert.match(json.message, message)
      })
    )
  )

  it.effect("is for those who may list it: no single name's rule is enough", () =>
    withApi(
      { ...cluster, rules: [{ effect: "allow", resources: ["serviceaccounts"], names: ["a"] }] },
      Effect.fnUntraced(function* (api) {
        assert.strictEqual((yield* readOne(api, "a")).status, 200)
        assert.strictEqual((yield* readOne(api, "b")).status, 403)
        const { json, status } = yield* list(api, "team-a")
        assert.strictEqual(status, 403)
        assert.strictEqual(
          json.message,
          'serviceaccounts is forbidden: User "system:serviceaccount:flyte:flyteconnector" cannot list resource "serviceaccounts" in API group "" in the namespace "team-a"'
        )
        assert.deepStrictEqual(json.details, { kind: "serviceaccounts" })
      })
    )
  )

  it.effect("can lose its place, as a fault", () =>
    withApi(
      cluster,
      Effect.fnUntraced(function* (api) {
        yield* api.faults.add({
          path: "/api/*/serviceaccounts",
          when: ({ query }) => query.includes("continue="),
          action: Fault.status(410)
        })
        const first = yield* list(api, "team-a", { limit: "2" })
        const { json, status } = yield* list(api, "team-a", { continue: first.json.metadata.continue })
        assert.deepStrictEqual([status, json.reason], [410, "Expired"])
      })
    )
  )
})
