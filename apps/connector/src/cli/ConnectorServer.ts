/**
 * The connector, whole: the gRPC server with its services, on authentication, the Jobs API and Kubernetes as the
 * environment configures them.
 */
import { AuthSummary, DatabricksAuth, TokenObserver } from "@flyte-databricks/databricks-auth"
import { JobsClient } from "@flyte-databricks/databricks-jobs"
import { KubernetesClient, PodAddresses } from "@flyte-databricks/kubernetes"
import type { KubernetesConfigError } from "@flyte-databricks/kubernetes/KubernetesConfigError"
import * as DatabricksHttp from "@flyte-databricks/databricks-http/DatabricksHttp"
import { NodeServices } from "@effect/platform-node"
import type * as Config from "effect/Config"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Audit from "../audit/Audit.ts"
import { tokenIssued, tokenRefused } from "../audit/decisions.ts"
import * as DatabricksConnector from "../DatabricksConnector.ts"
import * as AgentMetadata from "../flyte1/AgentMetadata.ts"
import * as AsyncAgent from "../flyte1/AsyncAgent.ts"
import * as AsyncConnector from "../flyte2/AsyncConnector.ts"
import * as ConnectorMetadata from "../flyte2/ConnectorMetadata.ts"
import * as Door from "../grpc/Door.ts"
import type { DoorSettingInvalid } from "../grpc/DoorSettingInvalid.ts"
import type { ListenFailed } from "../grpc/Listener.ts"
import * as Server from "../grpc/Server.ts"
import * as MetadataKey from "../runs/MetadataKey.ts"
import * as HttpTelemetry from "../telemetry/HttpTelemetry.ts"
import * as Statusz from "../telemetry/Statusz.ts"
import * as Polls from "../telemetry/Polls.ts"

// A span of an HTTP call holds whatever its client's own error says, unredacted. `HttpTelemetry` makes one without.
const untracedHttp = Layer.succeed(HttpClient.TracerDisabledWhen, () => true)

/** Tokens are recorded too, those that are renewed in the background among them. */
const tokensRecorded = Layer.effect(
  TokenObserver.TokenObserver,
  Effect.map(Audit.Audit, ({ record }) => ({
    issued: (token: TokenObserver.Issued) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => record(() => tokenIssued(token, now))),
    refused: (refusal: TokenObserver.Refused) => record(() => tokenRefused(refusal))
  }))
)

const connector = DatabricksConnector.layer.pipe(
  Layer.provide([JobsClient.layer, MetadataKey.layerConfig]),
  Layer.provideMerge(DatabricksAuth.layerConfig),
  Layer.provide(tokensRecorded),
  Layer.provide(Audit.layerConfig),
  Layer.provide([KubernetesClient.layerConfig, Layer.provide(HttpTelemetry.layer, DatabricksHttp.layer)]),
  Layer.provide(NodeServices.layer)
)

/** Of each version of Flyte, the registry and what works. */
export const services = Effect.all([AgentMetadata.make, AsyncAgent.make, ConnectorMetadata.make, AsyncConnector.make])

/**
 * Serves as long as the layer lives. The server listens before the connector is built, so that the registry is answered
 * for from the start; calls that need the connector wait for it within their deadlines.
 */
export const layerOf = <E, R>(
  options: Server.Options,
  starting: Layer.Layer<DatabricksConnector.DatabricksConnector | AuthSummary.AuthSummary, E, R>,
  pods: Door.Pods = PodAddresses.layerConfig
): Layer.Layer<
  Server.Server | AuthSummary.AuthSummary,
  E | ListenFailed | DoorSettingInvalid | KubernetesConfigError | Config.ConfigError,
  R
> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const door = yield* Effect.provide(Door.make(pods), NodeServices.layer)
      const pending = yield* DatabricksConnector.makePending
      const polls = yield* Polls.make
      const server = yield* services.pipe(
        Effect.provideService(DatabricksConnector.DatabricksConnector, pending.connector),
        Effect.provideService(Polls.Polls, polls),
        Effect.flatMap((made) => Server.listen(options, made, door))
      )
      const started = yield* Layer.build(starting)
      yield* pending.start(Context.get(started, DatabricksConnector.DatabricksConnector))
      yield* server.serve
      return Context.make(Server.Server, server).pipe(
        Context.add(AuthSummary.AuthSummary, Context.get(started, AuthSummary.AuthSummary)),
        Context.add(
          Statusz.Tokens,
          Option.match(Context.getOption(started, DatabricksAuth.DatabricksAuth), {
            onNone: () => Effect.succeed([]),
            onSome: ({ tokens }) => tokens
          })
        )
      )
    })
  ).pipe(Layer.provide(untracedHttp))

/**
 * The connector of the environment.
 */
export const layer = (options: Server.Options, pods?: Door.Pods) => layerOf(options, connector, pods)
