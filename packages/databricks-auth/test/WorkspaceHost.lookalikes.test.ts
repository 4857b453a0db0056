/** What is no workspace, however much it looks like one: a credential that went there would be lost. */
import { WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { admitUnder, refusal } from "./support/hosts.ts"

const { databricksDomains } = WorkspaceHost

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
