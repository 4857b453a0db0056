/** What the metrics port says to people: to whom, how much, and no secret. */
import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { type ConnectorSecrets, Identity, type TokenStatus, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { DatabricksWorkspace, Fault } from "@flyte-databricks/emulators"
import { Effect, Option, Redacted, Schema } from "effect"
import type { IncomingMessage } from "node:http"
import * as MetricsServer from "../../src/telemetry/MetricsServer.ts"
import * as Statusz from "../../src/telemetry/Statusz.ts"
import * as ConnectorProcess from "../support/ConnectorProcess.ts"
import * as FlyteClient from "../support/FlyteClient.ts"
import * as Ports from "../support/ports.ts"
import * as tasks from "../support/tasks.ts"
import * as World from "../support/World.ts"

const secret = "a token for operators"
const some = Option.some(Redacted.make(secret))

const Page = Schema.fromJsonString(
  Schema.Struct({
    health: Schema.String,
    tokens: Schema.Struct({ total: Schema.Int, failing: Schema.Int }),
    next: Schema.optional(Schema.String),
    list: Schema.Array(Schema.Struct({ principal: Schema.String, state: Schema.String }))
  })
)
const decode = Schema.decodeUnknownSync(Page)

const request = (remoteAddress: string, headers: Record<string, string>) =>
  ({ headers, socket: { remoteAddress } }) as unknown as IncomingMessage

describe("who sees the states of tokens", () => {
  const local = { host: "localhost:9090" }
  for (const [who, remoteAddress, headers, expected, status] of [
    ["loopback", "127.0.0.1", local, Option.none(), 200],
    ["loopback of IPv6", "::1", { host: "[::1]:9090" }, some, 200],
    ["loopback by a name that resolves to it", "127.0.0.1", { host: "evil.example.com" }, Option.none(), 403],
    ["a page of another site in a browser", "127.0.0.1", { ...local, "sec-fetch-site": "cross-site" }, some, 401],
    ["a page by its origin", "127.0.0.1", { ...local, origin: "https://evil.example.com" }, Option.none(), 403],
    ["a stranger by a proxy in the pod", "127.0.0.1", { ...local, "x-forwarded-for": "10.1.2.3" }, Option.none(), 403],
    ["a stranger by a mesh's", "127.0.0.6", local, Option.none(), 403],
    ["a stranger", "10.1.2.3", local, Option.none(), 403],
    ["a stranger, where there is a token", "10.1.2.3", local, some, 401],
    ["its bearer", "10.1.2.3", { host: "x", authorization: `Bearer ${secret}` }, some, 200],
    ["the bearer of another", "10.1.2.3", { host: "x", authorization: "Bearer another" }, some, 401],
    ["the bearer of another on loopback", "127.0.0.1", { ...local, authorization: "Bearer another" }, some, 401],
    ["the bearer of one where there is none", "10.1.2.3", { host: "x", authorization: "Bearer x" }, Option.none(), 401]
  ] as const) {
    it(`${who}: ${status}`, () => {
      assert.strictEqual(Statusz.admit(request(remoteAddress, headers), expected), status)
    })
  }
})

const get = (port: number, path: string) =>
  Effect.promise(() =>
    fetch(`http://127.0.0.1:${port}${path}`).then(async (answer) => ({
      status: answer.status,
      text: await answer.text()
    }))
  )

describe("the states of ten thousand tokens", () => {
  it.live("come in pages of a bounded size, what fails first", () =>
    Effect.gen(function* () {
      const statuses = Array.from({ length: 10_000 }, (_, index): TokenStatus.TokenStatus => ({
        identity: new Identity.OAuthM2MIdentity({
          instance: WorkspaceHost.WorkspaceHost.make("dbc-a1b2.cloud.databricks.com"),
          clientId: Option.some(`${index}-${"x".repeat(5000)}`),
          origin: { _tag: "NamespaceSecret", namespace: `n${index}`, name: "y".repeat(5000) }
        }),
        state: index === 9999 ? "failed" : "fresh",
        lastUsedAt: 0,
        ...(index === 9999 ? { failure: "z".repeat(5000) } : {})
      }))
      const port = yield* Ports.free
      const secrets: ConnectorSecrets.ConnectorSecrets["Service"] = {
        find: () => Effect.succeedNone,
        forget: Effect.void
      }
      yield* MetricsServer.serve("127.0.0.1", port, secrets, Effect.succeed("NOT_SERVING")).pipe(
        Effect.provideService(Statusz.Tokens, Effect.succeed(statuses))
      )
      assert.include((yield* get(port, "/")).text, "health: NOT_SERVING")
      const seen: Array<string> = []
      let path: string | undefined = "/statusz?limit=99999"
      while (path !== undefined) {
        const { text } = yield* get(port, path)
        assert.isBelow(text.length, 1_500_000)
        const page = decode(text)
        assert.deepStrictEqual(page.tokens, { total: 10_000, failing: 1 })
        assert.strictEqual(page.health, "NOT_SERVING")
        assert.isAtMost(page.list.length, Statusz.most)
        seen.push(...page.list.map(({ principal, state }) => `${state} ${principal}`))
        path = page.next
      }
      assert.match(seen[0] ?? "", /^failed 9999-/)
      assert.strictEqual(new Set(seen).size, 10_000)
      assert.lengthOf(decode((yield* get(port, "/statusz?limit=x&offset=-1")).text).list, 200)
    }).pipe(Effect.scoped)
  )
})

it.live(
  "a connector's port has a page with links, and states of tokens without a secret",
  () =>
    Effect.gen(function* () {
      const workspace = yield* DatabricksWorkspace.make(World.workspaceOptions)
      const port = yield* Ports.free
      const connector = yield* ConnectorProcess.serve(
        {
          FLYTE_DATABRICKS_INSTANCE: workspace.url,
          FLYTE_DATABRICKS_STATUSZ_TOKEN: secret,
          ...World.withConnectorPrincipal
        },
        ["--prometheus_port", String(port)]
      )
      const flyte = yield* FlyteClient.make(`127.0.0.1:${connector.port}`, [])
      yield* flyte.createTask(tasks.createTask({ namespace: "" }))
      const index = yield* get(port, "/")
      assert.include(index.text, 'href="/metrics"')
      assert.match(index.text, /Version \d+\.\d+\.\d+/)
      const { status, text } = yield* get(port, "/statusz")
      assert.strictEqual(status, 200)
      const { health, list, tokens } = decode(text)
      assert.strictEqual(health, "SERVING")
      assert.deepStrictEqual(tokens, { total: 1, failing: 0 })
      assert.deepInclude(list[0], { principal: World.connectorPrincipal.id, state: "fresh" })

      yield* workspace.faults.add({
        path: "/oidc/v1/token",
        action: Fault.status(401, { body: { error: "invalid_client" } })
      })
      yield* Effect.exit(flyte.createTask(tasks.createTask({ namespace: "", custom: { databricksClientId: "other" } })))
      const requests = yield* workspace.requests.all()
      const sent = requests.flatMap(({ headers }) => headers["authorization"]?.replace(/^\w+ /, "") ?? [])
      const shown = [index.text, text, (yield* get(port, "/statusz")).text, (yield* get(port, "/metrics")).text].join()
      for (const value of [secret, World.connectorPrincipal.secret, ...sent]) assert.notInclude(shown, value)
      assert.isNotEmpty(sent)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  60_000
)
