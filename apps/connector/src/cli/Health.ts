/**
 * `connector health`: asks a connector how it is, the way a probe does, and answers by an exit code. It is for where the
 * kubelet's own gRPC probe does not reach: a socket in the file system, loopback, TLS.
 */
import { create } from "@bufbuild/protobuf"
import { GrpcHealth, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import * as Grpc from "@grpc/grpc-js"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { X509Certificate } from "node:crypto"
import { createSecureContext } from "node:tls"
import * as Address from "../grpc/Address.ts"
import * as Settings from "../Settings.ts"

const flags = {
  address: Flag.String("address").pipe(
    Flag.withDescription(
      "Where the connector listens, unix:/PATH or HOST:PORT; what serve goes by in this environment, " +
        "on loopback where that is every address"
    ),
    Flag.filterMap(Address.parse, (text) => `Expected ${Address.expected}, got ${text.slice(0, 200)}`),
    Flag.optional
  ),
  service: Flag.String("service").pipe(
    Flag.withDescription("The service whose health is asked for; that of the connector as a whole, if none is named"),
    Flag.withDefault("")
  ),
  timeout: Flag.String("timeout").pipe(
    Flag.withDescription("How long an answer may take"),
    Flag.withSchema(Schema.DurationFromString),
    Flag.withDefault(Duration.seconds(2))
  )
}

/** It says that it is not well: exit code 1. What it says has been printed. */
class NotServing extends Data.TaggedError("NotServing") {
  override readonly [Runtime.errorReported] = false
}

/** Nobody said anything: exit code 2. */
class Unreachable extends Data.TaggedError("Unreachable") {
  override readonly [Runtime.errorReported] = false
  override readonly [Runtime.errorExitCode] = 2
}

const { check } = grpcServiceDefinition(GrpcHealth.Health)

/** Asks once. */
const ask = Effect.fnUntraced(function* (
  address: Address.Address,
  credentials: Grpc.ChannelCredentials,
  service: string,
  timeout: Duration.Duration
) {
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(timeout)
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new Grpc.Client(Address.show(address), credentials)),
    (open) => Effect.sync(() => open.close())
  )
  return yield* Effect.callback<GrpcHealth.HealthCheckResponse, Grpc.ServiceError>((resume) => {
    const call = client.makeUnaryRequest(
      check.path,
      check.requestSerialize,
      check.responseDeserialize,
      create(GrpcHealth.HealthCheckRequestSchema, { service }),
      new Grpc.Metadata(),
      { deadline },
      (error, response) =>
        resume(error === null && response !== undefined ? Effect.succeed(response) : Effect.fail(error!))
    )
    return Effect.sync(() => call.cancel())
  })
}, Effect.scoped)

const isEverywhere = (host: string): boolean => host === "0.0.0.0" || host === "::"

// Where `serve` would listen here: a probe runs in the same container.
const own = Effect.gen(function* () {
  const named = yield* Address.configured
  const host = yield* Config.String("FLYTE_DATABRICKS_LISTEN_HOST").pipe(Config.withDefault("0.0.0.0"))
  const port = yield* Config.Int("FLYTE_DATABRICKS_LISTEN_PORT").pipe(Config.withDefault(8000))
  const address = Option.getOrElse(named, () => Address.Tcp({ host, port }))
  return address._tag === "Tcp" && isEverywhere(address.host)
    ? Address.Tcp({ host: address.host === "::" ? "::1" : "127.0.0.1", port: address.port })
    : address
})

// The certificate is the one that the server was given, whatever names and authority it has.
const credentialsOf = Effect.gen(function* () {
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

interface Options {
  readonly address: Option.Option<Address.Address>
  readonly service: string
  readonly timeout: Duration.Duration
}

const answerOf = Effect.fnUntraced(function* ({ address, service, timeout }: Options) {
  const at = Option.isSome(address) ? address.value : yield* own
  const { status } = yield* Effect.mapError(
    ask(at, yield* credentialsOf, service, timeout),
    ({ code, details }) => new Error(`${Address.show(at)}: ${Grpc.status[code]}: ${details}`)
  )
  yield* Console.log(`${Address.show(at)} is ${GrpcHealth.HealthCheckResponse_ServingStatus[status]}`)
  return status
})

const health = (options: Options) =>
  answerOf(options).pipe(
    Effect.catch(({ message }) =>
      Effect.andThen(Console.error(`No answer from ${message}`), Effect.fail(new Unreachable()))
    ),
    Effect.flatMap((status) =>
      status === GrpcHealth.HealthCheckResponse_ServingStatus.SERVING ? Effect.void : Effect.fail(new NotServing())
    )
  )

export const command = Command.make("health", flags, health).pipe(
  Command.withDescription(
    "Ask a connector for its health, as an exec probe: exit code 0 where it serves, 1 where it says that it does not, 2 where nobody answers"
  ),
  Command.withExamples([
    { command: "connector health", description: "In the connector's own container" },
    {
      command: "connector health --address unix:/var/run/flyte-databricks/grpc.sock",
      description: "Over a socket in the file system"
    }
  ])
)
