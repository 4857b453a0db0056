import { WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Arbitrary, Effect, Option, Result, Schema } from "effect"
import { settings } from "./support/environment.ts"

const { admit, allowList, baseUrl, canonicalize, databricksDomains } = WorkspaceHost

const admitUnder = (patterns: ReadonlyArray<string>, input: string) =>
  Effect.flatMap(allowList(patterns), (list) => admit(input, list))

/** Why an instance is refused; a host that is admitted is a failure of the test. */
const refusal = (input: string, patterns: ReadonlyArray<string> = databricksDomains) =>
  Effect.map(Effect.flip(admitUnder(patterns, input)), (error) => {
    const { reason } = error
    assert(reason._tag === "InstanceRefused", `${reason._tag} instead of InstanceRefused`)
    return { why: reason.why, instance: reason.instance, message: error.message, reason }
  })

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

describe("a host that only looks like a workspace is refused", () => {
  it.effect.each([
    "x.cloud.databricks.com.evil.com",
    "evilcloud.databricks.com",
    "cloud.databricks.com",
    ".cloud.databricks.com",
    "databricks.com",
    "azuredatabricks.net",
    "evilazuredatabricks.net",
    "x.cloud.databricks.com-evil.com",
    "x.cloud.databricks.co",
    "x.cloud.databricks.comm",
    "x.cloud-databricks.com",
    "xcloud.databricks.us",
    "evil.com"
  ])("%s", (input) =>
    Effect.gen(function* () {
      const { message } = yield* refusal(input)
      assert.include(message, `"${input}" is refused`)
    })
  )

  it.effect("and the error says where credentials may go and who may change it", () =>
    Effect.gen(function* () {
      const { message } = yield* refusal("evil.com")
      for (const domain of databricksDomains) assert.include(message, domain)
      assert.include(message, "FLYTE_DATABRICKS_ALLOWED_INSTANCES")
    })
  )

  it.effect.each([
    ["Cyrillic letters", "x.cloud.dаtabricks.com"],
    ["full-width letters", "x.cloud.ｄatabricks.com"],
    ["a Kelvin sign, whose lower case is a k", "x.cloud.databric\u212as.com"],
    ["a long s", "x.cloud.databrick\u017f.com"],
    ["an ideographic full stop", "x。cloud.databricks.com"],
    ["a fraction slash", "evil.com\u2044.cloud.databricks.com"],
    ["a soft hyphen", "x.cloud.data\u00adbricks.com"],
    ["a zero-width joiner", "x.cloud.data\u200dbricks.com"],
    ["a right-to-left override", "x\u202e.cloud.databricks.com"],
    ["half a surrogate pair", "x\ud800.cloud.databricks.com"]
  ] as const)("with %s", ([, input]) =>
    Effect.gen(function* () {
      assert.match((yield* refusal(input)).why, /not a host name/)
    })
  )

  it.effect.each([
    ["CR and LF", "x.cloud.databricks.com\r\nHost: evil.com"],
    ["a line feed inside", "x\n.cloud.databricks.com"],
    ["a NUL", "x\u0000.cloud.databricks.com"],
    ["a tab inside, which URL parsers drop", "x.cloud.data\tbricks.com"],
    ["a blank inside", "x evil.cloud.databricks.com"],
    ["percent-encoding", "x%2eevil.cloud.databricks.com"],
    ["an encoded slash", "evil.com%2f.cloud.databricks.com"],
    ["an empty label", "x..cloud.databricks.com"],
    ["a leading dot", ".x.cloud.databricks.com"],
    ["a trailing dot", "x.cloud.databricks.com."],
    ["an underscore", "x_y.cloud.databricks.com"],
    ["a label that begins with a hyphen", "-x.cloud.databricks.com"],
    ["a label that ends with a hyphen", "x-.cloud.databricks.com"],
    ["a label of 64 characters", `${"x".repeat(64)}.cloud.databricks.com`],
    ["300 characters", `${"x.".repeat(140)}cloud.databricks.com`],
    ["a star", "*.cloud.databricks.com"],
    ["a comma", "x.cloud.databricks.com,evil.com"],
    ["a semicolon", "evil.com;.cloud.databricks.com"],
    ["quotes", '"x.cloud.databricks.com"'],
    ["no characters at all", ""],
    ["blanks alone", " \t "],
    ["a scheme alone", "https://"],
    ["a dot alone", "."],
    ["a colon alone", ":"]
  ] as const)("with %s", ([, input]) =>
    Effect.gen(function* () {
      const { message } = yield* refusal(input)
      assert.match(message, /not a host name/)
      assert.notMatch(message, /[\x00-\x1f]/)
    })
  )

  it.effect("and a name without end is cut in the error", () =>
    Effect.gen(function* () {
      assert.isAtMost((yield* refusal("x".repeat(10_000))).instance.length, 120)
    })
  )
})

describe("what comes before or after a host is refused", () => {
  it.effect.each([
    ["https://user:hunter2@dbc-a1b2.cloud.databricks.com", /user information/],
    ["user:hunter2@dbc-a1b2.cloud.databricks.com", /user information/],
    ["hunter2@dbc-a1b2.cloud.databricks.com", /user information/],
    ["https://x.cloud.databricks.com:hunter2@evil.com", /user information/],
    ["https://hunter2@evil.com@x.cloud.databricks.com", /user information/],
    ["https://x.cloud.databricks.com/hunter2@evil.com", /user information|path/],
    ["https://evil.com\\@x.cloud.databricks.com/hunter2", /user information|path/],
    ["https://x.cloud.databricks.com\\hunter2.evil.com", /path/],
    ["https://x.cloud.databricks.com/api/hunter2", /path/],
    ["https://x.cloud.databricks.com//", /path/],
    ["/x.cloud.databricks.com", /path/],
    ["https:///x.cloud.databricks.com", /path/],
    ["https:/x.cloud.databricks.com", /path/],
    ["//x.cloud.databricks.com", /path/],
    ["https://x.cloud.databricks.com?o=hunter2", /query/],
    ["https://x.cloud.databricks.com/?o=hunter2", /path|query/],
    ["https://x.cloud.databricks.com#hunter2", /fragment/]
  ] as const)("%s", ([input, why]) =>
    Effect.gen(function* () {
      const refused = yield* refusal(input)
      assert.match(refused.why, why)
      assert.notInclude(refused.message, "hunter2")
      assert.notInclude(JSON.stringify(refused.reason), "hunter2")
    })
  )

  it.effect.each([
    "dapi0123456789abcdef0123456789abcdef",
    "dose0123456789abcdef0123456789abcdef",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln"
  ])("a credential in the place of the instance is not repeated: %s", (secret) =>
    Effect.gen(function* () {
      assert.notInclude((yield* refusal(secret)).message, secret)
      assert.notInclude((yield* refusal(`https://${secret}/`)).message, secret)
    })
  )

  it.effect.each(["ftp", "file", "ws", "javascript", "httpss", "ht-tp"])("the scheme %s://", (scheme) =>
    Effect.gen(function* () {
      assert.match((yield* refusal(`${scheme}://x.cloud.databricks.com`)).why, /scheme/)
    })
  )

  it.effect("http:// to a workspace: a credential never travels in the clear", () =>
    Effect.gen(function* () {
      assert.match((yield* refusal("http://x.cloud.databricks.com")).why, /loopback/)
    })
  )

  it.effect.each([["8443"], ["80"], ["1"], ["65535"]])("port %s, which the list does not name", ([port]) =>
    Effect.gen(function* () {
      assert.match((yield* refusal(`x.cloud.databricks.com:${port}`)).why, /allow-list/)
    })
  )

  it.effect.each(["0", "00000", "65536", "99999", "123456", "-1", "+443", "4e2", "0x1bb", "", " 443", "443:443"])(
    "port %j, which does not exist",
    (port) =>
      Effect.gen(function* () {
        assert.match((yield* refusal(`x.cloud.databricks.com:${port}`)).why, /port|host name/)
      })
  )
})

describe("an IP address", () => {
  const notations = [
    "1.2.3.4",
    "10.0.0.1",
    "169.254.169.254",
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
    "[fd00:ec2::254]",
    "[::1%25eth0]",
    "::1",
    "1.2.3.4.cloud.databricks.com.5",
    "x.cloud.databricks.com.0x1"
  ]
  it.effect.each(notations)("%s is refused by default", (address) =>
    Effect.gen(function* () {
      assert.match((yield* refusal(address)).why, /IP address|host name/)
      assert.match((yield* refusal(`https://${address}`)).why, /IP address|host name/)
      assert.match((yield* refusal(`${address}:443`)).why, /IP address|host name/)
    })
  )

  it.effect.each(["10.0.0.1", "10.0.0.1:8443", "[fd00::1]", "[fd00::1]:8443"])(
    "%s is admitted where the operator lists exactly it",
    (address) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* admitUnder([address], address), address)
        yield* refusal("10.0.0.2", [address])
        yield* refusal("x.cloud.databricks.com", [address])
      })
  )

  it.effect.each([
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "1.2.3.4.5",
    "999.1.1.1"
  ])("%s is refused even where it is listed: a URL parser would read another host there", (address) =>
    Effect.gen(function* () {
      assert.match((yield* refusal(address, [address])).message, /IP address/)
    })
  )

  it.effect.each(["*.1.2.3.4", "*.[::1]", "*.127.1"])("the wildcard %s covers nothing and is an error", (pattern) =>
    Effect.gen(function* () {
      assert.match((yield* refusal("x.1.2.3.4", [pattern])).message, /FLYTE_DATABRICKS_ALLOWED_INSTANCES/)
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
  const patterns = [...databricksDomains, "http://localhost:8443", "10.0.0.1", "*.example.com:8443", "one.example.com"]

  const neverDisagrees = (input: string) =>
    Effect.gen(function* () {
      const answer = yield* Effect.result(admitUnder(patterns, input))
      if (Result.isFailure(answer)) return false
      const host = answer.success
      const url = new URL(`${baseUrl(host)}/oidc/v1/token`)
      assert.strictEqual(url.origin, baseUrl(host))
      assert.strictEqual(url.username + url.password + url.search + url.hash, "")
      assert.strictEqual(url.pathname, "/oidc/v1/token")
      const isListed =
        (url.protocol === "https:" &&
          url.port === "" &&
          databricksDomains.some((domain) => url.host.endsWith(domain.slice(1)))) ||
        (url.protocol === "https:" && url.hostname.endsWith(".example.com") && url.port === "8443") ||
        ["http://localhost:8443", "https://10.0.0.1", "https://one.example.com"].includes(url.origin)
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
