/**
 * The Databricks workspace a credential may be sent to: a host and, where the host serves several, the id of one. A
 * workflow author chooses it, so this fence is passed before any credential is read: a workspace that is not on the
 * allow-list never sees one.
 */
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { AuthError, InstanceRefused } from "./AuthError.ts"
import { invalid, looksLikeSecret } from "./internal/settings.ts"
import {
  type Address,
  anyId,
  type GivenId,
  idInName,
  isIpAddress,
  loopbackNames,
  numericId,
  parse,
  printable
} from "./internal/workspaceAddress.ts"

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
export const hostOf = (workspace: WorkspaceHost): WorkspaceHost => WorkspaceHost.make(workspace.replace(/\?.*/, ""))

/**
 * The id, where the host serves several workspaces.
 */
export const idOf = (workspace: WorkspaceHost): Option.Option<string> =>
  Option.fromUndefinedOr(/\?[ow]=(.+)/.exec(workspace)?.[1])

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

const canonical = ({ scheme, hostname, port, id }: Address): WorkspaceHost =>
  WorkspaceHost.make(
    `${scheme === "http" ? "http://" : ""}${hostname}${port === "" ? "" : `:${port}`}` +
      (id === undefined ? "" : `?${numericId.test(id) ? "o" : "w"}=${id}`)
  )

/**
 * Workspaces that credentials may be sent to: one, all behind a host, or `*.` wildcards for the hosts below a domain.
 */
export interface AllowList {
  /** As the operator wrote them. */
  readonly patterns: ReadonlyArray<string>
  /** Whether credentials may be sent to this workspace. */
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
export const allowList = (
  patterns: ReadonlyArray<string>,
  setting = "FLYTE_DATABRICKS_ALLOWED_INSTANCES"
): Result.Result<AllowList, AuthError> => {
  const exact = new Set<string>()
  // A domain never ends as an IP address does, and a loopback name has none: a wildcard covers neither.
  const domains = new Set<string>()
  for (const pattern of patterns) {
    const isWildcard = pattern.startsWith("*.")
    const parsed = parse(isWildcard ? pattern.slice(2) : pattern)
    if (typeof parsed === "string") return refuseListed(pattern, parsed, setting)
    if (isWildcard && (isIpAddress(parsed.hostname) || pattern.includes("://"))) {
      return refuseListed(pattern, "a wildcard needs a domain, not an address or a scheme", setting)
    }
    if (isWildcard && parsed.id !== undefined) {
      return refuseListed(pattern, "the id of a workspace needs its host, not a wildcard", setting)
    }
    if (isWildcard) domains.add(canonical(parsed))
    else exact.add(canonical(parsed))
  }
  return Result.succeed({
    patterns,
    allows: (workspace) => {
      const host = hostOf(workspace)
      return exact.has(workspace) || exact.has(host) || [...domains].some((domain) => host.endsWith(`.${domain}`))
    }
  })
}

const refuseListed = (pattern: string, why: string, setting: string) =>
  refuse(printable(pattern), `${why}; expected in ${setting}: host names and *. wildcards, separated by commas`, [])

/**
 * The canonical form of an instance, whoever may use it; what is wrong with it, where it is not one.
 */
export const canonicalize = (input: string): Result.Result<WorkspaceHost, AuthError> => {
  const parsed = parse(input)
  return typeof parsed === "string" ? refuse(printable(input), parsed, []) : Result.succeed(canonical(parsed))
}

/** The id of a setting, if it can be one. */
export const workspaceId = (from: string, value: string): Result.Result<GivenId, AuthError> =>
  anyId.test(value) && !looksLikeSecret(value)
    ? Result.succeed({ value, from })
    : Result.fail(invalid(from, value, "the id of a workspace, as it stands behind ?o= in the browser's address"))

/**
 * The operator's own instance, by the setting that names it. No workspace answers for a bare IP address with a certificate,
 * so that one has to be listed too; loopback is a stand-in on this machine.
 */
export const operatorsOwn = (
  setting: string,
  input: string,
  listed: ReadonlyArray<string>,
  id?: GivenId
): Result.Result<WorkspaceHost, AuthError> => {
  const parsed = parse(input, id)
  const refused = (why: string) =>
    refuse(
      printable(input),
      `${why}; expected in ${setting}: a host name such as dbc-a1b2.cloud.databricks.com, or https://acme.databricks.com/?o=1234567890`,
      []
    )
  if (typeof parsed === "string") return refused(parsed)
  const workspace = canonical(parsed)
  const host = hostOf(workspace)
  const isListed = listed
    .map((item) => parse(item))
    .some((other) => typeof other !== "string" && hostOf(canonical(other)) === host)
  return !isIpAddress(parsed.hostname) || loopbackNames.has(parsed.hostname) || isListed
    ? Result.succeed(workspace)
    : refused("it is an IP address, and FLYTE_DATABRICKS_ALLOWED_INSTANCES does not list it too")
}

/**
 * The workspace, if a credential may be sent to it.
 */
export const requireListed = (workspace: WorkspaceHost, list: AllowList): Result.Result<WorkspaceHost, AuthError> => {
  if (list.allows(workspace)) return Result.succeed(workspace)
  const why = isIpAddress(new URL(baseUrl(workspace)).hostname)
    ? "an IP address is allowed only where the operator lists it"
    : "it is not on the allow-list"
  return refuse(workspace, why, list.patterns)
}

/** What says which workspace of a host is meant, where its address does not. */
export interface Choice {
  /** The id that a setting says. */
  readonly id?: GivenId | undefined
  /** The operator's own, where the host is its host. */
  readonly own?: WorkspaceHost | undefined
}

/**
 * The workspace in canonical form, if credentials may be sent to it.
 */
export const admit = (
  input: string,
  list: AllowList,
  { id, own }: Choice = {}
): Result.Result<WorkspaceHost, AuthError> => {
  const parsed = parse(input, id)
  if (typeof parsed === "string") return refuse(printable(input), parsed, list.patterns)
  const named = canonical(parsed)
  const workspace = own !== undefined && named === hostOf(own) ? own : named
  return Result.flatMap(requireListed(workspace, list), requireOne)
}

/** The workspace, if it is one: of a host that serves all of an account, the id has to be known. */
const requireOne = (workspace: WorkspaceHost): Result.Result<WorkspaceHost, AuthError> => {
  if (!isAccountWide(workspace) || Option.isSome(idOf(workspace))) return Result.succeed(workspace)
  const why =
    "it serves all workspaces of an account. Add the id of one, as in https://acme.databricks.com/?o=1234567890, " +
    "or set databricksWorkspaceId on the task or FLYTE_DATABRICKS_WORKSPACE_ID on the connector"
  return refuse(workspace, why, [])
}

const refuse = (instance: string, why: string, allowed: ReadonlyArray<string>) =>
  Result.fail(new AuthError({ reason: new InstanceRefused({ instance, why, allowed }) }))
