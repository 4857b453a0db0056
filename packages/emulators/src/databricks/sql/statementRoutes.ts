/**
 * The SQL Statement Execution API, as far as somebody needs it who asks whether a login works: a statement succeeds at
 * once, whatever it says, with one row that has who asked.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Predicate from "effect/Predicate"
import { uuid } from "../../internal/randomText.ts"
import { type ApiError, invalidParameter, statementNotFound, toResponse } from "../ApiError.ts"
import type { Authentication, Caller } from "../Authentication.ts"
import { jsonBody } from "../jsonBody.ts"

/** A statement, and whose it is. */
interface Statement {
  readonly id: string
  readonly owner: string
  readonly workspaceId: string
}

// The service keeps results for an hour; nobody asks for as many as this.
const statementsKept = 1000

const resource = ({ id, owner }: Statement) => ({
  statement_id: id,
  status: { state: "SUCCEEDED" },
  manifest: {
    format: "JSON_ARRAY",
    schema: {
      column_count: 1,
      columns: [{ name: "current_user()", type_text: "STRING", type_name: "STRING", position: 0 }]
    },
    total_chunk_count: 1,
    chunks: [{ chunk_index: 0, row_offset: 0, row_count: 1 }],
    total_row_count: 1,
    truncated: false
  },
  result: { chunk_index: 0, row_offset: 0, row_count: 1, data_array: [[owner]] }
})

/** The routes, over the check of who calls. */
export const statementRoutes = (authentication: Authentication) => {
  const statements = new Map<string, Statement>()

  const call = <R>(handler: (caller: Caller) => Effect.Effect<object, ApiError, R>) =>
    authentication.pipe(
      Effect.flatMap(handler),
      Effect.map((body) => HttpServerResponse.jsonUnsafe(body)),
      Effect.catchTag("ApiError", toResponse)
    )

  const execute = call(
    Effect.fnUntraced(function* ({ principal, workspaceId }) {
      const body = yield* jsonBody
      for (const field of ["statement", "warehouse_id"]) {
        const value = body[field]
        if (!Predicate.isString(value) || value.trim() === "") {
          return yield* invalidParameter(`Missing required field: ${field}`)
        }
      }
      const statement = { id: yield* uuid, owner: principal.name, workspaceId }
      statements.set(statement.id, statement)
      if (statements.size > statementsKept) statements.delete(statements.keys().next().value ?? statement.id)
      return resource(statement)
    })
  )

  /** Somebody else's statement is none. */
  const find = Effect.fnUntraced(function* ({ principal, workspaceId }: Caller) {
    const { id = "" } = yield* HttpRouter.params
    const statement = statements.get(id)
    return statement?.owner === principal.name && statement.workspaceId === workspaceId
      ? statement
      : yield* statementNotFound(id)
  })

  return [
    HttpRouter.route("POST", "/api/2.0/sql/statements", execute),
    HttpRouter.route(
      "GET",
      "/api/2.0/sql/statements/:id",
      call((caller) => Effect.map(find(caller), resource))
    ),
    HttpRouter.route(
      "POST",
      "/api/2.0/sql/statements/:id/cancel",
      call((caller) => Effect.as(find(caller), {}))
    )
  ]
}
