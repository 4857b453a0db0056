/**
 * What a caller may ask about itself without a right of its own: who it is (SelfSubjectReview), and what it may do
 * (SelfSubjectAccessReview); and the server's version.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import type { EmulatorRoute } from "../EmulatorServer.ts"
import type { Access } from "./Resource.ts"
import { badRequest, type StatusError, toResponse } from "./Status.ts"

const text = Schema.optional(Schema.NullOr(Schema.String))

const AccessReview = Schema.fromJsonString(
  Schema.Struct({
    spec: Schema.Struct({
      resourceAttributes: Schema.Struct({
        namespace: text,
        verb: Schema.String,
        group: text,
        resource: Schema.String,
        subresource: text,
        name: text
      })
    })
  })
)

/** The version that the server says it is. */
const version = { major: "1", minor: "36", gitVersion: "v1.36.0-emulator", platform: "linux/amd64" }

/** The routes, over the check of who calls and the rules. */
export const reviewRoutes = (access: Access): ReadonlyArray<EmulatorRoute> => {
  const route = (
    method: "GET" | "POST",
    path: `/${string}`,
    body: Effect.Effect<unknown, StatusError, HttpServerRequest.HttpServerRequest>,
    status: number
  ): EmulatorRoute =>
    HttpRouter.route(
      method,
      path,
      body.pipe(
        Effect.map((value) => HttpServerResponse.jsonUnsafe(value, { status })),
        Effect.catchTag("StatusError", (error) => Effect.succeed(toResponse(error)))
      )
    )

  const whoAmI = Effect.map(access.authenticate, ({ username, groups }) => ({
    kind: "SelfSubjectReview",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { creationTimestamp: null },
    status: { userInfo: { username, groups } }
  }))

  const mayI = Effect.gen(function* () {
    const user = yield* access.authenticate
    const request = yield* HttpServerRequest.HttpServerRequest
    const { spec } = yield* Schema.decodeEffect(AccessReview)(yield* Effect.orDie(request.text)).pipe(
      Effect.mapError(() => badRequest("the object provided is unrecognized (must be of type SelfSubjectAccessReview)"))
    )
    const { group, name, namespace, resource, subresource, verb } = spec.resourceAttributes
    const authorized = yield* Effect.result(
      access.rbac.authorize(user, {
        verb,
        apiGroup: group ?? "",
        resource: subresource ? `${resource}/${subresource}` : resource,
        namespace: namespace ?? "",
        name: name || undefined
      })
    )
    return {
      kind: "SelfSubjectAccessReview",
      apiVersion: "authorization.k8s.io/v1",
      metadata: { creationTimestamp: null },
      spec,
      status: { allowed: authorized._tag === "Success" }
    }
  })

  return [
    route("GET", "/version", Effect.succeed(version), 200),
    route("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", whoAmI, 201),
    route("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", mayI, 201)
  ]
}
