/** What a call asks for is the same whenever it is read, and need not be kept meanwhile. */
import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Result } from "effect"
import * as Asked from "../../src/call/Asked.ts"
import { Received } from "../../src/grpc/Received.ts"

/** Of a request whose messages are numbered as they are made. */
const make = () => {
  const made = { messages: 1, tasks: 0 }
  const received = new Received({ number: 1 }, () => ({ number: ++made.messages }), 7)
  const asked = Asked.make(received, ({ number }) => Result.succeed({ number, task: ++made.tasks }))
  return { asked, made }
}

describe("what is asked for", () => {
  it.effect("is made once, however often it is read", () =>
    Effect.gen(function* () {
      const { asked, made } = make()
      assertEquals(yield* asked.read, { number: 1, task: 1 })
      assertEquals(yield* asked.read, { number: 1, task: 1 })
      assertEquals({ ...made }, { messages: 1, tasks: 1 })
    })
  )

  it.effect("is made anew of what was sent after it was let go", () =>
    Effect.gen(function* () {
      const { asked, made } = make()
      yield* asked.read
      asked.letGo()
      assertEquals({ ...made }, { messages: 1, tasks: 1 })
      assertEquals(yield* asked.read, { number: 2, task: 2 })
      assertEquals({ ...made }, { messages: 2, tasks: 2 })
    })
  )
})
