/**
 * A page of logs as the parts of a stream, the same in both versions of Flyte but for the name of the lines.
 */
import type { LogLine, LogPage } from "./RunLogs.ts"

const maxLines = 500
const maxCharacters = 512 * 1024

/** Lines in portions that fit into a gRPC message, whose limit is 4 MB by default. */
export function* portions({ lines }: LogPage): Generator<ReadonlyArray<LogLine>> {
  let portion: Array<LogLine> = []
  let characters = 0
  for (const line of lines) {
    portion.push(line)
    characters += line.message.length
    if (portion.length < maxLines && characters < maxCharacters) continue
    yield portion
    portion = []
    characters = 0
  }
  if (portion.length > 0) yield portion
}
