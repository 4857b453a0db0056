import * as BoundedBody from "@flyte-databricks/databricks-auth/http/BoundedBody"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpClientRequest, HttpClientResponse } from "effect/http"

/** The text of a body that comes in these pieces. */
const read = (pieces: ReadonlyArray<Uint8Array>, limit: number) =>
  BoundedBody.text(responseOf(ReadableStream.from(pieces)), limit)

/** A body of so many pieces of a size, and how many of them were asked for. */
const counted = (pieces: number, size: number, headers: Record<string, string> = {}) => {
  let pulled = 0
  const body = new ReadableStream({
    pull(controller) {
      if (pulled === pieces) return controller.close()
      pulled += 1
      controller.enqueue(new Uint8Array(size))
    }
  })
  return { response: responseOf(body, headers), pulled: () => pulled }
}

const responseOf = (body: ReadableStream, headers: Record<string, string> = {}) =>
  HttpClientResponse.fromWeb(HttpClientRequest.get("http://localhost"), new Response(body, { headers }))

const bytes = (text: string) => new TextEncoder().encode(text)

describe("a body that nobody wants", () => {
  it.effect("is read whole where it is short, so that its connection is free", () =>
    Effect.gen(function* () {
      const { response, pulled } = counted(3, 20_000)
      yield* BoundedBody.discard(response)
      assert.strictEqual(pulled(), 3)
    })
  )

  it.effect("is cut off at 64 KiB, without a fault", () =>
    Effect.gen(function* () {
      const { response, pulled } = counted(1000, 1024)
      yield* BoundedBody.discard(response)
      assert.isAtLeast(pulled(), 64)
      assert.isBelow(pulled(), 80)
    })
  )
})

describe("room for a large body", () => {
  const asked = (pieces: number, headers: Record<string, string> = {}) =>
    Effect.gen(function* () {
      const { response, pulled } = counted(pieces, 16 * 1024, headers)
      const pulledBefore: Array<number> = []
      const room = Effect.sync(() => void pulledBefore.push(pulled()))
      const text = yield* BoundedBody.text(response, 1024 * 1024, room)
      assert.lengthOf(text, pieces * 16 * 1024)
      return pulledBefore
    })

  it.effect("is made once, before the rest of it is read", () =>
    Effect.gen(function* () {
      for (const headers of [{}, { "content-length": String(32 * 16 * 1024) }]) {
        const [pulledBefore = 0, ...more] = yield* asked(32, headers)
        assert.isAtLeast(pulledBefore, 5)
        assert.isBelow(pulledBefore, 10)
        assert.deepStrictEqual(more, [])
      }
    })
  )

  it.effect("is not waited for by a small one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* asked(4), [])
      assert.deepStrictEqual(yield* asked(4, { "content-length": String(4 * 16 * 1024) }), [])
    })
  )
})

describe("a body", () => {
  it.effect("is read whole, also where a character is cut in two", () =>
    Effect.gen(function* () {
      const all = bytes("größer als 1 €")
      for (let cut = 0; cut <= all.length; cut++) {
        assert.strictEqual(yield* read([all.slice(0, cut), all.slice(cut)], 100), "größer als 1 €")
      }
    })
  )

  it.effect("that ends in the middle of a character shows that", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* read([bytes("1 €").slice(0, -1)], 100), "1 �")
    })
  )

  it.effect("without a byte is empty", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* read([], 100), "")
    })
  )

  it.effect("may be as large as the limit, and no larger; bytes count", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* read([bytes("ab"), bytes("ä")], 4), "abä")
      const error = yield* Effect.flip(read([bytes("ab"), bytes("ä")], 3))
      assert.strictEqual(error._tag, "BodyTooLarge")
      assert.strictEqual(error.message, "the body is larger than 3 bytes")
    })
  )

  it.effect("that announces a length within the limit is read whole", () =>
    Effect.gen(function* () {
      const { response } = counted(3, 10, { "content-length": "30" })
      assert.strictEqual(yield* BoundedBody.text(response, 30), "\0".repeat(30))
    })
  )

  it.effect("is read without a stream only where it announces that it is small: a stream costs more", () =>
    Effect.gen(function* () {
      const isStreamed = Effect.fnUntraced(function* (size: number, headers: Record<string, string>) {
        let streamed = false
        const response = new Proxy(counted(1, size, headers).response, {
          get: (target, key) => {
            streamed ||= key === "stream"
            return Reflect.get(target, key, target)
          }
        })
        yield* BoundedBody.text(response, 100_000)
        return streamed
      })
      const small = 64 * 1024
      for (const size of [10, small]) assert.isFalse(yield* isStreamed(size, { "content-length": String(size) }))
      assert.isTrue(yield* isStreamed(small + 1, { "content-length": String(small + 1) }))
      for (const announced of ["", "x", "1x", "x1", "1e1"])
        assert.isTrue(yield* isStreamed(1, { "content-length": announced }))
      assert.isTrue(yield* isStreamed(10, { "content-length": "10", "content-encoding": "gzip" }))
      assert.isTrue(yield* isStreamed(10, {}))
    })
  )

  it.effect(
    "is cut off at the limit where its length is announced as more, as nonsense, or before it is decompressed",
    () =>
      Effect.gen(function* () {
        const announced = [
          { "content-length": "1024000" },
          { "content-length": "-1" },
          { "content-length": "100", "content-encoding": "gzip" }
        ]
        for (const headers of announced) {
          const { response, pulled } = counted(1000, 1024, headers)
          assert.strictEqual((yield* Effect.flip(BoundedBody.text(response, 10_000)))._tag, "BodyTooLarge")
          assert.isBelow(pulled(), 30)
        }
      })
  )
})
