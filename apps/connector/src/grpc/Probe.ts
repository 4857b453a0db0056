/**
 * Calls a connector as a probe does: without a client certificate, and by what `serve` goes by in this environment.
 */
import * as Grpc from "@grpc/grpc-js"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { X509Certificate } from "node:crypto"
import { createSecureContext } from "node:tls"
import * as Settings from "../Settings.ts"
import * as Address from "./Address.ts"

/** Calls a method once. */
export const ask = Effect.fnUntraced(function* <Request, Response>(
  address: Address.Address,
  credentials: Grpc.ChannelCredentials,
  method: Pick<Grpc.MethodDefinition<Request, Response>, "path" | "requestSerialize" | "responseDeserialize">,
  request: Request,
  timeout: Duration.Duration
) {
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(timeout)
  const client = yield* Effect.acquireRelease(
    // The certificate is compared as it is, and TLS knows no name that is an address.
    Effect.sync(
      () => new Grpc.Client(Address.show(address), credentials, { "grpc.ssl_target_name_override": "localhost" })
    ),
    (open) => Effect.sync(() => open.close())
  )
  return yield* Effect.callback<Response, Grpc.ServiceError>((resume) => {
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Grpc.Metadata(),
      { deadline },
      (error, response) =>
        resume(error === null && response !== undefined ? Effect.succeed(response) : Effect.fail(error!))
    )
    return Effect.sync(() => call.cancel())
  })
}, Effect.scoped)

/** Where `serve` listens here. */
export const listening = Effect.gen(function* () {
  const named = yield* Address.configured
  const host = yield* Config.String("FLYTE_DATABRICKS_LISTEN_HOST").pipe(Config.withDefault("0.0.0.0"))
  const port = yield* Config.Int("FLYTE_DATABRICKS_LISTEN_PORT").pipe(Config.withDefault(8000))
  return Option.getOrElse(named, () => Address.Tcp({ host, port }))
})

/** The same from within the container: on loopback where it listens on every address. */
export const fromWithin = (address: Address.Address): Address.Address =>
  address._tag === "Tcp" && (address.host === "0.0.0.0" || address.host === "::")
    ? Address.Tcp({ host: address.host === "::" ? "::1" : "127.0.0.1", port: address.port })
    : address

/** The certificate that the server was given, whatever names and authority it has; without one there is no TLS. */
export const credentials = Effect.gen(function* () {
  const file = yield* Settings.tlsCertFile
  if (Option.isNone(file)) return Grpc.credentials.createInsecure()
  const pem = yield* FileSystem.FileSystem.use((files) => files.readFileString(file.value))
  return yield* Effect.sync(() => {
    const { raw } = new X509Certificate(pem)
    const context = createSecureContext({ ca: pem, allowPartialTrustChain: true, minVersion: "TLSv1.2" })
    return Grpc.ChannelCredentials.createFromSecureContext(context, {
      checkServerIdentity: (_host, certificate) =>
        certificate.raw.equals(raw) ? undefined : new Error(`the certificate is not that of ${file.value}`)
    })
  })
})
