/**
 * Takes secrets out of all that is written to standard output and standard error, whoever writes it: log lines of either
 * format, why a start failed, the answers of commands, warnings of libraries.
 */
import { redact } from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { isUtf8 } from "node:buffer"

const clean = (chunk: unknown): unknown => {
  if (typeof chunk === "string") return redact(chunk)
  return chunk instanceof Uint8Array && isUtf8(chunk) ? redact(Buffer.from(chunk).toString()) : chunk
}

for (const stream of [process.stdout, process.stderr]) {
  const write: (...given: ReadonlyArray<never>) => boolean = stream.write.bind(stream)
  stream.write = (chunk: unknown, ...rest: ReadonlyArray<unknown>) =>
    write(...([clean(chunk), ...rest] as Array<never>))
}
