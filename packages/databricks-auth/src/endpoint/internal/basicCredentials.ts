import * as Redacted from "effect/Redacted"
import * as Base64 from "effect/encoding/Base64"

/** What both halves of a pair become before they are joined (RFC 6749 §2.3.1). */
const formEncode = (text: string): string => new URLSearchParams({ v: text }).toString().slice(2)

/**
 * A client's id and secret as HTTP Basic carries them.
 */
export const basicCredentials = (clientId: string, clientSecret: Redacted.Redacted<string>): string =>
  Base64.encode(`${formEncode(clientId)}:${formEncode(Redacted.value(clientSecret))}`)
