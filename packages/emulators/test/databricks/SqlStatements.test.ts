/** The SQL Statement Execution API, by its simplest path. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { bearer, get, post } from "../support/http.ts"
import { withWorkspace } from "../support/workspace.ts"

const asked = { statement: "SELECT current_user()", warehouse_id: "abc" }
const ann = bearer("dapi-ann")

describe("a statement", () => {
  it.effect("succeeds at once, with a row that says who asked, and is there to be read again", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ url }) {
        const { json, status } = yield* post(`${url}/api/2.0/sql/statements`, asked, ann)
        assert.strictEqual(status, 200)
        assert.deepStrictEqual(json.status, { state: "SUCCEEDED" })
        assert.deepStrictEqual(json.result.data_array, [["ann"]])
        assert.strictEqual(json.manifest.schema.column_count, json.manifest.schema.columns.length)
        assert.strictEqual(json.manifest.total_row_count, json.result.row_count)
        const again = yield* get(`${url}/api/2.0/sql/statements/${json.statement_id}`, ann)
        assert.deepStrictEqual(again.json, json)
        const canceled = yield* post(`${url}/api/2.0/sql/statements/${json.statement_id}/cancel`, {}, ann)
        assert.deepStrictEqual([canceled.status, canceled.json], [200, {}])
      })
    )
  )

  it.effect("is nobody else's, and one that is not there is not found", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ url }) {
        const { json } = yield* post(`${url}/api/2.0/sql/statements/`, asked, ann)
        for (const id of [json.statement_id, "nothing"]) {
          const other = yield* get(`${url}/api/2.0/sql/statements/${id}`, bearer("dapi-bob"))
          assert.deepStrictEqual([other.status, other.json.error_code], [404, "NOT_FOUND"])
        }
      })
    )
  )

  it.effect("is refused without a credential, and without what it takes", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ url }) {
        const path = `${url}/api/2.0/sql/statements`
        assert.strictEqual((yield* post(path, asked, {})).status, 401)
        for (const [body, says] of [
          [{ warehouse_id: "abc" }, "Missing required field: statement"],
          [{ ...asked, statement: " " }, "Missing required field: statement"],
          [{ statement: "SELECT 1" }, "Missing required field: warehouse_id"],
          ["{", "it is not JSON"],
          ["[]", "expected a JSON object"]
        ] as const) {
          const { json, status } = yield* post(path, body, ann)
          assert.strictEqual(status, 400)
          assert.include(json.message, says)
        }
      })
    )
  )

  it.effect("is not kept for ever", () =>
    withWorkspace(
      {},
      Effect.fnUntraced(function* ({ url }) {
        const path = `${url}/api/2.0/sql/statements`
        const first = yield* post(path, asked, ann)
        yield* Effect.forEach(Array.from({ length: 1000 }), () => post(path, asked, ann), { concurrency: 20 })
        assert.strictEqual((yield* get(`${path}/${first.json.statement_id}`, ann)).status, 404)
      })
    )
  )
})
