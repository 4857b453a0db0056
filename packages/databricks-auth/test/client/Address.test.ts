/** The workspace's address, as the client is given it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { pat } from "../../src/client.ts"
import { clientOf, rejection } from "./support.ts"

const open = (host: string) => clientOf({ host, auth: pat("dapi") })

describe("the host", () => {
  for (const [given, origin, id] of [
    ["dbc-1.cloud.databricks.com", "https://dbc-1.cloud.databricks.com"],
    ["https://DBC-1.cloud.databricks.com/", "https://dbc-1.cloud.databricks.com"],
    ["https://acme.databricks.com/?o=1234", "https://acme.databricks.com", "1234"]
  ] as const) {
    it.effect(`is ${given}: requests go to ${origin}`, () =>
      Effect.gen(function* () {
        const client = yield* open(given)
        assert.strictEqual(yield* Effect.promise(client.origin), origin)
        assert.deepStrictEqual(yield* Effect.promise(client.headers), {
          authorization: "Bearer dapi",
          ...(id === undefined ? {} : { "x-databricks-workspace-id": id })
        })
      })
    )
  }

  for (const [given, message] of [
    ["  ", "No host: give one to databricks(), or set DATABRICKS_HOST."],
    ["ftp://dbc-1.cloud.databricks.com", /^Host "ftp:\/\/dbc-1.cloud.databricks.com" is refused: the scheme ftp.*\.$/],
    ["https://me:secret@dbc-1.cloud.databricks.com/x", /^Host "https:\/\/…@dbc-1.cloud.databricks.com…" is refused: /],
    [
      "https://acme.databricks.com",
      'Host "https://acme.databricks.com" is refused: it serves all workspaces of an account. Add the id of one, as in ' +
        "https://acme.databricks.com/?o=1234567890."
    ]
  ] as const) {
    it.effect(`is refused where it is "${given}"`, () =>
      Effect.gen(function* () {
        const error = yield* rejection((yield* open(given)).origin)
        assert.strictEqual(error.code, "configuration_invalid")
        if (typeof message === "string") assert.strictEqual(error.message, message)
        else assert.match(error.message, message)
      })
    )
  }
})
