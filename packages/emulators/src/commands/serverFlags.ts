/**
 * What the commands have in common: where to listen, HTTPS, the seed file, and how they run.
 */
import * as Effect from "effect/Effect"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { EmulatorError } from "../EmulatorError.ts"
import type { ServerOptions } from "../EmulatorServer.ts"

const port = Flag.Int("port").pipe(
  Flag.withDescription("Port to listen on; 0 takes a free one"),
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65535 }))),
  Flag.withDefault(0)
)

/** The flags of both commands. */
export const serverFlags = {
  port,
  host: Flag.String("host").pipe(
    Flag.withDescription("Address to listen on; anything but a loopback address opens the emulator to the network"),
    Flag.withDefault("127.0.0.1")
  ),
  tls: Flag.Boolean("tls").pipe(
    Flag.withDescription("HTTPS, with a certificate for localhost, 127.0.0.1 and ::1 made at the start"),
    Flag.withDefault(false)
  ),
  caFile: Flag.Path("ca-file").pipe(
    Flag.withDescription(
      "Where to write the PEM of the certificate authority that clients have to trust; implies --tls"
    ),
    Flag.optional
  ),
  config: Flag.FileParse("config").pipe(
    Flag.withDescription("JSON, YAML or TOML file that says what is in the emulator at the start (see the README)"),
    Flag.optional
  )
}

/** The server's options from the flags. */
export const serverOptions = (flags: {
  readonly port: number
  readonly host: string
  readonly tls: boolean
  readonly caFile: Option.Option<string>
}): ServerOptions => ({
  port: flags.port,
  host: flags.host,
  tls: Option.match(flags.caFile, { onNone: () => flags.tls, onSome: (caFile) => ({ caFile }) })
})

/** Decodes a seed file; unknown keys are errors, since they are mostly typing errors. */
export const decodeSeed = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(schema, { onExcessProperty: "error", errors: "all" })
  return (content: unknown) =>
    decode(content).pipe(
      Effect.mapError(
        (cause) =>
          new CliError.UserError({ cause, userMessage: `The --config file is not a valid seed:\n${cause.message}` })
      )
    )
}

/** Words an emulator's error for the terminal. */
export const toUserError = <A, R>(effect: Effect.Effect<A, EmulatorError, R>) =>
  Effect.mapError(effect, (cause) => new CliError.UserError({ cause, userMessage: cause.message }))
