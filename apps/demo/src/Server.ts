/**
 * The service: the API, the page beside it, and the core below.
 */
import { NodeCrypto, NodeHttpServer } from "@effect/platform-node"
import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { DatabricksHttp } from "@flyte-databricks/databricks-http"
import { JobsClient } from "@flyte-databricks/databricks-jobs"
import { Chain } from "@flyte-databricks/diagnosis"
import { KubernetesClient } from "@flyte-databricks/kubernetes"
import * as Layer from "effect/Layer"
import { HttpRouter, HttpStaticServer } from "effect/http"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import * as Access from "./Access.ts"
import * as Handlers from "./Handlers.ts"
import * as Runs from "./Runs.ts"

/** The core as it is embedded: who a namespace is, its tokens, and its jobs. */
const core = JobsClient.layer.pipe(
  Layer.provideMerge(DatabricksAuth.layerConfig),
  // An explanation looks at the way to Databricks, too.
  Layer.provideMerge([DatabricksHttp.layer, Chain.layer]),
  Layer.provide(KubernetesClient.layerConfig)
)

const folder = (path: string, inside: string) => fileURLToPath(new URL(path, inside))

const page = Layer.mergeAll(
  HttpStaticServer.layer({ root: folder("../page", import.meta.url) }),
  // The page's library and fonts, as their packages ship them for browsers.
  ...[
    { prefix: "/lit-html", root: folder("..", import.meta.resolve("lit-html/directive.js")) },
    { prefix: "/inter", root: folder(".", import.meta.resolve("@fontsource-variable/inter/LICENSE")) },
    { prefix: "/jetbrains-mono", root: folder(".", import.meta.resolve("@fontsource-variable/jetbrains-mono/LICENSE")) }
  ].map(HttpStaticServer.layer)
)

/** The routes without what they stand on, so that tests can put something else below. */
export const routes = Layer.mergeAll(Handlers.layer, page, Access.guard)

/** Serves as long as the layer lives. */
export const layer = (options: { readonly host: string; readonly port: number }) =>
  HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(Runs.layer),
    Layer.provide([core, NodeCrypto.layerSecureRandom]),
    Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { ...options, gracefulShutdownTimeout: 0 }))
  )
