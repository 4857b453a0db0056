/** The connector's audit events, as they stand in its file. */
import { Effect, FileSystem, Schema } from "effect"
import { NodeServices } from "@effect/platform-node"
import { AuditEvent } from "../../src/audit/AuditEvent.ts"

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(AuditEvent), { errors: "all", onExcessProperty: "error" })

/** The events in a file; `waitFor` gives them once there are so many. */
export const of = (path: string) => {
  // Devices have no end.
  const lines = path.startsWith("/dev/")
    ? Effect.succeed<ReadonlyArray<string>>([])
    : FileSystem.FileSystem.use((files) => files.readFileString(path)).pipe(
        Effect.map((text) => text.split("\n").slice(0, -1)),
        Effect.orElseSucceed((): ReadonlyArray<string> => []),
        Effect.provide(NodeServices.layer)
      )
  const events = Effect.map(lines, (all) => all.map((line) => decode(line)))
  return {
    path,
    lines,
    events,
    waitFor: (count: number) =>
      events.pipe(
        Effect.delay("20 millis"),
        Effect.repeat({ until: (all) => all.length >= count }),
        Effect.timeout("5 seconds")
      )
  }
}

export type Audit = ReturnType<typeof of>
