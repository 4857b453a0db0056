/**
 * The client credentials grant (RFC 6749 §4.4): a service principal's application id and secret.
 */
import * as Effect from "effect/Effect"
import type { Principals } from "../Principals.ts"
import type { Grant } from "./Grant.ts"
import { invalidClient } from "./OAuthError.ts"

/** Makes the grant over the workspace's service principals. */
export const make = (principals: Principals): Grant => ({
  grantType: "client_credentials",
  grant: Effect.fnUntraced(function* ({ client }) {
    const principal = client === undefined ? undefined : yield* principals.bySecret(client.id, client.secret)
    if (principal === undefined) return yield* invalidClient
    return { principal: principal.name }
  })
})
