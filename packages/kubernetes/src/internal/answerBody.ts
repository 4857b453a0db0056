/**
 * The body of an answer, read to its end or to a limit.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import { UnexpectedBody } from "./answers.ts"

// etcd takes objects of up to 1.5 MiB. A Secret's data, up to 1 MiB of that, grows to 1.4 MiB in base64: less than
// 2 MiB in all, doubled because JSON escapes text.
const maxBodyBytes = 4 * 1024 * 1024

/** Reads it; a success has to be JSON. */
export const read = async (
  status: number,
  contentType: string | undefined,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
): Promise<Buffer> => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  // Leaving the loop cancels the stream, and with it the connection.
  for await (const chunk of body) {
    length += chunk.length
    if (length > maxBodyBytes)
      throw new UnexpectedBody({ detail: `answered ${status} with more than ${maxBodyBytes} bytes` })
    chunks.push(chunk)
  }
  if (status < 300 && !/^application\/json\b/i.test(contentType ?? "")) {
    const said = printable(contentType ?? "no content type", { maxLength: 500 })
    throw new UnexpectedBody({ detail: `answered ${status} with ${said} in place of JSON` })
  }
  return Buffer.concat(chunks)
}
