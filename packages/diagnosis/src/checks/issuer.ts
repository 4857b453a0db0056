/**
 * The issuer of a JWT, as Databricks will look it up: its address, its own name for itself, and its published keys.
 */
import type { WorkspaceHost } from "@flyte-databricks/databricks-auth"
import { baseUrl } from "@flyte-databricks/databricks-auth/WorkspaceHost"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as HttpClient from "effect/http/HttpClient"
import { BlockList, isIP } from "node:net"
import { Finding, type Passed } from "../Check.ts"
import * as Http from "../Http.ts"

const Document = Schema.fromJsonString(Schema.Struct({ issuer: Schema.String, jwks_uri: Schema.String }))
const Keys = Schema.fromJsonString(
  Schema.Struct({ keys: Schema.Array(Schema.Struct({ kid: Schema.optional(Schema.String) })) })
)

/** What an issuer publishes. */
export interface Documents {
  readonly documentUrl: string
  /** What it calls itself. */
  readonly issuer: string
  readonly jwksUri: string
  readonly keys: ReadonlyArray<{ readonly kid?: string | undefined }>
}

/** Fetches what an issuer publishes. */
export const fetchDocuments = Effect.fnUntraced(function* (
  issuer: string
): Effect.fn.Return<Documents, Finding, HttpClient.HttpClient> {
  const documentUrl = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`
  const document = yield* fetch(documentUrl, Document, "an OpenID discovery document")
  const { keys } = yield* fetch(document.jwks_uri, Keys, "a JSON Web Key Set")
  return { documentUrl, issuer: document.issuer, jwksUri: document.jwks_uri, keys }
})

/** Looks the issuer of a JWT up. */
export const lookUp = Effect.fnUntraced(function* <R>(
  { issuer, kid }: { readonly issuer: string; readonly kid: string | undefined },
  instance: WorkspaceHost.WorkspaceHost,
  documentsOf: (issuer: string) => Effect.Effect<Documents, Finding, R>
): Effect.fn.Return<Passed<void>, Finding, R> {
  const url = URL.parse(issuer)
  if (url === null) return yield* new Finding({ code: "FDC303", detail: `"${issuer}" is not a URL.` })
  if (isPrivate(url.hostname) && !isPrivate(new URL(baseUrl(instance)).hostname)) {
    return yield* new Finding({ code: "FDC302", detail: `It is ${issuer}.` })
  }
  const { documentUrl, jwksUri, keys, issuer: own } = yield* documentsOf(issuer)
  if (own !== issuer) {
    return yield* new Finding({ code: "FDC304", detail: `${documentUrl} says "${own}", and the JWT "${issuer}".` })
  }
  if (kid !== undefined && !keys.some((key) => key.kid === kid)) {
    const published = keys.flatMap((key) => key.kid ?? []).join(", ") || "none"
    return yield* new Finding({ code: "FDC305", detail: `The JWT's kid is ${kid}; ${jwksUri} publishes ${published}.` })
  }
  return {
    value: undefined,
    text: kid === undefined ? "The issuer publishes its keys." : "The issuer publishes the key that signed the JWT.",
    facts: { jwks_uri: jwksUri }
  }
})

const fetch = Effect.fnUntraced(function* <A>(
  url: string,
  schema: Schema.Codec<A, string>,
  what: string
): Effect.fn.Return<A, Finding, HttpClient.HttpClient> {
  const finding = (detail: string) => new Finding({ code: "FDC303", detail })
  const { status, body, said } = yield* Effect.mapError(Http.get(url), ({ message }) => finding(`${message}.`))
  if (status !== 200) return yield* finding(`${url} answered ${said}.`)
  return yield* Effect.mapError(Schema.decodeUnknownEffect(schema)(body), () =>
    finding(`${url} answered with something else than ${what}.`)
  )
})

const privateAddresses = new BlockList()
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16]
] as const) {
  privateAddresses.addSubnet(network, prefix)
}
privateAddresses.addSubnet("::1", 128, "ipv6")
privateAddresses.addSubnet("fc00::", 7, "ipv6")
privateAddresses.addSubnet("fe80::", 10, "ipv6")

/** Whether an address or a name means something inside of a network alone. */
export const isPrivate = (hostname: string): boolean => {
  const address = hostname.replace(/^\[|\]$/g, "")
  const family = isIP(address)
  if (family !== 0) return privateAddresses.check(address, family === 6 ? "ipv6" : "ipv4")
  return !address.includes(".") || /\.(svc|local|localhost|internal|cluster|lan)$/i.test(address)
}
