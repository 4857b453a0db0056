/**
 * Flyte's side of the wire: real gRPC, as propeller speaks it.
 */
import { create } from "@bufbuild/protobuf"
import { Flyte1, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import * as Grpc from "@grpc/grpc-js"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** The connector answered with a status other than OK. */
export class CallFailed extends Data.TaggedError("CallFailed")<{ readonly code: string; readonly details: string }> {
  override get message() {
    return `${this.code}: ${this.details}`
  }
}

interface Method<Request, Response> {
  readonly path: string
  readonly requestSerialize: (message: Request) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Response
}

const failed = (error: Grpc.ServiceError | null): CallFailed =>
  new CallFailed({ code: Grpc.status[error?.code ?? Grpc.status.UNKNOWN], details: error?.details ?? "no answer" })

// Flyte's default for a call.
const timeoutMillis = 10_000

/** A connection to a connector. */
export const make = Effect.fnUntraced(function* (address: string) {
  const definition = grpcServiceDefinition(Flyte1.AsyncAgentService)
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new Grpc.Client(address, Grpc.credentials.createInsecure())),
    (open) => Effect.sync(() => open.close())
  )

  const call = <Request, Response>(method: Method<Request, Response>, request: Request) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.callback<Response, CallFailed>((resume) => {
        const under = client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          new Grpc.Metadata(),
          { deadline: now + timeoutMillis },
          (error, response) => resume(response === undefined ? Effect.fail(failed(error)) : Effect.succeed(response))
        )
        return Effect.sync(() => under.cancel())
      })
    )

  const taskCategory = create(Flyte1.TaskCategorySchema, { name: "databricks", version: 0 })
  return {
    createTask: (request: Flyte1.CreateTaskRequest) => call(definition.createTask, request),
    getTask: (resourceMeta: Uint8Array) =>
      call(definition.getTask, create(Flyte1.GetTaskRequestSchema, { resourceMeta, taskCategory })),
    deleteTask: (resourceMeta: Uint8Array) =>
      call(definition.deleteTask, create(Flyte1.DeleteTaskRequestSchema, { resourceMeta, taskCategory }))
  }
})

export type FlyteClient = Effect.Success<ReturnType<typeof make>>
