/**
 * This client as an interceptor of undici.
 *
 * ```ts
 * const dispatcher = new Agent().compose(undiciInterceptor(workspace))
 * ```
 */
import type { Databricks } from "../Databricks.ts"
import { DatabricksError } from "../DatabricksError.ts"

interface Options {
  readonly origin?: string | URL
  readonly headers?: Iterable<unknown> | Readonly<Record<string, unknown>> | null
}

interface Handler {
  onResponseStart?(controller: unknown, status: number, headers: unknown, text?: string): void
  onResponseError?(controller: unknown, error: Error): void
}

type Dispatch = (options: Options, handler: Handler) => boolean

/**
 * Adds the headers to requests of the workspace; one to another origin fails, and so does one that names no origin. After
 * a 401 the next request has a new token: the interceptor itself sends none again.
 */
export const undiciInterceptor =
  (workspace: Pick<Databricks, "headers" | "invalidate" | "origin">) =>
  <D extends (options: never, handler: never) => boolean>(dispatch: D): D => {
    // undici is no dependency of this package, so its types are said here as far as they matter.
    const send = dispatch as unknown as Dispatch
    const intercepted: Dispatch = (options, handler) => {
      const begin = async () => {
        const own = await workspace.origin()
        const origin = options.origin === undefined ? "no origin" : new URL(options.origin).origin
        if (origin !== own) {
          throw new DatabricksError("origin_foreign", `The token goes to ${own} alone, and this request to ${origin}.`)
        }
        const headers = await workspace.headers()
        const refused = () =>
          void workspace.invalidate(headers["authorization"]?.replace(/^Bearer /, "")).catch(() => {})
        send({ ...options, headers: merged(options.headers, headers) }, watched(handler, refused))
      }
      begin().catch((error: unknown) => handler.onResponseError?.(null, error as Error))
      return true
    }
    return intercepted as unknown as D
  }

/** The handler as it is, beside which somebody hears of a 401. */
const watched = (handler: Handler, refused: () => void): Handler =>
  new Proxy(handler, {
    get: (target, name) => {
      if (name === "onResponseStart") {
        const started: Handler["onResponseStart"] = (controller, status, headers, text) => {
          if (status === 401) refused()
          target.onResponseStart?.(controller, status, headers, text)
        }
        return started
      }
      const value: unknown = Reflect.get(target, name)
      return typeof value === "function" ? value.bind(target) : value
    }
  })

// undici takes an object, pairs, or names and values in turns.
const merged = (given: Options["headers"], ours: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  const pairs = pairsOf(given).filter(([name]) => !(name.toLowerCase() in ours))
  return [...pairs, ...Object.entries(ours)].flat()
}

const pairsOf = (given: Options["headers"]): ReadonlyArray<readonly [string, string]> => {
  if (given == null) return []
  const isIterable = (value: object): value is Iterable<unknown> => Symbol.iterator in value
  if (!isIterable(given)) return Object.entries(given).flatMap(([name, value]) => valuesOf(name, value))
  const items = [...given]
  return typeof items[0] === "string"
    ? items.flatMap((name, index) => (index % 2 === 0 ? valuesOf(String(name), items[index + 1]) : []))
    : items.flatMap((pair) =>
        valuesOf(String((pair as ReadonlyArray<unknown>)[0]), (pair as ReadonlyArray<unknown>)[1])
      )
}

const valuesOf = (name: string, value: unknown): ReadonlyArray<readonly [string, string]> =>
  value === undefined ? [] : Array.isArray(value) ? value.map((each) => [name, String(each)]) : [[name, String(value)]]
