/**
 * What Flyte sends for a task, from a file: a template or a whole request, as JSON or as it goes over the wire, or the
 * template's `custom` alone.
 */
import { fromBinary } from "@bufbuild/protobuf"
import { BinaryReader } from "@bufbuild/protobuf/wire"
import { type AuthError, TaskSettings } from "@flyte-databricks/databricks-auth"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"

/** The file is none that a task can be read from. */
export class TaskUnreadable extends Data.TaggedError("TaskUnreadable")<{
  readonly file: string
  readonly problem: string
}> {
  override get message() {
    return (
      `--task ${this.file}: ${this.problem}. Expected what Flyte sends: a task template or its "custom" as JSON, ` +
      "or a serialized template (pyflyte serialize)."
    )
  }
}

/** The settings of the task in a file; `-` is standard input. */
export const read = Effect.fnUntraced(function* (
  file: string
): Effect.fn.Return<
  TaskSettings.TaskSettings,
  TaskUnreadable | AuthError.AuthError,
  FileSystem.FileSystem | Stdio.Stdio
> {
  const fail = (problem: string) => new TaskUnreadable({ file, problem })
  const bytes =
    file === "-"
      ? yield* Stdio.Stdio.use(({ stdin }) =>
          Stream.runFold(
            stdin,
            () => Buffer.alloc(0),
            (all, chunk) => Buffer.concat([all, chunk])
          )
        ).pipe(Effect.mapError(() => fail("standard input cannot be read")))
      : yield* FileSystem.FileSystem.use((files) => files.readFile(file)).pipe(
          Effect.mapError(({ reason }) => fail(`it cannot be read (${reason._tag})`))
        )
  const custom = Option.orElse(fromJson(bytes), () => fromWire(bytes))
  if (Option.isNone(custom)) return yield* fail("it holds no task")
  return yield* TaskSettings.fromCustom(custom.value)
})

const property = (value: unknown, key: string): unknown => (Predicate.hasProperty(value, key) ? value[key] : undefined)

const fromJson = (bytes: Uint8Array): Option.Option<unknown> =>
  Option.map(
    Option.filter(
      Result.getSuccess(Result.try((): unknown => JSON.parse(Buffer.from(bytes).toString("utf8")))),
      Predicate.isObject
    ),
    (json) => property(property(json, "template"), "custom") ?? property(json, "custom") ?? json
  )

// A message of protocol buffers says not of which kind it is: a task's type tells whether it was read as what it is.
const fromWire = (bytes: Uint8Array): Option.Option<unknown> =>
  Option.firstSomeOf([
    readAs(() => fromBinary(Flyte1.CreateTaskRequestSchema, bytes).template),
    readAs(() => fromBinary(Flyte1.TaskTemplateSchema, bytes)),
    readAs(() => fromBinary(Flyte1.TaskTemplateSchema, firstField(bytes)))
  ])

// What `pyflyte serialize` writes, a TaskSpec, has the template as its first field.
const firstField = (bytes: Uint8Array): Uint8Array => {
  const reader = new BinaryReader(bytes)
  const [field] = reader.tag()
  return field === 1 ? reader.bytes() : bytes
}

const readAs = (decode: () => Flyte1.TaskTemplate | undefined): Option.Option<unknown> =>
  Option.flatMap(Result.getSuccess(Result.try(decode)), (template) =>
    template === undefined || !/^[\w-]+$/.test(template.type) ? Option.none() : Option.some(template.custom ?? {})
  )
