/** Local stand-ins for the services a Flyte-to-Databricks connector talks to, over HTTP on loopback. */
export * as DatabricksWorkspace from "./DatabricksWorkspace.ts"
export * as KubernetesApi from "./KubernetesApi.ts"
export { EmulatorError } from "./EmulatorError.ts"
export { type ActiveFault, Fault, type FaultAction, type FaultRule, type Gate } from "./Faults.ts"
export * as RunPlan from "./databricks/jobs/RunPlan.ts"
export * as FastClock from "./FastClock.ts"
export * as Namespaces from "./showcase/Namespaces.ts"
export * as Showcase from "./showcase/Showcase.ts"
