/**
 * The service's API. Handlers, clients, the OpenAPI document and the page are all typed by it.
 */
import { AuthError, Identity, TokenStatus } from "@flyte-databricks/databricks-auth"
import { RunId, RunProgress } from "@flyte-databricks/databricks-jobs"
import { Report } from "@flyte-databricks/diagnosis"
import * as Schema from "effect/Schema"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, HttpApiSchema, OpenApi } from "effect/http-api"
import { AccessToken } from "./Access.ts"
import * as Problem from "./Problem.ts"

/** A namespace, and the auth type that is demanded; without one, the connector's own or the strongest is used. */
const Task = Schema.Struct({ namespace: Schema.String, authType: Schema.optionalKey(Identity.AuthType) })
export type Task = typeof Task.Type

/** Who a namespace would be, and where that was looked for, strongest first. */
const Resolved = Schema.Struct({
  namespace: Schema.String,
  identity: Identity.Summary,
  explanation: Schema.Array(AuthError.Finding)
})

/** A task, and whether who it would be is proved: by real calls to Kubernetes and Databricks. */
const Question = { ...Task.fields, proof: Schema.optionalKey(Schema.Literals(["yes", "no"])) }

/** A run, and who it runs as. */
export const Run = Schema.Struct({ runId: RunId.RunId, namespace: Schema.String, identity: Identity.Summary })

/** How a run is doing, or why that can no longer be told; the last event ends the stream. */
export const RunEvent = Schema.Union([
  Schema.Struct({ event: Schema.tag("progress"), data: Schema.fromJsonString(RunProgress.RunProgress) }),
  Schema.Struct({ event: Schema.tag("problem"), data: Schema.fromJsonString(Problem.Problem) })
])

/** The cache at this moment: how each credential is doing, never its token. */
export const Tokens = Schema.Struct({
  now: Schema.Finite,
  tokens: Schema.Array(Schema.Struct({ ...TokenStatus.TokenStatus.fields, identity: Identity.Summary }))
})

/** What the service runs on, and the namespaces that it was told of. */
export const Platform = Schema.Struct({
  workspace: Schema.String,
  standIns: Schema.Boolean,
  /** How many times as fast as the reader's the service's clock runs. */
  speed: Schema.Finite,
  namespaces: Schema.Array(Schema.Struct({ name: Schema.String, brings: Schema.optionalKey(Schema.String) }))
})

const ofRun = { params: { id: RunId.RunId }, error: Problem.declared }

class Demo extends HttpApiGroup.make("demo", { topLevel: true })
  .add(
    HttpApiEndpoint.get("platform", "/platform", { success: Platform }),
    HttpApiEndpoint.get("identity", "/identity", { query: Task, success: Resolved, error: Problem.declared }),
    HttpApiEndpoint.get("explanation", "/explanation", { query: Question, success: Report.Explanation }),
    HttpApiEndpoint.post("submit", "/runs", {
      payload: Task,
      success: Run.pipe(HttpApiSchema.status(201)),
      error: Problem.declared
    }),
    HttpApiEndpoint.get("follow", "/runs/:id", { ...ofRun, success: HttpApiSchema.StreamSse({ events: RunEvent }) }),
    HttpApiEndpoint.delete("cancel", "/runs/:id", { ...ofRun, success: HttpApiSchema.Accepted }),
    HttpApiEndpoint.get("tokens", "/tokens", { success: Tokens })
  )
  .middleware(AccessToken)
  // Whoever watches over the service has no token.
  .add(HttpApiEndpoint.get("health", "/health", { success: Schema.Struct({ status: Schema.tag("ok") }) })) {}

export class Api extends HttpApi.make("demo")
  .add(Demo)
  .prefix("/api")
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotateMerge(OpenApi.annotations({ title: "Flyte Databricks demo", version: "0.1.0" })) {}
