/**
 * A cluster and the methods for it. In a pod nothing is loaded that these do not need; a kubeconfig takes the client
 * library, which costs 0.2 s of CPU and 25 MB.
 */
import * as Effect from "effect/Effect"
import type { ClusterConfig } from "../ClusterConfig.ts"
import * as Mounted from "./mounted.ts"
import * as Rest from "./rest.ts"

/** Loads what was located; what is wrong with it fails here. */
export const load = Effect.fnUntraced(function* (config: ClusterConfig) {
  if (config._tag === "InCluster") {
    const cluster = yield* Mounted.load(config)
    return { cluster, api: Rest.make(cluster.server) }
  }
  const client = yield* Effect.promise(() => import("./client.ts"))
  return yield* client.make(config)
})
