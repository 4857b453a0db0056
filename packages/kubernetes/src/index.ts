export * as ClusterConfig from "./ClusterConfig.ts"
export * as KubernetesClient from "./KubernetesClient.ts"
export * as SelfReview from "./SelfReview.ts"
export * as KubernetesConfigError from "./KubernetesConfigError.ts"
