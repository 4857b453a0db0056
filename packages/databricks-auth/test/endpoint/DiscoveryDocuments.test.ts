/** What the documents say in which a host names its token endpoint, and how often they are read. */
import { TokenEndpoint, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude, deepStrictEqual } from "@effect/vitest/utils"
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { allowList } from "../support/hosts.ts"
import { type Answer, answer, makeHttp } from "../support/http.ts"
import { ask, exact, granted, never, request } from "./Ask.ts"

const host = "https://acme.databricks.com"
const asking = (instance: string) => ({ ...request, instance: WorkspaceHost.WorkspaceHost.make(instance) })
const one = asking("acme.databricks.com?o=1")

const config = (fields: object) => answer(200, { oidc_endpoint: `${host}/oidc`, account_id: "a", ...fields })
const server = answer(200, { token_endpoint: `${host}/oidc/v1/token` })

/** The URLs that were asked, where each request for a token was made after this wait. */
const asked = (answers: ReadonlyArray<Answer>, each = one, ...waits: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { layer, sent } = yield* makeHttp(...answers)
    yield* Effect.gen(function* () {
      yield* ask(each)
      for (const wait of waits) {
        yield* TestClock.adjust(wait as "1 minute")
        yield* ask(each)
      }
    }).pipe(Effect.provide(TokenEndpoint.layer), Effect.provide([layer, never]))
    return (yield* sent).map(({ url }) => url)
  })

describe("the address that a host names", () => {
  it.effect.each([
    ["as it is", { oidc_endpoint: `${host}/oidc` }, `${host}/oidc`],
    ["without the slashes at its end", { oidc_endpoint: `${host}/oidc//` }, `${host}/oidc`],
    ["with the account in its place", { oidc_endpoint: `${host}/oidc/{account_id}/x` }, `${host}/oidc/a/x`],
    [
      "with nothing in the place of an account that it does not name",
      { oidc_endpoint: `${host}/oidc/{account_id}`, account_id: null },
      `${host}/oidc`
    ]
  ] as const)("is taken %s", ([, fields, issuer]) =>
    Effect.gen(function* () {
      const [, second] = yield* asked([config(fields), server, granted])
      assertEquals(second, `${issuer}/.well-known/oauth-authorization-server`)
    })
  )
})

describe("a host", () => {
  it.effect("that names no workspace of its own gives tokens for each", () =>
    Effect.gen(function* () {
      for (const fields of [{}, { workspace_id: null }]) {
        assertEquals((yield* asked([config(fields), server, granted])).length, 3)
      }
    })
  )

  it.effect("that is another workspace is refused by its own word, whatever is on the allow-list", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(asked([config({ workspace_id: "2" }), server, granted]))
      assertEquals(
        error.message,
        'Databricks instance "acme.databricks.com?o=1" is refused: its host says that it is workspace 2 and no other.'
      )
    })
  )

  it.effect("without documents is looked at again after five minutes, in case that it has some by then", () =>
    Effect.gen(function* () {
      const azure = asking("acme.azuredatabricks.net?o=1")
      const urls = yield* asked([answer(404), granted], azure, "299 seconds", "1 seconds")
      const token = "https://acme.azuredatabricks.net/oidc/v1/token"
      const document = "https://acme.azuredatabricks.net/.well-known/databricks-config"
      deepStrictEqual(urls, [document, token, token, document, token])
    })
  )

  it.effect("that answers with something else is not asked a second time: it would say the same", () =>
    Effect.gen(function* () {
      const { layer, sent } = yield* makeHttp(answer(200, "<html>log in</html>"))
      const error = yield* Effect.flip(ask(one)).pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide([layer, exact])
      )
      assertEquals(error.reason._tag, "TokenResponseInvalid")
      assertInclude(error.message, "that is not the document in which a host says where its tokens are given")
      assertEquals((yield* sent).length, 1)
    })
  )

  it.effect("whose server names no token endpoint is told from one that names none where it says so", () =>
    Effect.gen(function* () {
      for (const second of [answer(404), answer(200, "x"), answer(200, {}), answer(200, { token_endpoint: null })]) {
        const error = yield* Effect.flip(asked([config({}), second, granted]))
        assertInclude(error.message, `${host}/oidc/.well-known/oauth-authorization-server`)
        assertInclude(error.message, "that is not a document that names a token_endpoint")
      }
      const error = yield* Effect.flip(asked([config({}), answer(200, { token_endpoint: "/t" }), granted]))
      assertInclude(error.message, "its token_endpoint is not the https address of an endpoint")
    })
  )

  it.effect("is asked for JSON, and not followed where it redirects", () =>
    Effect.gen(function* () {
      const asked: Array<RequestInit | undefined> = []
      const fetch: typeof globalThis.fetch = (_, init) => {
        asked.push(init)
        return Promise.resolve(new Response(null, { status: 302, headers: { location: "https://evil.com" } }))
      }
      const error = yield* Effect.flip(ask(one)).pipe(
        Effect.provide(TokenEndpoint.layer),
        Effect.provide([FetchHttpClient.layer, never]),
        Effect.provideService(FetchHttpClient.Fetch, fetch),
        Effect.provideServiceEffect(WorkspaceHost.AllowedInstances, allowList([one.instance]))
      )
      assertEquals(error.reason._tag, "TokenResponseInvalid")
      deepStrictEqual(
        asked.map((init) => [init?.redirect, new Headers(init?.headers).get("accept")]),
        [["manual", "application/json"]]
      )
    })
  )
})
