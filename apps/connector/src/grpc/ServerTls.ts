/**
 * TLS of the server: its certificate, which is read again when it changes, and the authority of clients that have one.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import { shown } from "@flyte-databricks/databricks-auth/request/Variable"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { constants, X509Certificate } from "node:crypto"
import type { Socket } from "node:net"
import { createSecureContext, createServer, type SecureContextOptions } from "node:tls"
import { DoorSettingInvalid } from "./DoorSettingInvalid.ts"
import * as Sampled from "./Sampled.ts"

/** The files, all in PEM. */
export interface Files {
  readonly certificate: string
  readonly key: string
  /** Of the authorities whose clients are let in. */
  readonly clientCa: Option.Option<string>
}

/**
 * TLS of a server: shakes hands on a connection, and gives it to `take` where that went well.
 */
export type ServerTls = (take: (connection: Socket) => void) => (connection: Socket) => void

/** How often the files are looked at. A Secret's volume takes a minute to change anyway. */
export const ReloadInterval = Context.Reference<Duration.Duration>("@flyte-databricks/connector/grpc/TlsReload", {
  defaultValue: () => Duration.seconds(10)
})

const names = {
  certificate: "FLYTE_DATABRICKS_TLS_CERT_FILE",
  key: "FLYTE_DATABRICKS_TLS_KEY_FILE",
  clientCa: "FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE"
} as const

/** A chain and a key have some kilobytes. */
const maxBytes = 1024 * 1024

const handshakeWithin = 10_000

const policy: SecureContextOptions = {
  minVersion: "TLSv1.2",
  // A session that is taken up again would be believed by the authorities of then.
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_CIPHER_SERVER_PREFERENCE
}

/** Makes it from the files, and follows them for as long as the scope is open. */
export const make = Effect.fnUntraced(function* (
  files: Files
): Effect.fn.Return<ServerTls, DoorSettingInvalid, FileSystem.FileSystem | Scope.Scope> {
  const log = Sampled.make(yield* Effect.context<never>())
  const first = yield* load(files)
  const server = createServer({
    ...first.context,
    ALPNProtocols: ["h2"],
    handshakeTimeout: handshakeWithin,
    // Whoever has no certificate may ask for health and for the registry; what else there is asks for one by itself.
    requestCert: Option.isSome(files.clientCa),
    rejectUnauthorized: false
  })
  server.on("tlsClientError", ({ message }, { remoteAddress: peer = "unknown" }) =>
    log(
      Effect.annotateLogs(Effect.logWarning(`A TLS handshake failed: ${printable(message, { maxLength: 200 })}`), {
        peer
      })
    )
  )
  yield* Effect.forkScoped(follow(files, first, (context) => server.setSecureContext(context)))
  return (take) => {
    server.on("secureConnection", (connection) => {
      connection.on("error", () => undefined)
      take(connection)
    })
    return (connection) => void server.emit("connection", connection)
  }
})

interface Loaded {
  readonly context: SecureContextOptions
  /** What the files held. */
  readonly text: string
  readonly description: string
}

const follow = Effect.fnUntraced(function* (files: Files, first: Loaded, use: (context: SecureContextOptions) => void) {
  let current = first.text
  let complained = ""
  const interval = yield* ReloadInterval
  const look = load(files).pipe(
    Effect.flatMap(({ context, description, text }) => {
      complained = ""
      if (text === current) return Effect.void
      current = text
      use(context)
      return Effect.logInfo(`The server's certificate was read anew: ${description}`)
    }),
    // Two files do not change at the same moment.
    Effect.catch(({ message }) => {
      if (message === complained) return Effect.void
      complained = message
      return Effect.logWarning(`${message} The certificate of before goes on being used.`)
    })
  )
  return yield* look.pipe(Effect.delay(interval), Effect.forever)
})

const read = Effect.fnUntraced(function* (setting: string, file: string) {
  const files = yield* FileSystem.FileSystem
  const problem = (found: string) =>
    new DoorSettingInvalid({
      setting,
      problem: `names ${shown(file, 1000)}, ${found}`,
      expected: "the path of a file in PEM"
    })
  const unreadable = Effect.mapError(({ reason }: { readonly reason: { readonly _tag: string } }) =>
    problem(`which cannot be read (${reason._tag})`)
  )
  const { size } = yield* unreadable(files.stat(file))
  if (size > maxBytes) return yield* problem(`which has ${size} bytes`)
  return yield* unreadable(files.readFileString(file))
})

const load = Effect.fnUntraced(function* (
  files: Files
): Effect.fn.Return<Loaded, DoorSettingInvalid, FileSystem.FileSystem> {
  const cert = yield* read(names.certificate, files.certificate)
  const key = yield* read(names.key, files.key)
  const ca = Option.isNone(files.clientCa) ? undefined : yield* read(names.clientCa, files.clientCa.value)
  const invalid = (setting: string, file: string, found: string, expected: string) =>
    new DoorSettingInvalid({ setting, problem: `names ${shown(file, 1000)}, ${found}`, expected })

  const leaf = yield* Effect.try({
    try: () => new X509Certificate(cert),
    catch: () =>
      invalid(
        names.certificate,
        files.certificate,
        "which holds no certificate",
        "a certificate in PEM, then its intermediates"
      )
  })
  if (ca !== undefined && Option.isSome(files.clientCa)) {
    const { value } = files.clientCa
    yield* Effect.try({
      try: () => new X509Certificate(ca),
      catch: () =>
        invalid(names.clientCa, value, "which holds no certificate", "the certificates of authorities, in PEM")
    })
  }
  const now = yield* Clock.currentTimeMillis
  if (Date.parse(leaf.validTo) <= now) {
    return yield* invalid(
      names.certificate,
      files.certificate,
      `whose certificate ended on ${leaf.validTo}`,
      "one that is current"
    )
  }
  const context = { ...policy, cert, key, ...(ca === undefined ? {} : { ca }) }
  // What the parser says of a key quotes nothing of it, but says little.
  yield* Effect.try({
    try: () => createSecureContext(context),
    catch: () =>
      invalid(
        names.key,
        files.key,
        `which is not the key of ${files.certificate}`,
        "its private key in PEM, without a passphrase"
      )
  })
  return {
    context,
    text: [cert, key, ca].join("\n"),
    description: `${leaf.subject.replaceAll("\n", ", ") || leaf.subjectAltName}, until ${leaf.validTo}`
  }
})
