/**
 * A span for each call of Flyte's, in the trace that the caller is in. Where nobody traces there is none, and it costs
 * nothing.
 */
import * as Spans from "@flyte-databricks/databricks-auth/telemetry/Spans"
import { type Metadata, status } from "@grpc/grpc-js"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Facts } from "../call/Ended.ts"
import * as TraceContext from "./TraceContext.ts"

/** What there is to know of a call before it is read. */
export interface Received {
  readonly getPath: () => string
  readonly metadata: Metadata
}

// What OpenTelemetry has servers count as their own failure.
const ownFailures: ReadonlyArray<status> = [
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS
]

/** How a call ended. */
interface Ended {
  readonly code: status
  readonly facts: Facts
  /** What it met with: that of an error, or of what its caller is spared. */
  readonly outcome: string | undefined
}

interface Tracing {
  readonly within: <A, E>(call: Received, work: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Says how the call under way ended. */
  readonly ended: (end: Ended) => Effect.Effect<void>
}

const none: Tracing = { within: (_, work) => work, ended: () => Effect.void }

/** The method's name in full, as OpenTelemetry has it. */
export const methodOf = (call: Received): string => call.getPath().slice(1)

const spans: Tracing = {
  within: (call, work) => {
    const parent = TraceContext.ofCall(call.metadata)
    const state = Option.isSome(parent) ? TraceContext.stateOf(call.metadata) : undefined
    const method = methodOf(call)
    return Effect.withSpan(work, method, {
      kind: "server",
      ...(Option.isSome(parent) ? { parent: parent.value } : { root: true }),
      attributes: {
        "rpc.system.name": "grpc",
        "rpc.method": method,
        ...(state === undefined ? {} : { "w3c.tracestate": state })
      }
    })
  },
  ended: ({ code, facts, outcome }) =>
    Effect.annotateCurrentSpan({
      "rpc.response.status_code": status[code],
      ...(ownFailures.includes(code) ? { "error.type": status[code] } : {}),
      ...(outcome === undefined ? {} : { "flyte.outcome": outcome }),
      ...Object.fromEntries(Object.entries(facts).map(([name, value]) => [names[name as keyof Facts], value]))
    })
}

const names: { readonly [Name in keyof Facts]-?: string } = {
  taskType: "flyte.task_type",
  namespace: "flyte.namespace",
  execution: "flyte.execution",
  phase: "flyte.phase",
  instance: "databricks.instance",
  runId: "databricks.run_id",
  authType: "databricks.auth_type",
  identity: "databricks.identity",
  origin: "databricks.identity_origin",
  creator: "databricks.creator",
  runAs: "databricks.run_as"
}

/** What handlers on these services trace. */
export const on = (services: Context.Context<never>): Tracing =>
  Effect.runSyncWith(services)(Spans.areWanted) ? spans : none
