import { WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Option, Result, Schema } from "effect"
import { admitUnder, canonicalize } from "./support/hosts.ts"

const { baseUrl, databricksDomains, hostOf, idOf } = WorkspaceHost

describe("for any text at all", () => {
  // Text that is near to a host, or made to confuse one parser or the other.
  const pieces = Schema.Literals([
    "x",
    "A",
    "0",
    "1",
    "127",
    "0x7f",
    "evil",
    "com",
    ".cloud.databricks.com",
    "cloud",
    "databricks",
    "example",
    "xn--",
    "xn--nxasmq6b",
    "localhost",
    "http://",
    "https://",
    "HTTPS://",
    "*.",
    "*",
    ".",
    "..",
    ":",
    ":443",
    ":80",
    ":8443",
    "@",
    "/",
    "\\",
    "//",
    "?",
    "?o=1",
    "/?o=2",
    "?w=x",
    "&w=1",
    "=",
    "#",
    "%2e",
    "%00",
    "-",
    "_",
    "[",
    "]",
    "[::1]",
    "::ffff:1.2.3.4",
    " ",
    "\t",
    "\r\n",
    "\u0000",
    "。",
    "ß",
    "\u212a",
    "\u00ad",
    "\u200d",
    "𝐱",
    "\ud800",
    ","
  ])
  const near = Arbitrary.array(Arbitrary.schema(pieces), { maxLength: 7 }).pipe(Arbitrary.map((all) => all.join("")))
  const workspaces = Arbitrary.map(near, (text) => `${text}.cloud.databricks.com`)
  const unified = Arbitrary.map(near, (text) => `two.example.com${text}`)
  const patterns = [
    ...databricksDomains,
    "http://localhost:8443",
    "10.0.0.1",
    "*.example.com:8443",
    "one.example.com",
    "two.example.com?o=2"
  ]

  const neverDisagrees = (input: string) =>
    Effect.gen(function* () {
      const answer = yield* Effect.result(admitUnder(patterns, input))
      if (Result.isFailure(answer)) return false
      const host = answer.success
      const url = new URL(`${baseUrl(host)}/oidc/v1/token`)
      assert.strictEqual(url.origin, baseUrl(host))
      assert.strictEqual(url.username + url.password + url.search + url.hash, "")
      assert.strictEqual(url.pathname, "/oidc/v1/token")
      const id = Option.getOrUndefined(idOf(host))
      assert.match(id ?? "1", /^[a-z0-9][a-z0-9_-]{0,63}$/i)
      assert.strictEqual<string>(
        host,
        `${hostOf(host)}${id === undefined ? "" : `?${/^\d+$/.test(id) ? "o" : "w"}=${id}`}`
      )
      const isListed =
        (url.protocol === "https:" &&
          url.port === "" &&
          databricksDomains.some((domain) => url.host.endsWith(domain.slice(1)))) ||
        (url.protocol === "https:" && url.hostname.endsWith(".example.com") && url.port === "8443") ||
        ["http://localhost:8443", "https://10.0.0.1", "https://one.example.com"].includes(url.origin) ||
        (url.origin === "https://two.example.com" && id === "2")
      assert.isTrue(isListed, `${url.origin} is not on the list`)
      assert.strictEqual(yield* admitUnder(patterns, host), host, "the canonical form is not stable")
      return true
    })

  it.effect.prop(
    "a request goes to the listed host that was admitted, or nowhere",
    { input: Schema.String },
    ({ input }) => Effect.asVoid(neverDisagrees(input))
  )
  it.effect.prop(
    "also for text that is near to a host",
    { input: near },
    ({ input }) => Effect.asVoid(neverDisagrees(input)),
    {
      arbitrary: { runs: 2000 }
    }
  )
  it.effect.prop(
    "also for text that ends as a workspace does",
    { input: workspaces },
    ({ input }) => Effect.asVoid(neverDisagrees(input)),
    { arbitrary: { runs: 2000 } }
  )
  it.effect.prop(
    "also for text that begins as a workspace does that shares its host",
    { input: unified },
    ({ input }) => Effect.asVoid(neverDisagrees(input)),
    { arbitrary: { runs: 2000 } }
  )
  it.effect("and such text is often enough admitted for this to mean something", () =>
    Effect.gen(function* () {
      const inputs = yield* Arbitrary.sampleEffect(workspaces, { count: 1000, seed: 1 })
      const admitted = yield* Effect.filter(inputs, neverDisagrees)
      assert.isAbove(admitted.length, 20)
    })
  )
  it.effect.prop(
    "an operator's own instance is where the URL parser goes too",
    { input: near },
    ({ input }) =>
      Effect.gen(function* () {
        const own = yield* Effect.result(canonicalize(input))
        if (Result.isSuccess(own)) assert.strictEqual(new URL(baseUrl(own.success)).origin, baseUrl(own.success))
      }),
    { arbitrary: { runs: 2000 } }
  )
})
