import * as Redacted from "effect/Redacted"
import * as Base64 from "effect/encoding/Base64"

/** What both halves of a pair become before they are joined (RFC 6749 §2.3.1). */
const formEncode = (text: string): string => new URLSearchParams({ v: text }).toString().slice(2)

/**
 * A client's id and secret as HTTP Basic carries them.
 */
export const basicCredentials = (clientId: string, clientSecret: Redacted.Redacted<string>): string =>
  Base64.encode(`${formEncode(clientId)}:${formEncode(Redacted.value(clientSecret))}`)

/**
 * Every way in which a server may repeat the secret that it was sent, the longest first.
 */
export const spellings = (clientId: string, clientSecret: Redacted.Redacted<string>): ReadonlyArray<string> => {
  const secret = Redacted.value(clientSecret)
  const encoded = [secret, `${clientId}:${secret}`].map((text) => Base64.encode(text))
  return [
    secret,
    formEncode(secret),
    encodeURIComponent(secret.toWellFormed()),
    JSON.stringify(secret).slice(1, -1),
    basicCredentials(clientId, clientSecret),
    ...encoded,
    ...encoded.map((text) => text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")),
    // What makes a JWT one is its signature.
    /^eyJ[\w-]+\.[\w-]+\.([\w-]+)$/.exec(secret)?.[1] ?? ""
  ]
    .filter((spelling) => spelling !== "")
    .toSorted((one, other) => other.length - one.length)
}
