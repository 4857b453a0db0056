/**
 * Where a server listens: a port of an address, or a socket in the file system.
 */
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import { address as hostOfThisMachine, type Kind, setting } from "../SettingValue.ts"
import { BlockList, isIP, isIPv6 } from "node:net"

export type Address = Data.TaggedEnum<{
  Tcp: { readonly host: string; readonly port: number }
  Unix: { readonly path: string }
}>

const { $match, Tcp, Unix } = Data.taggedEnum<Address>()
export { Tcp, Unix }

/** As it is written, and as gRPC's clients take it. */
export const show: (address: Address) => string = $match({
  Tcp: ({ host, port }) => `${isIPv6(host) ? `[${host}]` : host}:${port}`,
  Unix: ({ path }) => `unix:${path}`
})

/** What `parse` reads. */
export const expected = "unix:/PATH, or HOST:PORT as in 127.0.0.1:8000 or [::1]:8000"

/** Reads what `show` writes. */
export const parse = (text: string): Option.Option<Address> => {
  // The kernel takes no longer path.
  if (/^unix:\/[^\0]{1,106}$/.test(text)) return Option.some(Unix({ path: text.slice("unix:".length) }))
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]/]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const isHost = bracketed === undefined ? Option.isSome(hostOfThisMachine.read(plain ?? "")) : isIPv6(bracketed)
  return host !== undefined && isHost && Number(digits) <= 65535
    ? Option.some(Tcp({ host, port: Number(digits) }))
    : Option.none()
}

/** As a setting has it, where it has it. */
export const kind: Kind<Option.Option<Address>> = {
  read: (text) => Option.map(parse(text), Option.some),
  expected,
  write: Option.match({ onNone: () => "those", onSome: show })
}

/** Where to listen, in place of a host and a port. */
export const configured = setting("FLYTE_DATABRICKS_LISTEN", kind, Option.none())

const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

/** Whether nobody but this machine, or this pod, reaches it. */
export const isLocal: (address: Address) => boolean = $match({
  Tcp: ({ host }) => host === "localhost" || (isIP(host) !== 0 && loopback.check(host, isIPv6(host) ? "ipv6" : "ipv4")),
  Unix: () => true
})
