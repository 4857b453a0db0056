/**
 * The messages and services through which Flyte 1 and Flyte 2 talk to a connector. The two families have the same names
 * in different protobuf packages, so each is a namespace of its own.
 */
export * as Flyte1 from "./Flyte1.ts"
export * as Flyte2 from "./Flyte2.ts"
export { grpcServiceDefinition } from "./GrpcServiceDefinition.ts"
export type { GrpcMethodDefinition, GrpcServiceDefinition } from "./GrpcServiceDefinition.ts"
