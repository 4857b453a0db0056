/** Flyte's side of the wire: a stock gRPC client of the connector's services. */
import { create } from "@bufbuild/protobuf"
import { Flyte1, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import * as Grpc from "@grpc/grpc-js"
import { Clock, Data, Effect, Queue } from "effect"
import * as Health from "grpc-health-check"

/** The connector answered with a status other than OK. */
export class CallFailed extends Data.TaggedError("CallFailed")<{ readonly code: string; readonly details: string }> {
  override get message() {
    return `${this.code}: ${this.details}`
  }
}

/** How a call is made. Flyte's own deadline is ten seconds. */
export interface CallOptions {
  /** In milliseconds; `Infinity` for a call without a deadline. */
  readonly timeout?: number
  /** Headers beside those of gRPC. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A method as generated code describes it. */
export interface Method<Request, Response> {
  readonly path: string
  readonly requestSerialize: (message: Request) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Response
}

type HealthMethod = Method<{ readonly service: string }, { readonly status: string }>

const identity = (bytes: Buffer): Buffer => bytes

const agent = grpcServiceDefinition(Flyte1.AsyncAgentService)
const metadata = grpcServiceDefinition(Flyte1.AgentMetadataService)
const taskCategory = create(Flyte1.TaskCategorySchema, { name: "databricks", version: 0 })

/** A connection to a connector. What the connector says in errors and messages is added to `said`. */
export const make = Effect.fnUntraced(function* (
  address: string,
  said: Array<string>,
  options: Grpc.ClientOptions = {},
  credentials = Grpc.credentials.createInsecure()
) {
  // Each client has a connection of its own: gRPC would let them share one.
  const own = { "grpc.use_local_subchannel_pool": 1, ...options }
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new Grpc.Client(address, credentials, own)),
    (open) => Effect.sync(() => open.close())
  )

  const call = Effect.fnUntraced(function* <Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    { timeout = 10_000, headers = {} }: CallOptions = {}
  ) {
    const deadline = (yield* Clock.currentTimeMillis) + timeout
    const metadata = new Grpc.Metadata()
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
    return yield* Effect.callback<Response, CallFailed>((resume) => {
      const under = client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        { deadline },
        (error, response) => {
          if (error === null && response !== undefined) return resume(Effect.succeed(response))
          const details = error?.details ?? "no answer"
          said.push(details)
          resume(Effect.fail(new CallFailed({ code: Grpc.status[error?.code ?? Grpc.status.UNKNOWN], details })))
        }
      )
      return Effect.sync(() => under.cancel())
    })
  })

  const { Check: check, Watch: watch } = Health.service as unknown as Record<"Check" | "Watch", HealthMethod>
  return {
    client,
    call,
    said,
    createTask: (request: Flyte1.CreateTaskRequest, options?: CallOptions) =>
      Effect.map(call(agent.createTask, request, options), ({ resourceMeta }) => resourceMeta),
    getTask: (resourceMeta: Uint8Array, options?: CallOptions) =>
      call(agent.getTask, create(Flyte1.GetTaskRequestSchema, { resourceMeta, taskCategory }), options).pipe(
        Effect.map(({ resource }) => resource ?? create(Flyte1.ResourceSchema)),
        Effect.tap(({ message }) => Effect.sync(() => said.push(message)))
      ),
    deleteTask: (resourceMeta: Uint8Array, options?: CallOptions) =>
      call(agent.deleteTask, create(Flyte1.DeleteTaskRequestSchema, { resourceMeta, taskCategory }), options),
    listAgents: call(metadata.listAgents, create(Flyte1.ListAgentsRequestSchema)),
    getAgent: (name: string) => call(metadata.getAgent, create(Flyte1.GetAgentRequestSchema, { name })),
    health: (service: string) => Effect.map(call(check, { service }), ({ status }) => status),
    /** What health is now, then each time that it changes. */
    watchHealth: Effect.fnUntraced(function* (service: string) {
      const statuses = yield* Queue.unbounded<string>()
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          const under = client.makeServerStreamRequest(watch.path, watch.requestSerialize, watch.responseDeserialize, {
            service
          })
          under.on("data", ({ status }: { readonly status: string }) => Queue.offerUnsafe(statuses, status))
          under.on("error", () => undefined)
          return under
        }),
        (under) => Effect.sync(() => under.cancel())
      )
      return { next: Queue.take(statuses) }
    }),
    /** A method that answers with a stream: everything that came, and the status it ended with. */
    stream: Effect.fnUntraced(function* <Request, Response>(
      method: Method<Request, Response>,
      request: Request,
      { timeout = 10_000 }: CallOptions = {}
    ) {
      const deadline = (yield* Clock.currentTimeMillis) + timeout
      return yield* Effect.callback<ReadonlyArray<Response>, CallFailed>((resume) => {
        const parts: Array<Response> = []
        const under = client.makeServerStreamRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          new Grpc.Metadata(),
          { deadline }
        )
        under.on("data", (part: Response) => parts.push(part))
        under.on("end", () => resume(Effect.succeed(parts)))
        under.on("error", ({ code, details }: Grpc.ServiceError) => {
          said.push(details)
          resume(Effect.fail(new CallFailed({ code: Grpc.status[code], details })))
        })
        return Effect.sync(() => under.cancel())
      })
    }),
    /** Sends bytes in place of a message. */
    raw: (path: string, bytes: Uint8Array, options?: CallOptions) =>
      call({ path, requestSerialize: identity, responseDeserialize: identity }, Buffer.from(bytes), options)
  }
})

export type FlyteClient = Effect.Success<ReturnType<typeof make>>

/** A phase by its name. */
export const phaseOf = (resource: Flyte1.Resource): string => Flyte1.TaskExecution_Phase[resource.phase]
