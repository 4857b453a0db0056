/**
 * Look-ups of Kubernetes: what a failed one means, and how long the others are kept.
 */
import * as Cache from "effect/Cache"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { AccessForbidden, AuthError, KubernetesUnavailable } from "../../AuthError.ts"
import type { KubernetesError } from "../../Kubernetes.ts"

/** What is looked up, and the right that it takes. */
type Asked = Pick<AccessForbidden, "source" | "namespace" | "resource" | "resourceName" | "verb">

/** The failure of a look-up, by what was asked. */
export const failed =
  (asked: Asked) =>
  ({ reason }: KubernetesError): AuthError =>
    new AuthError({
      reason:
        reason._tag === "Forbidden"
          ? new AccessForbidden(asked)
          : new KubernetesUnavailable({ source: asked.source, detail: reason.detail })
    })

/** How long what was found counts as current, and what was not. */
export interface TimeToLive {
  readonly present: Duration.Input
  readonly absent: Duration.Input
}

/** Keeps what is looked up for a short time; a failure is never kept. */
export const kept = <Key, A>(
  lookup: (key: Key) => Effect.Effect<A, AuthError>,
  isPresent: (found: A) => boolean,
  timeToLive: TimeToLive,
  capacity = 10_000
): Effect.Effect<Cache.Cache<Key, A, AuthError>> =>
  Cache.makeWith(lookup, {
    capacity,
    timeToLive: (exit) => (Exit.isFailure(exit) ? 0 : isPresent(exit.value) ? timeToLive.present : timeToLive.absent)
  })
