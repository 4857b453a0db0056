/**
 * Requests to the API server in its own words. The generated client drops what it does not know from an object, and a
 * misspelt field of a manifest is to be refused and not dropped.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Pool } from "undici"
import { ControlPlaneError, RequestFailed } from "./ControlPlaneError.ts"

/** A request; `body` is sent as JSON. */
export interface ApiRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE"
  readonly path: string
  readonly body?: unknown
  readonly contentType?: string
}

const decodeStatus = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ message: Schema.String })))

/** Makes a client; its connections are closed with the scope. */
export const make = Effect.fnUntraced(function* (options: {
  readonly url: string
  readonly caPem: string
  readonly token: Redacted.Redacted
}) {
  const pool = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new Pool(options.url, {
          connections: 8,
          connect: { ca: options.caPem },
          headersTimeout: 10_000,
          bodyTimeout: 10_000
        })
    ),
    (pool) => Effect.promise(() => pool.destroy())
  )

  const failed = ({ method, path }: ApiRequest, problem: string) =>
    new ControlPlaneError({ reason: new RequestFailed({ request: `${method} ${path}`, problem }) })

  /** Sends the request; the answer is its status and text. */
  const send = (request: ApiRequest) =>
    Effect.tryPromise({
      try: async (signal) => {
        const { statusCode, body } = await pool.request({
          method: request.method,
          path: request.path,
          headers: {
            authorization: `Bearer ${Redacted.value(options.token)}`,
            accept: "application/json",
            "content-type": request.contentType ?? "application/json"
          },
          body: request.body === undefined ? null : JSON.stringify(request.body),
          signal
        })
        return { status: statusCode, text: await body.text() }
      },
      catch: (error) => failed(request, String(error))
    })

  /** Sends the request and fails on any answer but a 2xx, or what else is expected. */
  const call = Effect.fnUntraced(function* (request: ApiRequest, ...expected: ReadonlyArray<number>) {
    const answer = yield* send(request)
    const { status, text } = answer
    if ((status >= 200 && status < 300) || expected.includes(status)) return answer
    const said = Option.match(decodeStatus(text), { onNone: () => text, onSome: ({ message }) => message })
    return yield* failed(request, `${status} ${said}`)
  })

  /** The same, and reads the answer. */
  const ask = Effect.fnUntraced(function* <A>(request: ApiRequest, answer: Schema.Codec<A, unknown>) {
    const { text } = yield* call(request)
    return yield* Effect.mapError(Schema.decodeEffect(Schema.fromJsonString(answer))(text), () =>
      failed(request, "the answer is not what was asked for")
    )
  })

  return { send, call, ask }
})

/** A client that was made. */
export type ApiClient = Effect.Success<ReturnType<typeof make>>
