/** What an operator or a workflow author reads of an instance that is refused, and what is not repeated of it. */
import { type AuthError, WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { admit, allowList, canonicalize } from "./support/hosts.ts"

const { databricksDomains, operatorsOwn } = WorkspaceHost

const reasonOf = <A>(effect: Effect.Effect<A, AuthError.AuthError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => {
    assert(reason._tag === "InstanceRefused", reason.message)
    return reason
  })

const userInformation = "it carries user information (an @)"
const path = "it has a path"
const query = "it has a query other than ?o= and the id of a workspace, or a fragment"
const noHost = "it is not a host name"

describe("an instance that is refused", () => {
  it.effect.each([
    ["", "", noHost],
    [" a b\n", "a b", noHost],
    ["dbc.cloud.databricks.com:", "dbc.cloud.databricks.com:", noHost],
    ["x.cloud.dätabricks.com", "x.cloud.d�tabricks.com", noHost],
    ["x\u0000y\u2028z", "x�y�z", noHost],
    ["user:hunter2@evil.com", "…@evil.com", userInformation],
    ["https://user:hunter2@evil.com", "https://…@evil.com", userInformation],
    ["git+ssh.2-x://hunter2@evil.com", "git+ssh.2-x://…@evil.com", "the scheme git+ssh.2-x:// is not https://"],
    ["https://a@hunter2@evil.com", "https://…@evil.com", userInformation],
    ["line\nhunter2@evil.com", "…@evil.com", userInformation],
    ["2x://hunter2@evil.com", "…@evil.com", userInformation],
    ["x.cloud.databricks.com/hunter2", "x.cloud.databricks.com…", path],
    ["https://x.cloud.databricks.com/sql/hunter2?o=1", "https://x.cloud.databricks.com…", path],
    ["https://x.cloud.databricks.com\\hunter2", "https://x.cloud.databricks.com…", path],
    ["https://x.cloud.databricks.com/one\nhunter2", "https://x.cloud.databricks.com…", path],
    ["git+ssh.2-x://evil.com/hunter2", "git+ssh.2-x://evil.com…", "the scheme git+ssh.2-x:// is not https://"],
    ["2x://evil.com/hunter2", "2x:…", path],
    ["x.cloud.databricks.com?o=hunter2", "x.cloud.databricks.com…", query],
    ["x.cloud.databricks.com#hunter2", "x.cloud.databricks.com…", query],
    ["x.cloud.databricks.com:0", "x.cloud.databricks.com:0", "the port 0 does not exist"],
    ["x.cloud.databricks.com:65536", "x.cloud.databricks.com:65536", "the port 65536 does not exist"],
    ["127.1", "127.1", "it is an IP address in an unusual notation, or no host name"],
    [
      "http://x.cloud.databricks.com",
      "http://x.cloud.databricks.com",
      "http:// is for loopback hosts alone; a workspace is reached over https://"
    ],
    ["dapi0123456789abcdef", "(looks like a secret, not shown)", "it looks like a secret, not like a host name"]
  ] as const)("as %j is shown without what may be a secret, and it is said what is wrong", ([input, shown, why]) =>
    Effect.gen(function* () {
      const list = yield* allowList(databricksDomains)
      for (const refused of [admit(input, list), canonicalize(input)]) {
        const reason = yield* reasonOf(refused)
        assert.deepStrictEqual([reason.instance, reason.why], [shown, why])
      }
    })
  )

  it.effect("is told what is allowed, where it is the list that keeps it out", () =>
    Effect.gen(function* () {
      const list = yield* allowList(["a.example.com", "*.example.org"])
      for (const [input, why] of [
        ["b.example.com", "it is not on the allow-list"],
        ["10.0.0.1", "an IP address is allowed only where the operator lists it"]
      ] as const) {
        const reason = yield* reasonOf(admit(input, list))
        assert.deepInclude(reason, { why, allowed: ["a.example.com", "*.example.org"] })
      }
    })
  )

  it.effect("by itself, whoever may use it, is told of no list", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* reasonOf(canonicalize("a b")), { allowed: [] })
    })
  )
})

describe("the operator's own instance", () => {
  const own = (input: string, listed: ReadonlyArray<string> = []) =>
    Effect.fromResult(operatorsOwn("THE_SETTING", input, listed))

  it.effect("is a host name, or a stand-in on this machine", () =>
    Effect.gen(function* () {
      for (const input of ["dbc-a1b2.cloud.databricks.com", "127.0.0.1:8443", "http://localhost:8080", "[::1]:1"]) {
        assert.strictEqual(yield* own(input), yield* canonicalize(input))
      }
    })
  )

  it.effect("is an IP address only where it is listed too, however it is written", () =>
    Effect.gen(function* () {
      for (const input of ["10.0.0.1", "https://10.0.0.1/", "[fd00::1]"]) {
        const reason = yield* reasonOf(own(input, ["*.example.com", "10.0.0.2"]))
        assert.include(reason.message, "expected in THE_SETTING: a host name such as")
        assert.strictEqual(yield* own(input, [input.replace(/\/$/, "")]), yield* canonicalize(input))
      }
      assert.strictEqual(yield* own("https://10.0.0.1/", ["10.0.0.1:443"]), "10.0.0.1")
    })
  )
})

describe("an item of the allow-list", () => {
  const noDomain = "a wildcard needs a domain, not an address or a scheme"
  it.effect.each([
    ["*", noHost],
    ["a b", noHost],
    ["x.example.com/y", path],
    ["*.10.0.0.1", noDomain],
    ["*.[::1]", noDomain],
    ["*.https://example.com", noDomain]
  ] as const)("%s is refused, and it is said where it stands and what is wrong", ([item, why]) =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(allowList(["good.example.com", item]))
      const expected =
        "expected in FLYTE_DATABRICKS_ALLOWED_INSTANCES: host names and *. wildcards, separated by commas"
      assert.deepInclude(reason, { why: `${why}; ${expected}`, allowed: [] })
    })
  )

  it.effect("with a wildcard covers the names below its domain at its port, and no others", () =>
    Effect.gen(function* () {
      const { allows } = yield* allowList(["*.example.com", "*.ports.example.org:8443"])
      const covered = (input: string) => Effect.map(canonicalize(input), allows)
      for (const input of ["a.example.com", "a.b.example.com", "A.EXAMPLE.COM", "x.ports.example.org:8443"]) {
        assert.isTrue(yield* covered(input), input)
      }
      for (const input of [
        "example.com",
        "aexample.com",
        "a.example.com:8443",
        "x.ports.example.org",
        "x.ports.example.org:443",
        "a.example.com.evil.org",
        "http://localhost:8443",
        "10.0.0.1"
      ]) {
        assert.isFalse(yield* covered(input), input)
      }
    })
  )
})
