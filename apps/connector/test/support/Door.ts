/** A server with a door: the real one, on real sockets, with nothing behind it but a connector that says yes. */
import { AuthSummary } from "@flyte-databricks/databricks-auth"
import { PodAddresses } from "@flyte-databricks/kubernetes"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import * as Grpc from "@grpc/grpc-js"
import { ConfigProvider, Context, Duration, Effect, Layer, Logger } from "effect"
import * as ConnectorServer from "../../src/cli/ConnectorServer.ts"
import * as DatabricksConnector from "../../src/DatabricksConnector.ts"
import type { Address } from "../../src/grpc/Address.ts"
import type * as Door from "../../src/grpc/Door.ts"
import * as Server from "../../src/grpc/Server.ts"
import * as FlyteClient from "./FlyteClient.ts"

const started = Layer.merge(
  Layer.mock(DatabricksConnector.DatabricksConnector, { create: () => Effect.succeed(Uint8Array.of(1, 2, 3)) }),
  Layer.mock(AuthSummary.AuthSummary, { warnings: [] })
)

export interface Options {
  readonly host?: string
  readonly address?: Address
  readonly pods?: Door.Pods
  readonly references?: Layer.Layer<never>
}

const serving = {
  host: "127.0.0.1",
  port: 0,
  maxMessageBytes: 4 * 1024 * 1024,
  maxConcurrentStreams: 1000,
  maxConnectionAge: Duration.minutes(5),
  drainDelay: Duration.zero,
  drainTimeout: Duration.seconds(5)
}

const environment = (env: Readonly<Record<string, string>>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

/** Listens with these settings, for as long as the scope is open. */
export const open = Effect.fnUntraced(function* (
  env: Readonly<Record<string, string>>,
  { pods = PodAddresses.layerNone, references = Layer.empty, ...where }: Options = {}
) {
  const log = Log.make()
  const layer = ConnectorServer.layerOf({ ...serving, ...where }, started, pods).pipe(
    Layer.provide([environment(env), Logger.layer([log.logger]), references])
  )
  const server = Context.get(
    yield* Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), yield* Effect.scope),
    Server.Server
  )
  return { ...server, log }
})

/** Listens on this port, and never gets as far as to serve. */
export const starting = (port: number) =>
  Layer.build(
    ConnectorServer.layerOf({ ...serving, port }, Layer.merge(started, Layer.effectDiscard(Effect.never))).pipe(
      Layer.provide(environment({}))
    )
  ).pipe(Effect.forkScoped({ startImmediately: true }))

/** TLS of a client that trusts this authority, and has a certificate or none. */
export const tlsClient = (
  caPem: string,
  own?: { readonly certificatePem: string; readonly privateKeyPem: string }
): Grpc.ChannelCredentials =>
  own === undefined
    ? Grpc.credentials.createSsl(Buffer.from(caPem))
    : Grpc.credentials.createSsl(Buffer.from(caPem), Buffer.from(own.privateKeyPem), Buffer.from(own.certificatePem))

/** A client of its own connection. */
export const client = (target: string, credentials?: Grpc.ChannelCredentials) =>
  FlyteClient.make(target, [], {}, credentials)
