/**
 * The service itself, imported once it is wanted.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ClusterConfig } from "../ClusterConfig.ts"
import { PodAddresses } from "../PodAddresses.ts"
import { LastPage } from "./serviceAccounts.ts"
import * as Call from "./call.ts"
import { load } from "./cluster.ts"

const PodList = Schema.Struct({
  kind: Schema.Literal("PodList"),
  // A page that is not the last one would hide a match.
  metadata: Schema.optional(LastPage),
  items: Schema.Array(
    Schema.Struct({
      spec: Schema.Struct({ hostNetwork: Schema.optional(Schema.Boolean) }),
      status: Schema.optional(
        Schema.Struct({ podIPs: Schema.optional(Schema.Array(Schema.Struct({ ip: Schema.optional(Schema.String) }))) })
      )
    })
  )
})

const decodeList = Schema.decodeUnknownOption(PodList)

const decodeAddresses = (value: unknown): Option.Option<ReadonlyArray<string>> =>
  Option.map(decodeList(value), ({ items }) =>
    items.flatMap(({ spec, status }) =>
      spec.hostNetwork === true ? [] : (status?.podIPs ?? []).flatMap(({ ip }) => ip ?? [])
    )
  )

/** Makes the service for a cluster; what is wrong with its configuration fails here. */
export const make = Effect.fnUntraced(function* (config: ClusterConfig, timeout: Duration.Duration) {
  const { cluster, api } = yield* load(config)
  const { call } = yield* Call.make(cluster, timeout, api)
  return PodAddresses.of({
    of: Effect.fn("PodAddresses.of")(
      (namespace: string, serviceAccount: string) => {
        const fieldSelector = `spec.serviceAccountName=${serviceAccount},status.phase=Running`
        return call({
          request: { verb: "list", resource: "pods", template: "/api/v1/namespaces/{namespace}/pods" },
          method: (api, sending) => api.listNamespacedPod({ namespace, fieldSelector, limit: 500 }, sending),
          decode: decodeAddresses
        })
      },
      Effect.map(Option.getOrElse(() => []))
    )
  })
})
