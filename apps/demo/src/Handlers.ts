/**
 * The API on the core. Identities, explanations and errors go out as they are: the core lets no secret into them. An
 * explanation is that of `connector explain`.
 */
import { DatabricksAuth, Identity } from "@flyte-databricks/databricks-auth"
import { Chain, Explanation } from "@flyte-databricks/diagnosis"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as HttpClient from "effect/http/HttpClient"
import { HttpApiBuilder, HttpApiMiddleware } from "effect/http-api"
import * as Access from "./Access.ts"
import { Api } from "./Api.ts"
import { Platform } from "./Platform.ts"
import * as Problem from "./Problem.ts"
import { Runs } from "./Runs.ts"

const demo = HttpApiBuilder.group(
  Api,
  "demo",
  Effect.fnUntraced(function* (handlers) {
    const auth = yield* DatabricksAuth.DatabricksAuth
    const runs = yield* Runs
    const platform = yield* Platform
    const chains = yield* Chain.Chains
    const client = yield* HttpClient.HttpClient
    return handlers.handleAll({
      health: () => Effect.succeed({ status: "ok" as const }),
      platform: () => Effect.succeed(platform),
      identity: Effect.fnUntraced(function* ({ query: { namespace, authType } }) {
        const { identity, explanation } = yield* auth.resolve({ namespace, settings: { authType } })
        return { namespace, identity: Identity.summarize(identity), explanation }
      }, Effect.mapError(Problem.of)),
      explanation: Effect.fnUntraced(
        function* ({ query: { namespace, proof, ...task } }) {
          const asked = { context: { namespace }, task, flags: {}, exchange: proof === "yes" }
          return yield* Explanation.explain(auth, asked, yield* Explanation.makeWays(chains.of))
        },
        Effect.provideService(HttpClient.HttpClient, client)
      ),
      submit: Effect.fnUntraced(function* ({ payload }) {
        const { runId, identity } = yield* runs.submit(payload)
        return { runId, namespace: payload.namespace, identity: Identity.summarize(identity) }
      }, Effect.mapError(Problem.of)),
      follow: Effect.fnUntraced(function* ({ params }) {
        const progress = yield* runs.follow(params.id)
        return Stream.map(progress, (data) => ({ event: "progress" as const, data })).pipe(
          Stream.catch((failure) => Stream.succeed({ event: "problem" as const, data: Problem.of(failure) }))
        )
      }, Effect.mapError(Problem.of)),
      cancel: ({ params }) => Effect.mapError(runs.cancel(params.id), Problem.of),
      tokens: Effect.fnUntraced(function* () {
        const tokens = yield* auth.tokens
        const now = yield* Clock.currentTimeMillis
        return { now, tokens: tokens.map((token) => ({ ...token, identity: Identity.summarize(token.identity) })) }
      })
    })
  })
)

/** The handlers, by the middleware that the API declares. */
export const groups = demo.pipe(
  Layer.provideMerge([Access.layer, HttpApiMiddleware.layerProblemDetails({ includeDetails: true })])
)

/** Every endpoint, and the OpenAPI document that describes them. */
export const layer = HttpApiBuilder.layer(Api, { openapiPath: "/api/openapi.json" }).pipe(Layer.provide(groups))
