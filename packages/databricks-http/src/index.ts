export * as DatabricksHttp from "./DatabricksHttp.ts"
export * as DispatcherClient from "./DispatcherClient.ts"
export * as NetworkSettings from "./NetworkSettings.ts"
