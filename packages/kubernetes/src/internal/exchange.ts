/**
 * How the library's generated client sends a request and reads the answer, through the middleware it takes for that.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import { type ObservableMiddleware, Observable, type ResponseBody, ResponseContext } from "@kubernetes/client-node"
import type { Dispatcher } from "undici"
import { UnexpectedBody } from "./answers.ts"

// etcd takes objects of up to 1.5 MiB. A Secret's data, up to 1 MiB of that, grows to 1.4 MiB in base64: less than
// 2 MiB in all, doubled because JSON escapes text.
const maxBodyBytes = 4 * 1024 * 1024

/** Sends with these headers over this pool until the signal aborts; reads the whole body, up to a limit. */
export const exchange = (request: {
  readonly headers: Readonly<Record<string, string>>
  readonly dispatcher: Dispatcher
  readonly signal: AbortSignal
  /** Told the status of the answer. */
  readonly answered: (status: number) => void
}): ObservableMiddleware => ({
  pre: (context) => {
    for (const [name, value] of Object.entries(request.headers)) context.setHeaderParam(name, value)
    context.setDispatcher(request.dispatcher)
    context.setSignal(request.signal)
    return new Observable(Promise.resolve(context))
  },
  // The library leaves some bodies unread, and an unread body keeps its connection from the pool.
  post: (context) => {
    request.answered(context.httpStatusCode)
    return new Observable(
      readBody(context).then((bytes) => new ResponseContext(context.httpStatusCode, context.headers, bodyOf(bytes)))
    )
  }
})

const readBody = async ({ httpStatusCode: status, headers, body }: ResponseContext): Promise<Buffer> => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  // Leaving the loop cancels the stream, and with it the connection.
  for await (const chunk of body.stream() ?? []) {
    length += chunk.length
    if (length > maxBodyBytes)
      throw new UnexpectedBody({ detail: `answered ${status} with more than ${maxBodyBytes} bytes` })
    chunks.push(chunk)
  }
  const contentType = headers["content-type"] ?? "no content type"
  if (status < 300 && !/^application\/json\b/i.test(contentType)) {
    const said = printable(contentType, { maxLength: 500 })
    throw new UnexpectedBody({ detail: `answered ${status} with ${said} in place of JSON` })
  }
  return Buffer.concat(chunks)
}

const bodyOf = (bytes: Buffer): ResponseBody => ({
  text: () => Promise.resolve(bytes.toString("utf8")),
  binary: () => Promise.resolve(bytes),
  stream: () => null
})
