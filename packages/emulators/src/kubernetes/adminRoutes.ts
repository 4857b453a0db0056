/**
 * The Kubernetes emulator's own admin routes: users, rules, Secrets, ServiceAccounts and their tokens.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { adminBody, adminRoute as route } from "../internal/commonAdminRoutes.ts"
import type { Controls } from "./Controls.ts"
import { Rule } from "./Rbac.ts"
import {
  MintRequest,
  RotateRequest,
  SecretContent,
  ServiceAccountContent,
  ServiceAccountPatch,
  UserSeed
} from "./Seed.ts"

const target = Effect.map(HttpRouter.params, ({ name = "", namespace = "" }) => ({ name, namespace }))

/** The routes under `/_emulator`, all done by the methods that code has too. */
export const adminRoutes = (api: Controls) => [
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
  ),
  route(
    "GET",
    "/serviceaccounts",
    Effect.map(api.serviceAccounts, (serviceAccounts) => ({ serviceAccounts }))
  ),
  route(
    "PUT",
    "/namespaces/:namespace/serviceaccounts/:name",
    Effect.gen(function* () {
      yield* api.setServiceAccount({ ...(yield* target), ...(yield* adminBody(ServiceAccountContent)) })
    })
  ),
  route(
    "PATCH",
    "/namespaces/:namespace/serviceaccounts/:name",
    Effect.gen(function* () {
      yield* api.patchServiceAccount(yield* target, yield* adminBody(ServiceAccountPatch))
    })
  ),
  route(
    "DELETE",
    "/namespaces/:namespace/serviceaccounts/:name",
    Effect.map(Effect.flatMap(target, api.deleteServiceAccount), (deleted) => ({ deleted }))
  ),
  route(
    "POST",
    "/mint-token",
    adminBody(MintRequest).pipe(
      Effect.flatMap(api.mintToken),
      Effect.map((token) => ({ token: Redacted.value(token) }))
    )
  ),
  route(
    "POST",
    "/rotate-signing-key",
    adminBody(RotateRequest).pipe(
      Effect.flatMap(api.rotateSigningKey),
      Effect.map((kid) => ({ kid }))
    )
  )
]
