/**
 * The address of a workspace, as people have it. This is the one reader of it.
 */
import { looksLikeSecret, shown } from "./settings.ts"
import { parseUrl } from "./url.ts"

/** An id that stands in a setting of its own. */
export interface GivenId {
  readonly value: string
  /** The setting. */
  readonly from: string
}

/** An address, read. */
export interface Address {
  readonly scheme: "http" | "https"
  readonly hostname: string
  readonly port: string
  readonly id: string | undefined
}

/** Names of this machine. */
export const loopbackNames: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"])

const dnsName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i

/**
 * Whether a host is an address: a last label of digits is what makes a browser or a resolver read a name as one (WHATWG URL
 * §3.5).
 */
export const isIpAddress = (hostname: string): boolean =>
  hostname.startsWith("[") || /(^|\.)(\d+|0x[0-9a-f]*)$/.test(hostname)

/** The ids that `?o=` takes. */
export const numericId = /^\d{1,20}$/

/** The ids that `?w=` takes: there are newer kinds than numbers. */
export const anyId = /^[a-z0-9][a-z0-9_-]{0,63}$/i

/** The id that stands in the name of a host of one workspace, on Azure and on Google Cloud. */
export const idInName = (hostname: string): string | undefined =>
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

// Each call names one of a few. What is no address is not kept: it may be a secret.
const read = new Map<string, Address>()
const maxRead = 1000

/**
 * Reads `host`, `host:port`, either with a scheme, and with the id as a browser shows it. The answer is what is wrong,
 * where something is.
 */
export const parse = (input: string, given?: GivenId): Address | string => {
  if (given !== undefined) return parseAnew(input, given)
  const known = read.get(input)
  if (known !== undefined) return known
  const parsed = parseAnew(input, given)
  if (typeof parsed === "string" || input.length > 300) return parsed
  if (read.size === maxRead) read.clear()
  read.set(input, parsed)
  return parsed
}

const parseAnew = (input: string, given: GivenId | undefined): Address | string => {
  if (looksLikeSecret(input)) return "it looks like a secret, not like a host name"
  const { scheme: schemeGiven = "https", rest } = split(input)
  const scheme = schemeGiven.toLowerCase()
  // Workspace URLs are pasted from a browser, where they end in a slash.
  const [, beforeQuery, query = ""] = /^([^?]*?)\/?(?:\?(.*))?$/s.exec(rest)!
  const authority = beforeQuery!
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
  const origin = `${scheme}://${hostname}${port === "" ? "" : `:${port}`}`
  // The URL parser has the last word on where a request goes. What it reads otherwise is not admitted as what it seems.
  return parseUrl(origin)?.origin === origin
    ? { scheme, hostname, port, ...id }
    : "it is an IP address in an unusual notation, or no host name"
}

/** The one id that name, address and setting agree on; what is wrong, where two differ. */
const agreed = (
  hostname: string,
  inAddress: string | undefined,
  given: GivenId | undefined
): Pick<Address, "id"> | string => {
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

/**
 * An address as an error may repeat it. Somebody may have pasted a URL with a password in it: what stands before an @ or
 * after the host is not repeated.
 */
export const printable = (input: string): string => {
  const { scheme, rest } = split(input)
  const authority = rest.replace(/^.*@/s, "…@").replace(/[/\\?#].*/s, "…")
  return shown(`${scheme === undefined ? "" : `${scheme}://`}${authority}`.replaceAll(/[^\x20-\x7e…]/g, "�"))
}
