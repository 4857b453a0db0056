/**
 * The Databricks workspace a credential may be sent to: a host and, where the host serves several, the id of one. A
 * workflow author chooses it, so this fence is passed before any credential is read: a workspace that is not on the
 * allow-list never sees one.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { AuthError, InstanceRefused } from "./AuthError.ts"
import { invalid, looksLikeSecret, shown } from "./internal/settings.ts"

/**
 * A workspace in canonical form: `host[:port]` for HTTPS, `http://host[:port]` for a loopback stand-in. On a host that
 * serves several, `?o=` and the id follow (`?w=` where it is no number), as in the address of a browser.
 */
export const WorkspaceHost = Schema.String.pipe(Schema.brand("@flyte-databricks/databricks-auth/WorkspaceHost"))
export type WorkspaceHost = typeof WorkspaceHost.Type

/**
 * The domains of Databricks, on all of its clouds. Under the last one are the hosts that serve a whole account.
 */
export const databricksDomains: ReadonlyArray<string> = [
  "*.cloud.databricks.com",
  "*.cloud.databricks.us",
  "*.azuredatabricks.net",
  "*.databricks.azure.us",
  "*.databricks.azure.cn",
  "*.gcp.databricks.com",
  "*.databricks.com"
]

/**
 * The workspace without its id: all that serve behind one name are alike in it.
 */
export const hostOf = (workspace: WorkspaceHost): WorkspaceHost => WorkspaceHost.make(workspace.replace(/\?.*$/, ""))

/**
 * The id, where the host serves several workspaces.
 */
export const idOf = (workspace: WorkspaceHost): Option.Option<string> =>
  Option.fromUndefinedOr(/\?[ow]=(.+)$/.exec(workspace)?.[1])

/**
 * Where requests to this workspace go, without a trailing slash.
 */
export const baseUrl = (workspace: WorkspaceHost): string => {
  const host = hostOf(workspace)
  return host.startsWith("http://") ? host : `https://${host}`
}

/**
 * The address of the workspace in a browser.
 */
export const pageUrl = (workspace: WorkspaceHost): string =>
  `${baseUrl(workspace)}/${workspace.slice(hostOf(workspace).length)}`

/**
 * The id, also where the name of the host alone says it.
 */
export const knownId = (workspace: WorkspaceHost): Option.Option<string> =>
  Option.orElse(idOf(workspace), () => Option.fromUndefinedOr(idInName(new URL(baseUrl(workspace)).hostname)))

/**
 * What a call to an API of the workspace carries, so that its host knows which one is meant. OAuth endpoints refuse it.
 */
export const headers = (workspace: WorkspaceHost): { readonly "x-databricks-workspace-id"?: string } =>
  Option.match(idOf(workspace), { onNone: () => ({}), onSome: (id) => ({ "x-databricks-workspace-id": id }) })

/**
 * Whether a host is known by its name to serve all workspaces of an account. Others do too.
 */
export const isAccountWide = (workspace: WorkspaceHost): boolean => {
  const { hostname } = new URL(baseUrl(workspace))
  return hostname.endsWith(".databricks.com") && !/\.(cloud|gcp)\.databricks\.com$/.test(hostname)
}

/** An id that stands in a setting of its own. */
export interface GivenId {
  readonly value: string
  /** The setting. */
  readonly from: string
}

interface Parsed {
  readonly scheme: "http" | "https"
  readonly hostname: string
  readonly port: string
  readonly id: string | undefined
}

const loopbackNames: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"])

const dnsName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i

// A last label of digits is what makes a browser or a resolver read a name as an IPv4 address (WHATWG URL §3.5).
const isIpAddress = (hostname: string): boolean => hostname.startsWith("[") || /(^|\.)(\d+|0x[0-9a-f]*)$/.test(hostname)

// `?o=` takes numbers alone; `?w=` also the newer kinds of ids.
const numericId = /^\d{1,20}$/
const anyId = /^[a-z0-9][a-z0-9_-]{0,63}$/i

/** The id that stands in the name of a host of one workspace, on Azure and on Google Cloud. */
const idInName = (hostname: string): string | undefined =>
  /^(?:adb-(\d+)\.\d+\.(?:azuredatabricks\.net|databricks\.azure\.(?:us|cn))|(\d+)\.\d+\.gcp\.databricks\.com)$/
    .exec(hostname)
    ?.slice(1)
    .find((id) => id !== undefined)

/** Whether a host is one workspace, by its name: an id says nothing that the name does not. */
const isOneWorkspace = (hostname: string): boolean =>
  /\.cloud\.databricks\.(com|us)$/.test(hostname) || idInName(hostname) !== undefined

const split = (input: string): { readonly scheme: string | undefined; readonly rest: string } => {
  const matched = /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):\/\/)?(.*)/s.exec(input.trim())!
  return { scheme: matched[1], rest: matched[2]! }
}

const oddQuery = "it has a query other than ?o= and the id of a workspace, or a fragment"

/** The id of a browser's address, or what is wrong with it. What names the account says nothing that the host does not. */
const idOfQuery = (query: string): { readonly id: string | undefined } | string => {
  const parameters = [...new URLSearchParams(query)].filter(([name]) => name !== "a")
  const isOdd = parameters.some(
    ([name, value]) => !(name === "o" && numericId.test(value)) && !(name === "w" && anyId.test(value))
  )
  if (isOdd) return oddQuery
  const [id, other] = new Set(parameters.map(([, value]) => value))
  return other === undefined ? { id } : `it names two workspaces, ${id} and ${other}`
}

/**
 * Reads `host`, `host:port`, either with a scheme, and with the id as a browser shows it. The answer is what is wrong,
 * where something is.
 */
const parse = (input: string, given?: GivenId): Parsed | string => {
  if (looksLikeSecret(input)) return "it looks like a secret, not like a host name"
  const { scheme: schemeGiven = "https", rest } = split(input)
  const scheme = schemeGiven.toLowerCase()
  // Workspace URLs are pasted from a browser, where they end in a slash.
  const [, authority = "", query = ""] = /^([^?]*?)\/?(?:\?(.*))?$/s.exec(rest)!
  if (scheme !== "https" && scheme !== "http") return `the scheme ${scheme}:// is not https://`
  if (rest.includes("@")) return "it carries user information (an @)"
  if (rest.includes("#")) return oddQuery
  if (/[/\\]/.test(authority)) return "it has a path"
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
  const named = idOfQuery(query)
  if (typeof named === "string") return named
  const id = agreed(hostname, named.id, given)
  if (typeof id === "string") return id
  const parsed = { scheme, hostname, port, ...id } as const
  const origin = baseUrl(canonical(parsed))
  // The URL parser has the last word on where a request goes. What it reads otherwise is not admitted as what it seems.
  const isUsual = URL.canParse(origin) && new URL(origin).origin === origin
  return isUsual ? parsed : "it is an IP address in an unusual notation, or no host name"
}

/** The one id that name, address and setting agree on; what is wrong, where two differ. */
const agreed = (
  hostname: string,
  inAddress: string | undefined,
  given: GivenId | undefined
): Pick<Parsed, "id"> | string => {
  const said = [
    { id: idInName(hostname), where: "its name" },
    { id: inAddress, where: "its address" },
    { id: given?.value, where: given?.from }
  ].filter(({ id }) => id !== undefined)
  const [first] = said
  const other = said.find(({ id }) => id !== first?.id)
  if (first !== undefined && other !== undefined) {
    return `${first.where} says workspace ${first.id}, and ${other.where} says ${other.id}`
  }
  return { id: isOneWorkspace(hostname) ? undefined : first?.id }
}

const canonical = ({ scheme, hostname, port, id }: Parsed): WorkspaceHost =>
  WorkspaceHost.make(
    `${scheme === "http" ? "http://" : ""}${hostname}${port === "" ? "" : `:${port}`}` +
      (id === undefined ? "" : `?${numericId.test(id) ? "o" : "w"}=${id}`)
  )

/**
 * Workspaces that credentials may be sent to: one, all behind a host, or `*.` wildcards for the hosts below a domain.
 */
export interface AllowList {
  readonly patterns: ReadonlyArray<string>
  readonly allows: (workspace: WorkspaceHost) => boolean
}

/**
 * Where credentials may go at all, for what learns addresses from others.
 */
export class AllowedInstances extends Context.Service<AllowedInstances, AllowList>()(
  "@flyte-databricks/databricks-auth/AllowedInstances"
) {}

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
    if (isWildcard && parsed.id !== undefined) {
      return yield* refuseListed(pattern, "the id of a workspace needs its host, not a wildcard", setting)
    }
    if (isWildcard) domains.add(canonical(parsed))
    else exact.add(canonical(parsed))
  }
  return {
    patterns,
    allows: (workspace) => {
      const host = hostOf(workspace)
      return exact.has(workspace) || exact.has(host) || [...domains].some((domain) => host.endsWith(`.${domain}`))
    }
  }
})

const refuseListed = (pattern: string, why: string, setting: string): AuthError =>
  refuse(printable(pattern), `${why}; expected in ${setting}: host names and *. wildcards, separated by commas`, [])

/**
 * The canonical form of an instance, whoever may use it; what is wrong with it, where it is not one.
 */
export const canonicalize = Effect.fnUntraced(function* (input: string): Effect.fn.Return<WorkspaceHost, AuthError> {
  const parsed = parse(input)
  return typeof parsed === "string" ? yield* refuse(printable(input), parsed, []) : canonical(parsed)
})

/** The id of a setting, if it can be one. */
export const workspaceId = (from: string, value: string): Effect.Effect<GivenId, AuthError> =>
  anyId.test(value) && !looksLikeSecret(value)
    ? Effect.succeed({ value, from })
    : Effect.fail(invalid(from, value, "the id of a workspace, as it stands behind ?o= in the browser's address"))

/**
 * The operator's own instance, by the setting that names it. No workspace answers for a bare IP address with a certificate,
 * so that one has to be listed too; loopback is a stand-in on this machine.
 */
export const operatorsOwn = Effect.fnUntraced(function* (
  setting: string,
  input: string,
  listed: ReadonlyArray<string>,
  id?: GivenId
): Effect.fn.Return<WorkspaceHost, AuthError> {
  const parsed = parse(input, id)
  const refused = (why: string) =>
    refuse(
      printable(input),
      `${why}; expected in ${setting}: a host name such as dbc-a1b2.cloud.databricks.com, or https://acme.databricks.com/?o=1234567890`,
      []
    )
  if (typeof parsed === "string") return yield* refused(parsed)
  const workspace = canonical(parsed)
  const host = hostOf(workspace)
  const isListed = listed
    .map((item) => parse(item))
    .some((other) => typeof other !== "string" && hostOf(canonical(other)) === host)
  if (!isIpAddress(parsed.hostname) || loopbackNames.has(parsed.hostname) || isListed) return workspace
  return yield* refused("it is an IP address, and FLYTE_DATABRICKS_ALLOWED_INSTANCES does not list it too")
})

/**
 * Fails where no credential may be sent to a workspace.
 */
export const requireListed = Effect.fnUntraced(function* (
  workspace: WorkspaceHost,
  list: AllowList
): Effect.fn.Return<void, AuthError> {
  if (list.allows(workspace)) return
  const why = isIpAddress(new URL(baseUrl(workspace)).hostname)
    ? "an IP address is allowed only where the operator lists it"
    : "it is not on the allow-list"
  yield* refuse(workspace, why, list.patterns)
})

/** What says which workspace of a host is meant, where its address does not. */
export interface Choice {
  readonly id?: GivenId | undefined
  /** The operator's own, where the host is its host. */
  readonly own?: WorkspaceHost | undefined
}

/**
 * The workspace in canonical form, if credentials may be sent to it.
 */
export const admit = Effect.fnUntraced(function* (
  input: string,
  list: AllowList,
  { id, own }: Choice = {}
): Effect.fn.Return<WorkspaceHost, AuthError> {
  const parsed = parse(input, id)
  if (typeof parsed === "string") return yield* refuse(printable(input), parsed, list.patterns)
  const named = canonical(parsed)
  const workspace = own !== undefined && named === hostOf(own) ? own : named
  yield* requireListed(workspace, list)
  if (isAccountWide(workspace) && Option.isNone(idOf(workspace))) {
    const why =
      "it serves all workspaces of an account. Add the id of one, as in https://acme.databricks.com/?o=1234567890, " +
      "or set databricksWorkspaceId on the task or FLYTE_DATABRICKS_WORKSPACE_ID on the connector"
    return yield* refuse(workspace, why, [])
  }
  return workspace
})

const refuse = (instance: string, why: string, allowed: ReadonlyArray<string>): AuthError =>
  new AuthError({ reason: new InstanceRefused({ instance, why, allowed }) })

// Somebody may have pasted a URL with a password in it: what stands before an @ or after the host is not repeated.
const printable = (input: string): string => {
  const { scheme, rest } = split(input)
  const authority = rest.replace(/^.*@/s, "…@").replace(/[/\\?#].*/s, "…")
  return shown(`${scheme === undefined ? "" : `${scheme}://`}${authority}`.replaceAll(/[^\x20-\x7e…]/g, "�"))
}
