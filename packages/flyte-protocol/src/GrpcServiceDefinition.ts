import { fromBinary, toBinary } from "@bufbuild/protobuf"
import type { DescMessage, DescMethod, DescService, MessageShape } from "@bufbuild/protobuf"

/** What `@grpc/grpc-js` asks of one method. The serializers throw on bytes or messages of another type. */
export interface GrpcMethodDefinition<Request, Response> {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  /** What a request is, for whoever looks at its bytes before it is read. */
  readonly requestType: DescMessage
  readonly requestSerialize: (message: Request) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => Request
  readonly responseSerialize: (message: Response) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Response
}

/** A service with its methods under their camel-case names, each with its own message types. */
export type GrpcServiceDefinition<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: GrpcMethodDefinition<
    MessageShape<Service["method"][Name]["input"]>,
    MessageShape<Service["method"][Name]["output"]>
  >
}

const codec = <Message extends DescMessage>(schema: Message) => ({
  serialize: (message: MessageShape<Message>): Buffer => {
    const bytes = toBinary(schema, message)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  },
  deserialize: (bytes: Buffer): MessageShape<Message> => fromBinary(schema, bytes)
})

const methodDefinition = (method: DescMethod) => {
  const request = codec(method.input)
  const response = codec(method.output)
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestType: method.input,
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: response.serialize,
    responseDeserialize: response.deserialize
  }
}

/** The service as `@grpc/grpc-js` wants it, for `Server.addService` and `makeGenericClientConstructor`. */
export function grpcServiceDefinition<Service extends DescService>(service: Service): GrpcServiceDefinition<Service>
// The type of the descriptor alone knows the methods' names and types: inside, a method takes a message of whatever type.
export function grpcServiceDefinition(service: DescService): GrpcServiceDefinition<DescService> {
  return Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method)]))
}
