/** The reader of addresses: what a host is by its name, what is no address, and what is read only once. */
import { assert, describe, it } from "@effect/vitest"
import { idInName, isIpAddress, parse } from "../../src/internal/workspaceAddress.ts"

describe("a host", () => {
  it.each(["10.0.0.12", "2130706433", "0x7f", "1.2.3.0x1f", "[::1]"])("%s is an IP address", (hostname) => {
    assert.isTrue(isIpAddress(hostname))
  })

  it.each(["node7", "db.corp1", "10.example.com", "0x7f.example.com", "db.x0x7"])("%s is a name", (hostname) => {
    assert.isFalse(isIpAddress(hostname))
  })

  it.each([
    ["adb-12.17.azuredatabricks.net", "12"],
    ["adb-12.17.databricks.azure.us", "12"],
    ["12.17.gcp.databricks.com", "12"],
    ["adb-12.17.azuredatabricks.net.example.com", undefined],
    ["x12.17.gcp.databricks.com", undefined],
    ["adb-12.azuredatabricks.net", undefined]
  ] as const)("%s says of itself that it is workspace %s", (hostname, id) => {
    assert.strictEqual(idInName(hostname), id)
  })

  it("is one workspace where its name ends as Databricks', and not where it goes on", () => {
    const idOf = (host: string) => {
      const address = parse(`${host}/?o=5`)
      return typeof address === "string" ? address : address.id
    }
    assert.isUndefined(idOf("dbc-a1b2.cloud.databricks.com"))
    assert.strictEqual(idOf("dbc-a1b2.cloud.databricks.com.example.com"), "5")
  })
})

describe("what is no address", () => {
  it.each([
    ["evil.com]dbc-a1b2.cloud.databricks.com", "it is not a host name"],
    ["evil.com:dbc-a1b2.cloud.databricks.com", "it is not a host name"],
    ["dbc-a1b2.cloud.databricks.com:443]", "it is not a host name"],
    ["dbc-a1b2.cloud.databricks.com:99999", "the port 99999 does not exist"],
    ["acme.databricks.com/?x=1", "it has a query other than ?o= and the id of a workspace, or a fragment"]
  ])("%s: %s", (input, why) => {
    assert.strictEqual(parse(input), why)
  })
})

describe("an address", () => {
  const ofLength = (length: number) => "https://acme.databricks.com/?o=1&a=".padEnd(length, "x")

  it("is read once, and one that is longer than any is read anew", () => {
    // There is room for a thousand, so that one of these may be the first that does not fit.
    const kept = ["one", "two", "three"].filter((name) => {
      const address = parse(`${name}.example.com`)
      parse(`${name}.example.org`)
      return parse(`${name}.example.com`) === address
    })
    assert.isAtLeast(kept.length, 2)
    assert.strictEqual(parse(ofLength(300)), parse(ofLength(300)))
    assert.notStrictEqual(parse(ofLength(301)), parse(ofLength(301)))
    assert.deepStrictEqual(parse(ofLength(301)), parse(ofLength(300)))
  })

  it("is kept until there are a thousand others", () => {
    const first = parse("first.example.com")
    for (let other = 0; other < 1000; other++) parse(`h${other}.example.com`)
    const anew = parse("first.example.com")
    assert.notStrictEqual(anew, first)
    assert.deepStrictEqual(anew, first)
  })
})
