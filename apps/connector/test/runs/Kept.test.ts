/** What is worth keeping, and what leaves to make room. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import * as Kept from "../../src/runs/Kept.ts"

const keys = (kept: Kept.Kept<string, string>) => [...kept.values()]

/** Sets so many, each its own value of one character. */
const fill = (kept: Kept.Kept<string, string>, count: number, from = 0) => {
  for (let n = from; n < from + count; n++) kept.set(`k${n}`, `k${n}`, 1)
}

describe("what is kept", () => {
  it("is all of it as long as there is room", () => {
    const kept = Kept.make<string, string>({ entries: 32, characters: 100 })
    fill(kept, 32)
    assertEquals(keys(kept).length, 32)
  })

  it("gives up a sixteenth when there are too many: what was not touched for longest first", () => {
    const left: Array<string> = []
    const kept = Kept.make<string, string>({ entries: 32, characters: 100 }, (value) => left.push(value))
    fill(kept, 32)
    kept.set("k0", "k0", 1)
    kept.set("new", "new", 1)
    assertEquals(left, ["k1", "k2", "k3"])
    assertEquals(keys(kept).slice(-2), ["k0", "new"])
    assertEquals(keys(kept).length, 30)
  })

  it("gives up a sixteenth of its text where that is too long", () => {
    const left: Array<string> = []
    const kept = Kept.make<string, string>({ entries: 1000, characters: 160 }, (value) => left.push(value))
    fill(kept, 160)
    assertEquals(left, [])
    kept.set("long", "long", 5)
    assertEquals(left.length, 15)
    assertEquals(kept.get("k14"), undefined)
    assertEquals(kept.get("k15"), "k15")
  })

  it("counts what is replaced or deleted no longer", () => {
    const left: Array<string> = []
    const kept = Kept.make<string, string>({ entries: 4, characters: 10 }, (value) => left.push(value))
    kept.set("one", "one", 9)
    kept.set("one", "one", 1)
    kept.set("two", "two", 9)
    kept.delete("two")
    kept.set("three", "three", 9)
    assertEquals(left, [])
    assertEquals(keys(kept), ["one", "three"])
  })

  it("has what came last, however long it is", () => {
    const kept = Kept.make<string, string>({ entries: 4, characters: 10 })
    fill(kept, 3)
    kept.set("huge", "huge", 1000)
    assertEquals(keys(kept), ["huge"])
  })

  it("is never more than it may be, whatever comes", () => {
    const kept = Kept.make<string, string>({ entries: 20, characters: 50 })
    for (let n = 0; n < 500; n++) {
      kept.set(`k${(n * 7) % 60}`, "x", 1 + (n % 5))
      assert.isAtMost(keys(kept).length, 20)
      assertEquals(kept.get(`k${(n * 7) % 60}`), "x")
    }
  })
})
