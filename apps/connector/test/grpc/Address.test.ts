import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Option } from "effect"
import * as Address from "../../src/grpc/Address.ts"

describe("an address", () => {
  it.each([
    ["127.0.0.1:8000", Address.Tcp({ host: "127.0.0.1", port: 8000 })],
    ["[::1]:8000", Address.Tcp({ host: "::1", port: 8000 })],
    ["connector.flyte.svc:0", Address.Tcp({ host: "connector.flyte.svc", port: 0 })],
    ["unix:/var/run/flyte/grpc.sock", Address.Unix({ path: "/var/run/flyte/grpc.sock" })]
  ])("is read and written the same: %s", (text, address) => {
    assertEquals(Address.parse(text), Option.some(address))
    assert.strictEqual(Address.show(address), text)
  })

  it.each([
    "",
    "8000",
    ":8000",
    "127.0.0.1",
    "::1:8000",
    "[127.0.0.1]:8000",
    "[::1]",
    "host:65536",
    "host:-1",
    "http://host:80",
    "unix:relative.sock",
    "unix:",
    `unix:/${"x".repeat(107)}`,
    "unix:/a\0b",
    "/var/run/grpc.sock"
  ])("is none: %j", (text) => {
    assertEquals(Address.parse(text), Option.none())
  })

  it.each([
    ["127.0.0.1:1", true],
    ["127.9.8.7:1", true],
    ["[::1]:1", true],
    ["localhost:1", true],
    ["unix:/x", true],
    ["0.0.0.0:1", false],
    ["[::]:1", false],
    ["10.0.0.1:1", false],
    ["[::ffff:10.0.0.1]:1", false],
    ["connector:1", false]
  ])("is reached from this machine alone, or not: %s", (text, isLocal) => {
    assert.strictEqual(Address.isLocal(Option.getOrThrow(Address.parse(text))), isLocal)
  })
})
