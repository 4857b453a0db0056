/** gRPC's health check: `grpc.health.v1.Health`, and the messages it exchanges. */
export * from "#gen/grpc/health/v1/health_pb.js"
