/** The `fetch` of the client: where it sends the token, and when it sends a request again. */
import { describe, it } from "@effect/vitest"
import { assertEquals, assertTrue } from "@effect/vitest/utils"
import { Fault } from "@flyte-databricks/emulators"
import { Effect } from "effect"
import { clientOf, m2m, me, rejection, tokenRequests, workspaceOf } from "./support.ts"
import { type Databricks, pat } from "../../src/client.ts"

const submit = "/api/2.1/jobs/runs/submit"
const job = JSON.stringify({ run_name: "one", tasks: [{ task_key: "one", notebook_task: { notebook_path: "/one" } }] })

describe("fetch", () => {
  it.effect("sends the token to the workspace, by its whole address or a path", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      for (const address of [
        me,
        `${workspace.url}${me}`,
        new URL(me, workspace.url),
        new Request(workspace.url + me)
      ]) {
        const answer = yield* Effect.promise(() => client.fetch(address))
        assertEquals(answer.status, 200)
        yield* Effect.promise(() => answer.text())
      }
    })
  )

  it.effect("keeps what the caller says, but for the token", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      const headers = { authorization: "Bearer mine", "user-agent": "mine/1", "x-mine": "1" }
      yield* Effect.promise(() => client.fetch(me, { headers }))
      const [{ headers: sent }] = (yield* workspace.requests.all({ path: me })) as unknown as [
        { headers: Record<string, string> }
      ]
      assertEquals([sent["user-agent"], sent["x-mine"]], ["mine/1", "1"])
      assertTrue(sent["authorization"] !== "Bearer mine")
    })
  )

  it.effect("sends the token to nobody else", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      const other = yield* workspaceOf()
      for (const address of [
        other.url,
        "//example.com/",
        "https://example.com",
        workspace.url.replace("http:", "https:")
      ]) {
        assertEquals((yield* rejection(() => client.fetch(address))).code, "origin_foreign")
      }
      assertEquals((yield* other.requests.all()).length, 0)
    })
  )

  it.effect("follows no redirect", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      const other = yield* workspaceOf()
      const location = `${other.url}${me}`
      yield* workspace.faults.add({ path: me, action: Fault.status(302, { headers: { location } }) })
      const answer = yield* Effect.promise(() => client.fetch(me, { redirect: "follow" }))
      assertEquals([answer.status, answer.headers.get("location")], [302, location])
      assertEquals((yield* other.requests.all()).length, 0)
    })
  )

  for (const invalidTokenStatus of [401, 403] as const) {
    it.effect(`renews a token that was revoked, and asks once more (${invalidTokenStatus})`, () =>
      Effect.gen(function* () {
        const { client, workspace } = yield* m2m({ invalidTokenStatus })
        yield* Effect.promise(client.headers)
        yield* workspace.revokeTokens()
        const answer = yield* Effect.promise(() => client.fetch(submit, { method: "POST", body: job }))
        assertEquals(answer.status, 200)
        assertEquals((yield* workspace.requests.all({ path: submit })).length, 2)
        assertEquals((yield* workspace.requests.all(tokenRequests)).length, 2)
      })
    )
  }

  it.effect("asks no third time", () =>
    Effect.gen(function* () {
      const workspace = yield* workspaceOf()
      const client = yield* clientOf({ host: workspace.url, auth: pat("dapi-of-nobody") })
      const answer = yield* Effect.promise(() => client.fetch(me))
      assertEquals(answer.status, 401)
      assertEquals((yield* workspace.requests.all({ path: me })).length, 2)
      assertTrue((yield* Effect.promise(() => answer.text())).length > 0)
    })
  )

  it.effect("leaves a 403 about permissions alone, whole", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      const body = { error_code: "PERMISSION_DENIED", message: "no".repeat(20_000) }
      yield* workspace.faults.add({ path: me, action: Fault.status(403, { body }) })
      const answer = yield* Effect.promise(() => client.fetch(me))
      assertEquals(yield* Effect.promise(() => answer.json()), body)
      assertEquals((yield* workspace.requests.all({ path: me })).length, 1)
    })
  )

  it.effect("sends a stream once, and has a new token for the next request", () =>
    Effect.gen(function* () {
      const { client, workspace } = yield* m2m()
      yield* Effect.promise(client.headers)
      yield* workspace.revokeTokens()
      const stream = () => new Blob([job]).stream()
      const asked = { method: "POST", duplex: "half" } as const
      const first = yield* Effect.promise(() => client.fetch(submit, { ...asked, body: stream() } as RequestInit))
      assertEquals(first.status, 401)
      const second = yield* Effect.promise(() =>
        client.fetch(new Request(`${workspace.url}${submit}`, { ...asked, body: stream() } as RequestInit))
      )
      assertEquals(second.status, 200)
      assertEquals((yield* workspace.requests.all({ path: submit })).length, 2)
    })
  )

  for (const [what, fetchOf] of [
    ["as it is told", (client, signal) => client.fetch(me, { signal })],
    ["as its Request says", (client, signal, origin) => client.fetch(new Request(origin + me, { signal }))],
    [
      "as it is told, whatever its Request says",
      (client, signal, origin) =>
        client.fetch(new Request(origin + me, { signal: new AbortController().signal }), { signal })
    ]
  ] as const satisfies ReadonlyArray<
    readonly [string, (client: Databricks, signal: AbortSignal, origin: string) => Promise<Response>]
  >) {
    it.effect(`waits for a token no longer than the caller does, ${what}`, () =>
      Effect.gen(function* () {
        const { client, workspace } = yield* m2m()
        const gate = yield* workspace.faults.hold(tokenRequests)
        const controller = new AbortController()
        const waiting = fetchOf(client, controller.signal, workspace.url)
        yield* workspace.requests.waitFor(tokenRequests, 1)
        controller.abort(new Error("enough"))
        assertEquals((yield* rejection(() => waiting)).message, "enough")
        yield* gate.release
        assertEquals((yield* Effect.promise(() => client.fetch(me))).status, 200)
        assertEquals((yield* workspace.requests.all(tokenRequests)).length, 1)
      })
    )
  }
})
