import { Connection } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Option, Redacted } from "effect"

const token = (sent: string | undefined, secretName?: string) =>
  Effect.fromResult(
    Connection.token(
      { databricksToken: Option.map(Option.fromUndefinedOr(sent), (text) => Redacted.make(text)) },
      Option.fromUndefinedOr(secretName)
    )
  )

describe("the PAT of a connection", () => {
  it.effect("is trimmed, and shows itself as a PAT", () =>
    Effect.gen(function* () {
      const pat = Option.getOrThrow(yield* token(" hunter2\n"))
      assert.strictEqual(Redacted.value(pat), "hunter2")
      assert.strictEqual(String(pat), "<redacted:PAT>")
    })
  )

  it.effect("is absent where nothing was sent, and where it is blank and the task names no secret", () =>
    Effect.gen(function* () {
      assertEquals(yield* token(undefined), Option.none())
      assertEquals(yield* token(undefined, "my-token"), Option.none())
      assertEquals(yield* token(" \n"), Option.none())
    })
  )

  it.effect("is broken where the secret that the task names is blank", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(token(" \n", "my-token"))
      assert.include(message, 'connection.secrets["databricks_token"] of the request is blank')
      assert.include(message, 'though the task names secret "my-token"')
      assert.include(message, "Give that secret of Flyte a value, or take databricks_token off the task.")
    })
  )

  it.effect("is broken where no header could carry it", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(token("one\ntwo"))
      assert.include(
        message,
        'connection.secrets["databricks_token"] of the request holds characters, or so many of them, that no header'
      )
      assert.include(message, "Put the token alone there, on one line.")
    })
  )
})
