/**
 * Which requests a fault rule or a question to the record is about.
 */
import * as Regex from "effect/RegExp"
import * as Schema from "effect/Schema"

/** A method and a path pattern; what is left out matches everything. */
export const RequestMatch = Schema.Struct({
  /** The HTTP method, in any case. */
  method: Schema.optional(Schema.String),
  /** The path without the query; `*` stands for any run of characters, slashes included. */
  path: Schema.optional(Schema.String)
})
export type RequestMatch = typeof RequestMatch.Type

const pattern = (path: string): RegExp => new RegExp(`^${path.split("*").map(Regex.escape).join(".*")}$`)

/** Whether the request has the method and the path that the match asks for. */
export const matches = (match: RequestMatch, request: { readonly method: string; readonly path: string }): boolean =>
  (match.method === undefined || match.method.toUpperCase() === request.method.toUpperCase()) &&
  (match.path === undefined || pattern(match.path).test(request.path))
