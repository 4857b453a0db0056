/**
 * What an HTTP answer means, whichever of Databricks' APIs gave it, or a proxy in its place.
 */
import type * as Headers from "effect/http/Headers"
import { printable } from "./ForeignText.ts"

/**
 * Whether the same request may be answered otherwise later.
 */
export const mayPass = (status: number): boolean => status === 408 || status === 429 || status >= 500

/** How much of a body says whether the token was refused. */
export const refusalLength = 10_000

/**
 * Whether Databricks refused the token: by 401, or by the 403 whose body says so. Another 403 is about permissions, and a
 * new token would change nothing. A body that was not read, since it is too long, says nothing.
 */
export const refusesToken = ({ status, body }: { readonly status: number; readonly body: unknown }): boolean =>
  status === 401 ||
  (status === 403 &&
    typeof body === "string" &&
    /invalid access token|token is expiring within 30 seconds/i.test(body.slice(0, refusalLength)))

/**
 * The id that Databricks' support asks for.
 */
export const requestId = (headers: Headers.Headers): string | undefined => {
  const id = headers["x-request-id"] || headers["x-databricks-request-id"]
  return id ? printable(id, { maxLength: 100 }) : undefined
}

/**
 * Whether a body is a page for people: a login page, or a proxy's.
 */
export const isHtml = (body: string): boolean => /^\s*<(!doctype|html|head|body)/i.test(body)

/**
 * What a body is that is not JSON.
 */
export const describeBody = (body: string): string => {
  if (body.trim() === "") return "the body is empty"
  return isHtml(body) ? "the body is an HTML page, not JSON" : "the body is not JSON, or only the beginning of it"
}

export const isRedirect = (status: number): boolean => status >= 300 && status < 400

/**
 * Where a redirect leads. The query of a login page's address may hold what the request was about.
 */
export const describeRedirect = (headers: Headers.Headers): string => {
  const location = headers["location"]?.replace(/[?#].*/s, "")
  const what = location ? `it redirects to ${printable(location, { maxLength: 200 })}` : "it is a redirect"
  return `${what}, which is not followed with credentials`
}
