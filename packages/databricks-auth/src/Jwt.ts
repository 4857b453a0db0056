/**
 * What can be read from a JWT without its issuer's keys. Databricks verifies it; here its claims tell a token that
 * cannot work from one that can, and explain a refusal. The JWT itself stays `Redacted`.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Base64Url from "effect/encoding/Base64Url"

/**
 * The claims that a federation policy looks at (RFC 7519 §4.1).
 */
export class Claims extends Schema.Class<Claims>("@flyte-databricks/databricks-auth/Jwt/Claims")({
  iss: Schema.optionalKey(Schema.String),
  sub: Schema.optionalKey(Schema.String),
  aud: Schema.optionalKey(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
  // Seconds; what lies beyond is no date.
  exp: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: -8.64e12, maximum: 8.64e12 })))
}) {
  get audiences(): ReadonlyArray<string> {
    return this.aud === undefined ? [] : typeof this.aud === "string" ? [this.aud] : this.aud
  }
}

/**
 * How a JWT is signed, and with which of its issuer's keys (RFC 7515 §4.1).
 */
export const Header = Schema.Struct({ alg: Schema.String, kid: Schema.optionalKey(Schema.String) })
export type Header = typeof Header.Type

/**
 * A signed JWT, read and not verified.
 */
export interface Jwt {
  /** The JWT itself, in its compact form. */
  readonly token: Redacted.Redacted<string>
  /** How it is signed. */
  readonly header: Header
  /** What it says. */
  readonly claims: Claims
}

/**
 * What a JWT says, without the JWT.
 */
export type Description = Omit<Jwt, "token">

const decodeClaims = Schema.decodeUnknownOption(Schema.fromJsonString(Claims))
const decodeHeader = Schema.decodeUnknownOption(Schema.fromJsonString(Header))

/**
 * Reads a signed JWT in its compact form; none where the text is something else.
 */
export const parse = (text: string): Option.Option<Jwt> => {
  const parts = /^([\w-]+)\.([\w-]+)\.[\w-]+$/.exec(text)
  if (parts === null) return Option.none()
  const json = (part: string) => Result.getSuccess(Base64Url.decodeString(part))
  const header = Option.flatMap(json(parts[1]!), decodeHeader)
  const claims = Option.flatMap(json(parts[2]!), decodeClaims)
  return Option.zipWith(header, claims, (header, claims) => ({
    token: Redacted.make(text, { label: "JWT" }),
    header,
    claims
  }))
}

// The clocks of a cluster and of this process may disagree; Databricks has the last word on a token that just ended.
const clockSkewSeconds = 60

/**
 * Whether a token ended, at the given instant in milliseconds.
 */
export const hasExpired = ({ exp }: Claims, now: number): boolean =>
  ((exp ?? Number.POSITIVE_INFINITY) + clockSkewSeconds) * 1000 <= now

/**
 * When a token ends, as ISO 8601.
 */
export const expiry = ({ exp }: Claims): Option.Option<string> =>
  Option.map(Option.fromUndefinedOr(exp), (seconds) => DateTime.formatIso(DateTime.makeUnsafe(seconds * 1000)))
