/**
 * How a resource takes part in the API: each resource is a module of its own that gives routes made with `resourceRoute`,
 * and is listed where the API is put together.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { EmulatorRoute } from "../EmulatorServer.ts"
import type { Rbac } from "./Rbac.ts"
import { type StatusError, toResponse } from "./Status.ts"
import type { User } from "./Users.ts"

/** What a call names in its path. */
export interface Target {
  readonly namespace: string
  readonly name: string
}

/** Who makes the current request, and whether they may. */
export interface Access {
  readonly authenticate: Effect.Effect<User, StatusError, HttpServerRequest.HttpServerRequest>
  readonly rbac: Rbac
}

/** Makes the route of one verb on one resource: who calls, whether they may, and then `handle`. */
export const resourceRoute = (
  access: Access,
  options: {
    readonly method: "GET" | "POST"
    /** With `:namespace` and, where there is one, `:name`. */
    readonly path: `/${string}`
    readonly verb: string
    readonly apiGroup: string
    /** Plural, with the subresource: `secrets`, `serviceaccounts/token`. */
    readonly resource: string
    readonly handle: (target: Target) => Effect.Effect<unknown, StatusError, HttpRouter.Provided>
    readonly status?: number
  }
): EmulatorRoute => {
  const { apiGroup, resource, verb } = options
  const answer = Effect.gen(function* () {
    const { name, namespace = "" } = yield* HttpRouter.params
    const user = yield* access.authenticate
    yield* access.rbac.authorize(user, { verb, apiGroup, resource, namespace, name })
    return HttpServerResponse.jsonUnsafe(yield* options.handle({ namespace, name: name ?? "" }), {
      status: options.status ?? 200
    })
  })
  return HttpRouter.route(
    options.method,
    options.path,
    Effect.catchTag(answer, "StatusError", (error) => Effect.succeed(toResponse(error)))
  )
}
