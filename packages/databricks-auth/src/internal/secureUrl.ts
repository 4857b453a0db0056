import * as Effect from "effect/Effect"
import type { AuthError } from "../AuthError.ts"
import { invalid } from "./settings.ts"
import { loopbackNames } from "./workspaceAddress.ts"
import { parseUrl } from "./url.ts"

/**
 * Fails where a secret may not be sent to an address: it has to be https, or http of a loopback host, and to name nobody.
 */
export const requireSecure = (what: string, address: string): Effect.Effect<void, AuthError> => {
  const url = parseUrl(address)
  const isEncrypted =
    url?.protocol === "https:" || (url?.protocol === "http:" && loopbackNames.has(url.hostname.toLowerCase()))
  return isEncrypted && url.username === "" && url.password === "" && url.hash === ""
    ? Effect.void
    : Effect.fail(invalid(what, address, "an https URL (http for loopback hosts alone), without user and fragment"))
}
