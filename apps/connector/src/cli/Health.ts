/**
 * `connector health`: asks a connector how it is, the way a probe does, and answers by an exit code. It is for where the
 * kubelet's own gRPC probe does not reach: a socket in the file system, loopback, TLS.
 */
import { create } from "@bufbuild/protobuf"
import { GrpcHealth, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import * as Grpc from "@grpc/grpc-js"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Address from "../grpc/Address.ts"
import * as Probe from "../grpc/Probe.ts"

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

interface Options {
  readonly address: Option.Option<Address.Address>
  readonly service: string
  readonly timeout: Duration.Duration
}

const answerOf = Effect.fnUntraced(function* ({ address, service, timeout }: Options) {
  const at = Option.isSome(address) ? address.value : Probe.fromWithin(yield* Probe.listening)
  const request = create(GrpcHealth.HealthCheckRequestSchema, { service })
  const { status } = yield* Effect.mapError(
    Probe.ask(at, yield* Probe.credentials, check, request, timeout),
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
