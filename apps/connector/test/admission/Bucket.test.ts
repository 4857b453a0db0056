/** How often a workspace is asked: never beyond its limit, less once it says that this is too much, and more again. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import * as Bucket from "../../src/admission/Bucket.ts"

/** When tokens are taken by who takes each as soon as there is one, in milliseconds. */
const taken = (bucket: Bucket.Bucket, until: number, from = 0): ReadonlyArray<number> => {
  const times: Array<number> = []
  for (let now = from; now < until; now = Math.max(now, bucket.readyAt(now))) if (bucket.take(now)) times.push(now)
  return times
}

const mostInASecond = (times: ReadonlyArray<number>): number => {
  let most = 0
  let first = 0
  for (const [last, at] of times.entries()) {
    while (times[first]! <= at - 1000) first++
    most = Math.max(most, last - first + 1)
  }
  return most
}

describe("a bucket", () => {
  for (const limit of [1, 2, 9, 35, 100, 5000]) {
    it(`of ${limit} a second never gives more in one, wherever it begins, and nine tenths of them`, () => {
      const times = taken(Bucket.make(limit, 0), 10_000)
      assert.isAtMost(mostInASecond(times), limit)
      assert.isAtLeast(times.length, limit >= 10 ? limit * 8.9 : (limit * 10) / 2)
    })
  }

  it("that was left alone gives a tenth of a second's at once", () => {
    assert.strictEqual(taken(Bucket.make(100, 0), 1).length, 10)
  })

  it("gives half as much after a 429, and is back in half a minute", () => {
    const bucket = Bucket.make(100, 0)
    taken(bucket, 1000)
    bucket.limited(900, 1000, 0)
    assert.closeTo(bucket.rate(1000), 45, 0.1)
    assert.isFalse(bucket.take(1000))
    assert.closeTo(taken(bucket, 2000, 1000).length, 46, 3)
    assert.closeTo(bucket.rate(31_000), 90, 0.1)
  })

  it("halves once for all that were sent before it did", () => {
    const bucket = Bucket.make(100, 0)
    for (let n = 0; n < 50; n++) bucket.limited(900, 1000 + n, 0)
    assert.isAbove(bucket.rate(1050), 44)
    bucket.limited(1060, 1100, 0)
    assert.isBelow(bucket.rate(1100), 24)
  })

  it("is never closed for good, however often it hears 429", () => {
    const bucket = Bucket.make(35, 0)
    for (let now = 0; now < 60_000; now += 100) if (bucket.take(now)) bucket.limited(now, now, 0)
    const more = taken(bucket, 62_000, 60_000)
    assert.isAtLeast(more.length, 1)
  })

  it("tries once a second while Retry-After lasts, and is open again once one gets through", () => {
    const bucket = Bucket.make(100, 0)
    bucket.limited(0, 0, 30_000)
    assert.strictEqual(taken(bucket, 5500).length, 5)
    bucket.answered(4000, 5500)
    assert.isAbove(taken(bucket, 6500, 5500).length, 40)
  })

  it("takes an answer to what was sent before a 429 for no sign that it is over", () => {
    const bucket = Bucket.make(100, 0)
    bucket.limited(0, 1000, 30_000)
    bucket.answered(500, 1500)
    assert.isAtMost(taken(bucket, 3000, 1500).length, 2)
  })

  it("waits no longer than a minute, whatever it is told", () => {
    const bucket = Bucket.make(100, 0)
    bucket.limited(0, 0, 86_400_000)
    assert.isAbove(taken(bucket, 62_000, 61_000).length, 40)
  })

  for (const count of [1, 5, 50, 500]) {
    it(`foretells no longer a wait for ${count} than there is`, () => {
      const cut = () => {
        const bucket = Bucket.make(35, 0)
        bucket.limited(0, 0, 0)
        return bucket
      }
      const times = taken(cut(), 60_000)
      assert.isAtMost(cut().millisFor(count, 0), (times[count - 1] ?? Infinity) + 1)
    })
  }

  it.prop("never gives more than its limit in a second, whatever happens", { limit, events }, ({ limit, events }) => {
    const bucket = Bucket.make(limit, 0)
    const times: Array<number> = []
    let now = 0
    for (const { after, what, wait } of events) {
      now += after
      if (what === "limited") bucket.limited(times.at(-1) ?? 0, now, wait)
      else if (what === "answered") bucket.answered(times.at(-1) ?? 0, now)
      else if (what === "given back") {
        if (bucket.take(now)) bucket.giveBack()
      } else while (bucket.take(now)) times.push(now)
      assert.isAtLeast(bucket.rate(now), Math.min(limit / 2, 1))
      assert.isAtMost(bucket.rate(now), limit)
      assert.isAtMost(bucket.readyAt(now), now + 2001)
    }
    assert.isAtMost(mostInASecond(times), limit)
  })
})

const limit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 }))
const events = Arbitrary.array(
  Arbitrary.schema(
    Schema.Struct({
      after: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 400 })),
      what: Schema.Literals(["taken", "taken", "taken", "given back", "limited", "answered"]),
      wait: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5000 }))
    })
  ),
  { minLength: 20, maxLength: 100 }
)
