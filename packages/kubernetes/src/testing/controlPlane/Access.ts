/**
 * ServiceAccounts: what they may do, and the credentials they do it with.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { ApiClient } from "./ApiClient.ts"
import { AccessUnchanged, ControlPlaneError } from "./ControlPlaneError.ts"
import type { ResourceAttributes, ServiceAccountName } from "./Rbac.ts"

const learnsWithin = "10 seconds"

const TokenRequest = Schema.Struct({
  status: Schema.Struct({ token: Schema.RedactedFromValue(Schema.String, { label: "ServiceAccount token" }) })
})
const SubjectAccessReview = Schema.Struct({ status: Schema.Struct({ allowed: Schema.Boolean }) })

/** Makes the operations on ServiceAccounts. */
export const make = (client: ApiClient) => {
  /** A token for these audiences; for none, one that the API server itself accepts. */
  const tokenFor = Effect.fnUntraced(function* (
    { namespace, name }: ServiceAccountName,
    options: { readonly audiences?: ReadonlyArray<string>; readonly expirationSeconds?: number } = {}
  ) {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: options }
    const { status } = yield* client.ask({ method: "POST", path, body }, TokenRequest)
    return status.token
  })

  const isAllowed = Effect.fnUntraced(function* (who: ServiceAccountName, right: ResourceAttributes) {
    const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    const spec = {
      user: `system:serviceaccount:${who.namespace}:${who.name}`,
      groups: ["system:serviceaccounts", `system:serviceaccounts:${who.namespace}`, "system:authenticated"],
      resourceAttributes: right
    }
    const body = { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec }
    const { status } = yield* client.ask({ method: "POST", path, body }, SubjectAccessReview)
    return status.allowed
  })

  /** Waits until the API server allows it, or until it no longer does: it learns of a new binding a moment later. */
  const untilAllowed = (who: ServiceAccountName, right: ResourceAttributes, expected = true) =>
    Effect.repeat(isAllowed(who, right), {
      schedule: Schedule.spaced("20 millis"),
      until: (allowed) => allowed === expected
    }).pipe(
      Effect.timeoutOrElse({
        duration: learnsWithin,
        orElse: () =>
          new ControlPlaneError({
            reason: new AccessUnchanged({
              serviceAccount: `${who.namespace}/${who.name}`,
              right: JSON.stringify(right),
              expected
            })
          })
      }),
      Effect.asVoid
    )

  return { tokenFor, isAllowed, untilAllowed }
}
