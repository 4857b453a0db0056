/**
 * ID tokens for tests: JWTs that say what they are told to say, and are not signed. What verifies signatures refuses them;
 * this package reads claims alone.
 */
import * as Option from "effect/Option"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Jwt from "../Jwt.ts"

/** What a token says unless a test says otherwise. */
export const claims = {
  iss: "https://issuer.example",
  sub: "system:serviceaccount:flyte:connector",
  aud: ["databricks"]
} as const

/** What stands where the signature would. Text that has it shows a token. */
export const signature = "uns1gn3d-1d-t0k3n"

/** What a token is made of. */
export interface Options {
  /** By default RS256. */
  readonly header?: object
  /** By default `signature`. */
  readonly signature?: string
}

/** A token in its compact form; `exp` is in seconds since the epoch. */
export const text = (said: object = claims, options: Options = {}): string =>
  [
    ...[options.header ?? { alg: "RS256" }, said].map((part) => Base64Url.encode(JSON.stringify(part))),
    options.signature ?? signature
  ].join(".")

/** The same, read. */
export const make = (said?: object, options?: Options): Jwt.Jwt => Option.getOrThrow(Jwt.parse(text(said, options)))
