export * as ClusterConfig from "./ClusterConfig.ts"
export * as KubernetesClient from "./KubernetesClient.ts"
export * as KubernetesConfigError from "./KubernetesConfigError.ts"
export * as PodAddresses from "./PodAddresses.ts"
