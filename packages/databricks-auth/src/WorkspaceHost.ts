/**
 * The Databricks workspace a credential may be sent to. A workflow author chooses the instance, so this fence is
 * passed before any credential is read: a host that is not on the allow-list never sees one.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { AuthError, InstanceRefused } from "./AuthError.ts"
import { looksLikeSecret, shown } from "./internal/settings.ts"

/**
 * A workspace in canonical form: `host[:port]` for HTTPS, `http://host[:port]` for a loopback stand-in.
 */
export const WorkspaceHost = Schema.String.pipe(Schema.brand("@flyte-databricks/databricks-auth/WorkspaceHost"))
export type WorkspaceHost = typeof WorkspaceHost.Type

/**
 * The domains under which Databricks runs workspaces, on all of its clouds.
 */
export const databricksDomains: ReadonlyArray<string> = [
  "*.cloud.databricks.com",
  "*.cloud.databricks.us",
  "*.azuredatabricks.net",
  "*.databricks.azure.us",
  "*.databricks.azure.cn",
  "*.gcp.databricks.com"
]

/**
 * Where requests to this workspace go, without a trailing slash.
 */
export const baseUrl = (host: WorkspaceHost): string => (host.startsWith("http://") ? host : `https://${host}`)

interface Parsed {
  readonly scheme: "http" | "https"
  readonly hostname: string
  readonly port: string
}

const loopbackNames: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"])

const dnsName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i

// A last label of digits is what makes a browser or a resolver read a name as an IPv4 address (WHATWG URL §3.5).
const isIpAddress = (hostname: string): boolean => hostname.startsWith("[") || /(^|\.)(\d+|0x[0-9a-f]*)$/.test(hostname)

const split = (input: string): { readonly scheme: string | undefined; readonly rest: string } => {
  const matched = /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):\/\/)?(.*)/s.exec(input.trim())!
  return { scheme: matched[1], rest: matched[2]! }
}

/**
 * Reads `host`, `host:port` and either with a scheme. The answer is what is wrong, where something is.
 */
const parse = (input: string): Parsed | string => {
  if (looksLikeSecret(input)) return "it looks like a secret, not like a host name"
  const { scheme: given = "https", rest } = split(input)
  const scheme = given.toLowerCase()
  // Workspace URLs are pasted from a browser, where they end in a slash.
  const authority = rest.replace(/\/$/, "")
  if (scheme !== "https" && scheme !== "http") return `the scheme ${scheme}:// is not https://`
  if (authority.includes("@")) return "it carries user information (an @)"
  if (/[/\\]/.test(authority)) return "it has a path"
  if (/[?#]/.test(authority)) return "it has a query or a fragment"
  const parts = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(authority)
  if (parts === null) return "it is not a host name"
  const hostname = parts[1]!.toLowerCase()
  const number = parts[2] === undefined ? "" : String(Number(parts[2]))
  if (number !== "" && (Number(number) === 0 || Number(number) > 65535)) return `the port ${number} does not exist`
  // Before its case is changed: there are letters outside of ASCII whose lower case is inside.
  if (!isIpAddress(hostname) && !dnsName.test(parts[1]!)) return "it is not a host name"
  if (scheme === "http" && !loopbackNames.has(hostname)) {
    return "http:// is for loopback hosts alone; a workspace is reached over https://"
  }
  const port = number === (scheme === "https" ? "443" : "80") ? "" : number
  const parsed = { scheme, hostname, port } as const
  const origin = baseUrl(canonical(parsed))
  // The URL parser has the last word on where a request goes. What it reads otherwise is not admitted as what it seems.
  const isUsual = URL.canParse(origin) && new URL(origin).origin === origin
  return isUsual ? parsed : "it is an IP address in an unusual notation, or no host name"
}

const canonical = (parsed: Parsed): WorkspaceHost =>
  WorkspaceHost.make(
    `${parsed.scheme === "http" ? "http://" : ""}${parsed.hostname}${parsed.port === "" ? "" : `:${parsed.port}`}`
  )

/**
 * Hosts that credentials may be sent to: exact instances, and `*.` wildcards for the names below a domain.
 */
export interface AllowList {
  readonly patterns: ReadonlyArray<string>
  readonly allows: (host: WorkspaceHost) => boolean
}

/**
 * Reads the operator's patterns; each is an instance or `*.` and a domain. `setting` is what errors say they are from.
 */
export const allowList = Effect.fnUntraced(function* (
  patterns: ReadonlyArray<string>,
  setting = "FLYTE_DATABRICKS_ALLOWED_INSTANCES"
): Effect.fn.Return<AllowList, AuthError> {
  const exact = new Set<string>()
  // A domain never ends as an IP address does, and a loopback name has none: a wildcard covers neither.
  const domains = new Set<string>()
  for (const pattern of patterns) {
    const isWildcard = pattern.startsWith("*.")
    const parsed = parse(isWildcard ? pattern.slice(2) : pattern)
    if (typeof parsed === "string") return yield* refuseListed(pattern, parsed, setting)
    if (isWildcard && (isIpAddress(parsed.hostname) || pattern.includes("://"))) {
      return yield* refuseListed(pattern, "a wildcard needs a domain, not an address or a scheme", setting)
    }
    if (isWildcard) domains.add(canonical(parsed))
    else exact.add(canonical(parsed))
  }
  return {
    patterns,
    allows: (host) => exact.has(host) || Array.from(domains).some((domain) => host.endsWith(`.${domain}`))
  }
})

const refuseListed = (pattern: string, why: string, setting: string): AuthError =>
  refuse(pattern, `${why}; expected in ${setting}: host names and *. wildcards, separated by commas`, [])

/**
 * The canonical form of an instance, whoever may use it; what is wrong with it, where it is not one.
 */
export const canonicalize = Effect.fnUntraced(function* (input: string): Effect.fn.Return<WorkspaceHost, AuthError> {
  const parsed = parse(input)
  return typeof parsed === "string" ? yield* refuse(input, parsed, []) : canonical(parsed)
})

/**
 * The operator's own instance, by the setting that names it. No workspace answers for a bare IP address with a certificate,
 * so that one has to be listed too; loopback is a stand-in on this machine.
 */
export const operatorsOwn = Effect.fnUntraced(function* (
  setting: string,
  input: string,
  listed: ReadonlyArray<string>
): Effect.fn.Return<WorkspaceHost, AuthError> {
  const parsed = parse(input)
  const refused = (why: string) =>
    refuse(input, `${why}; expected in ${setting}: a host name such as dbc-a1b2.cloud.databricks.com`, [])
  if (typeof parsed === "string") return yield* refused(parsed)
  const host = canonical(parsed)
  const isListed = listed.map(parse).some((other) => typeof other !== "string" && canonical(other) === host)
  if (!isIpAddress(parsed.hostname) || loopbackNames.has(parsed.hostname) || isListed) return host
  return yield* refused("it is an IP address, and FLYTE_DATABRICKS_ALLOWED_INSTANCES does not list it too")
})

/**
 * The instance in canonical form, if credentials may be sent to it.
 */
export const admit = Effect.fnUntraced(function* (
  input: string,
  list: AllowList
): Effect.fn.Return<WorkspaceHost, AuthError> {
  const parsed = parse(input)
  if (typeof parsed === "string") return yield* refuse(input, parsed, list.patterns)
  const host = canonical(parsed)
  if (list.allows(host)) return host
  const why = isIpAddress(parsed.hostname)
    ? "an IP address is allowed only where the operator lists it"
    : "it is not on the allow-list"
  return yield* refuse(input, why, list.patterns)
})

const refuse = (input: string, why: string, allowed: ReadonlyArray<string>): AuthError =>
  new AuthError({ reason: new InstanceRefused({ instance: printable(input), why, allowed }) })

// Somebody may have pasted a URL with a password in it: what stands before an @ or after the host is not repeated.
const printable = (input: string): string => {
  const { scheme, rest } = split(input)
  const authority = rest.replace(/^.*@/s, "…@").replace(/[/\\?#].*/s, "…")
  return shown(`${scheme === undefined ? "" : `${scheme}://`}${authority}`.replaceAll(/[^\x20-\x7e…]/g, "�"))
}
