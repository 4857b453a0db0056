/**
 * The admin routes that both emulators have: faults and recorded requests.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import { FaultRule, type Faults } from "../Faults.ts"
import type { RequestLog } from "../RequestLog.ts"
import { RequestMatch } from "../RequestMatch.ts"
import { EmulatorError, InvalidInput } from "../EmulatorError.ts"
import * as exactJson from "./exactJson.ts"

/** Everything below this path is the emulator's own, not the emulated API's. */
export const adminPrefix = "/_emulator"

/** Answers with JSON, `bigint`s included. */
const json = (body: unknown, status = 200) =>
  HttpServerResponse.text(exactJson.stringify(body), { status, contentType: "application/json" })

const statusOf = { NotFound: 404, AlreadyExists: 409, InvalidInput: 400, ListenFailed: 500, FileNotWritten: 500 }

/** Words an error for whoever called an admin route. */
const adminErrors = <A, R>(handler: Effect.Effect<A, EmulatorError, R>) =>
  Effect.catchTag(handler, "EmulatorError", (error) =>
    Effect.succeed(json({ error: error.message }, statusOf[error.reason._tag]))
  )

/** A route below the prefix that answers with what its handler gives, or with the handler's error in words. */
export const adminRoute = <R>(
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: `/${string}`,
  handler: Effect.Effect<unknown, EmulatorError, R>
) => HttpRouter.route(method, `${adminPrefix}${path}`, adminErrors(Effect.map(handler, (body) => json(body ?? {}))))

/** Decodes the JSON body of an admin request; unknown keys are refused, since they are mostly typing errors. */
export const adminBody = <S extends Schema.Top>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(schema, { onExcessProperty: "error" })
  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const text = yield* Effect.orDie(request.text)
    const body = yield* Effect.try({
      try: () => (text === "" ? {} : exactJson.parse(text)),
      catch: () => invalidBody("it is not JSON")
    })
    return yield* decode(body).pipe(Effect.mapError((error) => invalidBody(error.message)))
  })
}

const invalidBody = (problem: string) =>
  new EmulatorError({ reason: new InvalidInput({ what: "request body", problem }) })

const encodeRule = Schema.encodeSync(FaultRule)

/** The routes for faults and requests. */
export const commonAdminRoutes = ({ faults, requests }: { readonly faults: Faults; readonly requests: RequestLog }) => [
  adminRoute(
    "GET",
    "/faults",
    Effect.map(faults.active, (active) => ({
      faults: active.map(({ id, rule: { when: _, ...rule }, used }) => ({ id, used, ...encodeRule(rule) }))
    }))
  ),
  HttpRouter.route(
    "POST",
    `${adminPrefix}/faults`,
    adminBody(FaultRule).pipe(
      Effect.flatMap(faults.add),
      Effect.map((id) => json({ id }, 201)),
      adminErrors
    )
  ),
  adminRoute("DELETE", "/faults", faults.clear),
  HttpRouter.route(
    "DELETE",
    `${adminPrefix}/faults/:id`,
    Effect.gen(function* () {
      const { id = "" } = yield* HttpRouter.params
      return (yield* faults.remove(id)) ? json({}) : json({ error: `No fault ${id}` }, 404)
    })
  ),
  HttpRouter.route(
    "GET",
    `${adminPrefix}/requests`,
    HttpServerRequest.schemaSearchParams(RequestMatch).pipe(
      Effect.flatMap(requests.all),
      Effect.map((all) => json({ requests: all })),
      Effect.catchTag("SchemaError", (error) => Effect.succeed(json({ error: error.message }, 400)))
    )
  ),
  adminRoute("DELETE", "/requests", requests.clear)
]

/** The route that lists what can be asked, itself left out. */
export const routesListed = <E, R>(routes: ReadonlyArray<HttpRouter.Route<E, R>>) =>
  HttpRouter.route(
    "GET",
    adminPrefix,
    Effect.succeed(json({ routes: routes.map(({ method, path }) => `${method} ${path}`) }))
  )
