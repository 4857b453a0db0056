/**
 * Requests by the client library, for a kubeconfig: it knows every way in which one may say who asks. It is imported only
 * where one is configured.
 */
import { CoreV1Api } from "@kubernetes/client-node"
import * as Effect from "effect/Effect"
import type { ClusterConfig } from "../ClusterConfig.ts"
import type { Sending } from "./call.ts"
import { options } from "./exchange.ts"
import { load } from "./kubeConfig.ts"
import type * as Rest from "./rest.ts"

/** A cluster, and the methods for it; what is wrong with its configuration fails here. */
export const make = Effect.fnUntraced(function* (config: ClusterConfig) {
  const cluster = yield* load(config)
  const core = new CoreV1Api(cluster.configuration)
  const api: ReturnType<typeof Rest.make> = {
    readNamespacedSecret: (of, sending) => core.readNamespacedSecret(of, options(sending)),
    listNamespacedServiceAccount: (of, sending) => core.listNamespacedServiceAccount(of, options(sending)),
    createNamespacedServiceAccountToken: ({ body, ...of }, sending: Sending) =>
      core.createNamespacedServiceAccountToken({ ...of, body: body as never }, options(sending)),
    listNamespacedPod: (of, sending) => core.listNamespacedPod(of, options(sending))
  }
  return { cluster, api }
})
