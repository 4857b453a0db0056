/**
 * The connector, whole: the gRPC server with its services, on authentication, the Jobs API and Kubernetes as the
 * environment configures them.
 */
import { type AuthSummary, DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { JobsClient } from "@flyte-databricks/databricks-jobs"
import { KubernetesClient } from "@flyte-databricks/kubernetes"
import { NodeHttpClient, NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as DatabricksConnector from "./DatabricksConnector.ts"
import * as AgentMetadata from "./flyte1/AgentMetadata.ts"
import * as AsyncAgent from "./flyte1/AsyncAgent.ts"
import * as AsyncConnector from "./flyte2/AsyncConnector.ts"
import * as ConnectorMetadata from "./flyte2/ConnectorMetadata.ts"
import * as Server from "./grpc/Server.ts"

// Connections to a workspace are kept and shared by all calls; more than this only queue at Databricks' rate limits.
const http = NodeHttpClient.layerUndiciOptions({ connections: 64, keepAliveTimeout: 30_000 })

const connector = DatabricksConnector.layer.pipe(
  Layer.provide(JobsClient.layer),
  Layer.provideMerge(DatabricksAuth.layerConfig),
  Layer.provide([KubernetesClient.layerConfig, http]),
  Layer.provide(NodeServices.layer)
)

// A span of an HTTP call holds whatever its client's own error says, unredacted.
const untracedHttp = Layer.succeed(HttpClient.TracerDisabledWhen, () => true)

const server = (options: Server.Options) =>
  Layer.unwrap(
    Effect.map(Effect.all([AsyncAgent.make, AsyncConnector.make]), ([flyte1, flyte2]) =>
      Server.layer(options, [AgentMetadata.service, flyte1, ConnectorMetadata.service, flyte2])
    )
  )

/** The type of what `layer` fails with. */
type StartUpError = Layer.Error<typeof connector> | Server.ListenFailed

/**
 * Serves as long as the layer lives.
 */
export const layer = (options: Server.Options): Layer.Layer<Server.Server | AuthSummary.AuthSummary, StartUpError> =>
  server(options).pipe(Layer.provide(untracedHttp), Layer.provideMerge(connector))
