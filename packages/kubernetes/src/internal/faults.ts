/**
 * What a thrown value may say in a message: its code and the file it is about. Its text is left out, because it may
 * quote a file, a plugin's output or a server's answer.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Code = Schema.String.check(Schema.isPattern(/^[A-Z][A-Z0-9_]*$/))
const Fault = Schema.Struct({ code: Code, path: Schema.optional(Schema.String) })
// What undici's fetch throws carries the fault as its cause.
const Wrapped = Schema.Struct({ cause: Fault })

const decodeFault = Schema.decodeUnknownOption(Schema.Union([Fault, Wrapped]))

/** The fault's code and file; none where it has no code. */
export const fault = (error: unknown): Option.Option<typeof Fault.Type> =>
  Option.map(decodeFault(error), (found) => ("cause" in found ? found.cause : found))

/** The same in words. */
export const describeFault = (error: unknown): string =>
  Option.match(fault(error), {
    onNone: () => "no further detail",
    onSome: ({ code, path }) => (path === undefined ? code : `${code}: ${path}`)
  })
