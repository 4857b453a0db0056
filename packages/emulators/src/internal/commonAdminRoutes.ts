/**
 * The admin routes that both emulators have: faults and recorded requests.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import type { RunningServer } from "../EmulatorServer.ts"
import { FaultRule } from "../Faults.ts"
import { RequestMatch } from "../RequestMatch.ts"
import { EmulatorError, InvalidInput } from "../EmulatorError.ts"
import * as exactJson from "./exactJson.ts"

/** Everything below this path is the emulator's own, not the emulated API's. */
export const adminPrefix = "/_emulator"

/** Answers with JSON, `bigint`s included. */
export const json = (body: unknown, status = 200) =>
  HttpServerResponse.text(exactJson.stringify(body), { status, contentType: "application/json" })

const statusOf = { NotFound: 404, AlreadyExists: 409, InvalidInput: 400, ListenFailed: 500, FileNotWritten: 500 }

/** Words an error for whoever called an admin route. */
export const adminErrors = <A, R>(handler: Effect.Effect<A, EmulatorError, R>) =>
  Effect.catchTag(handler, "EmulatorError", (error) =>
    Effect.succeed(json({ error: error.message }, statusOf[error.reason._tag]))
  )

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
export const commonAdminRoutes = ({ faults, requests }: RunningServer) => [
  HttpRouter.route(
    "GET",
    `${adminPrefix}/faults`,
    Effect.map(faults.active, (active) =>
      json({ faults: active.map(({ id, rule: { when: _, ...rule }, used }) => ({ id, used, ...encodeRule(rule) })) })
    )
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
  HttpRouter.route("DELETE", `${adminPrefix}/faults`, Effect.as(faults.clear, json({}))),
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
  HttpRouter.route("DELETE", `${adminPrefix}/requests`, Effect.as(requests.clear, json({})))
]

/** The route that lists what can be asked, itself left out. */
export const routesListed = <E, R>(routes: ReadonlyArray<HttpRouter.Route<E, R>>) =>
  HttpRouter.route(
    "GET",
    adminPrefix,
    Effect.succeed(json({ routes: routes.map(({ method, path }) => `${method} ${path}`) }))
  )
