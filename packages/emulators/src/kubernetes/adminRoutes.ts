/**
 * The Kubernetes emulator's own admin routes: users, rules, Secrets.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { EmulatorError } from "../EmulatorError.ts"
import { adminBody, adminErrors, adminPrefix, json } from "../internal/commonAdminRoutes.ts"
import type { KubernetesApi } from "../KubernetesApi.ts"
import { Rule } from "./Rbac.ts"
import { SecretContent, UserSeed } from "./Seed.ts"

const target = Effect.map(HttpRouter.params, ({ name = "", namespace = "" }) => ({ name, namespace }))

/** The routes under `/_emulator`, all done by the methods that code has too. */
export const adminRoutes = (api: KubernetesApi["Service"]) => {
  const route = <R>(
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: `/${string}`,
    handler: Effect.Effect<unknown, EmulatorError, R>
  ) => HttpRouter.route(method, `${adminPrefix}${path}`, adminErrors(Effect.map(handler, (body) => json(body ?? {}))))

  return [
    route(
      "GET",
      "/users",
      Effect.map(api.users, (users) => ({ users }))
    ),
    route(
      "POST",
      "/users",
      adminBody(UserSeed).pipe(
        Effect.flatMap(api.addUser),
        Effect.map(({ token, username }) => ({ username, token: Redacted.value(token) }))
      )
    ),
    route(
      "POST",
      "/revoke-token",
      adminBody(Schema.Struct({ token: Schema.String })).pipe(
        Effect.flatMap(({ token }) => api.revokeToken(token)),
        Effect.map((revoked) => ({ revoked }))
      )
    ),
    route(
      "GET",
      "/rules",
      Effect.map(api.rules, (rules) => ({ rules }))
    ),
    route("POST", "/rules", Effect.flatMap(adminBody(Rule), api.addRule)),
    route(
      "PUT",
      "/rules",
      Effect.flatMap(adminBody(Schema.Struct({ rules: Schema.Array(Rule) })), ({ rules }) => api.setRules(rules))
    ),
    route(
      "GET",
      "/secrets",
      Effect.map(api.secrets, (secrets) => ({ secrets }))
    ),
    route(
      "PUT",
      "/namespaces/:namespace/secrets/:name",
      Effect.gen(function* () {
        yield* api.setSecret({ ...(yield* target), ...(yield* adminBody(SecretContent)) })
      })
    ),
    route(
      "DELETE",
      "/namespaces/:namespace/secrets/:name",
      Effect.map(Effect.flatMap(target, api.deleteSecret), (deleted) => ({ deleted }))
    )
  ]
}
