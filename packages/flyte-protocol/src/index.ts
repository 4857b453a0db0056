/**
 * The messages and services through which Flyte 1 and Flyte 2 talk to a connector, and Kubernetes' probes. The families
 * share names across protobuf packages, so each is a namespace of its own.
 */
export * as Flyte1 from "./Flyte1.ts"
export * as Flyte2 from "./Flyte2.ts"
export * as GrpcHealth from "./GrpcHealth.ts"
export { grpcServiceDefinition } from "./GrpcServiceDefinition.ts"
export type { GrpcMethodDefinition, GrpcServiceDefinition } from "./GrpcServiceDefinition.ts"
