import * as Redacted from "effect/Redacted"
import * as Base64 from "effect/encoding/Base64"
import * as Base64Url from "effect/encoding/Base64Url"

/** What both halves of a pair become before they are joined (RFC 6749 §2.3.1). */
const formEncode = (text: string): string => new URLSearchParams({ v: text }).toString().slice(2)

const joined = (clientId: string, secret: string): string => `${formEncode(clientId)}:${formEncode(secret)}`

/**
 * A client's id and secret as HTTP Basic carries them.
 */
export const basicCredentials = (clientId: string, clientSecret: Redacted.Redacted<string>): string =>
  Base64.encode(joined(clientId, Redacted.value(clientSecret)))

/**
 * Every way in which a server may repeat the secret that it was sent, the longest first.
 */
export const spellings = (clientId: string, clientSecret: Redacted.Redacted<string>): ReadonlyArray<string> => {
  const secret = Redacted.value(clientSecret)
  return [
    secret,
    formEncode(secret),
    encodeURIComponent(secret.toWellFormed()),
    JSON.stringify(secret).slice(1, -1),
    ...[secret, `${clientId}:${secret}`, joined(clientId, secret)].flatMap(base64),
    ...signatures(secret)
  ]
    .filter((spelling) => spelling !== "")
    .toSorted((one, other) => other.length - one.length)
}

// What makes a JWT one is its signature. Part by part, as one expression over all three would begin anew at every "eyJ";
// and not too many, as each is searched for.
const signatures = (secret: string): ReadonlyArray<string> =>
  secret
    .split(/[^\w.-]/)
    .flatMap((word) => {
      const parts = word.split(".")
      return parts.filter((_, n) => n >= 2 && /eyJ[\w-]/.test(parts[n - 2]!) && parts[n - 1] !== "")
    })
    .slice(0, 10)

// In both alphabets, and where the padding was dropped.
const base64 = (text: string): ReadonlyArray<string> => {
  const padded = Base64.encode(text)
  return [padded, padded.replaceAll("=", ""), Base64Url.encode(text)]
}
