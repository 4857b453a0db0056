/**
 * Who may create, follow and cancel runs. Nothing in Flyte says who calls, so the connection has to: by a client
 * certificate, or by its address, which is looked up among the pods of the callers that are named. A connection is asked
 * once. Health and the registry are told to everybody: probes come from anywhere, they hold no secret, and one answer of
 * the registry that fails empties Flyte's.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import type { KubernetesError } from "@flyte-databricks/databricks-auth/Kubernetes"
import { PodAddresses } from "@flyte-databricks/kubernetes"
import * as Grpc from "@grpc/grpc-js"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import { isIPv6 } from "node:net"
import { sessionOf } from "./Internals.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import * as Sampled from "./Sampled.ts"

/** Pods that run as this ServiceAccount. */
export interface ServiceAccount {
  readonly namespace: string
  readonly name: string
}

/** Who may come in; what is none lets everybody. */
export interface Rules {
  /** Where clients have to have a certificate: the names of which one has to be in it, none for any. */
  readonly clients: Option.Option<ReadonlyArray<string>>
  readonly serviceAccounts: Option.Option<ReadonlyArray<ServiceAccount>>
}

/** Whether they keep anybody out. */
export const keepOut = ({ clients, serviceAccounts }: Rules): boolean =>
  Option.isSome(clients) || Option.isSome(serviceAccounts)

/**
 * For how long the addresses of pods count as current, for how long they are not asked for again on behalf of one that
 * is not among them, and for how long they count while Kubernetes does not answer: no pod starts meanwhile that could
 * have one of them.
 */
export const AddressTimes = Context.Reference<{
  readonly current: Duration.Duration
  readonly pause: Duration.Duration
  readonly outage: Duration.Duration
}>("@flyte-databricks/connector/grpc/AddressTimes", {
  defaultValue: () => ({
    current: Duration.seconds(5),
    pause: Duration.seconds(1),
    outage: Duration.minutes(10)
  })
})

/** Why a connection is not let in: a gRPC status, its words, and what the log calls it. */
interface Refusal {
  readonly code: Grpc.status
  readonly details: string
  readonly outcome: string
}

const refused = (details: string): Refusal => ({
  code: Grpc.status.PERMISSION_DENIED,
  details,
  outcome: "CallerRefused"
})

interface Callers {
  readonly interceptor: Grpc.ServerInterceptor
  /** Adds services that not everybody may call. */
  readonly guarding: (server: Pick<Grpc.Server, "addService">) => Pick<Grpc.Server, "addService">
}

export const make = Effect.fnUntraced(function* (
  rules: Rules
): Effect.fn.Return<Callers, never, PodAddresses.PodAddresses> {
  const services = yield* Effect.context<never>()
  const log = Sampled.make(services)
  const guarded = new Set<string>()
  const admitted = new WeakSet<object>()
  const byAddress = Option.isNone(rules.serviceAccounts)
    ? () => Effect.succeed(undefined)
    : yield* lookUp(rules.serviceAccounts.value)

  const refusalOf = (call: Grpc.ServerInterceptingCallInterface): Effect.Effect<Refusal | undefined> => {
    const withoutName = Option.isNone(rules.clients) ? undefined : byCertificate(call, rules.clients.value)
    return withoutName === undefined ? byAddress(call) : Effect.succeed(withoutName)
  }

  const refuse = (path: string, call: Grpc.ServerInterceptingCallInterface, { code, details, outcome }: Refusal) => {
    const method = path.split("/").at(-1)
    const line = Effect.logWarning(`${method}: ${details}`)
    Effect.runSyncWith(services)(Metrics.callerRefused(outcome))
    log(Effect.annotateLogs(line, { outcome, peer: call.getPeer(), status: Grpc.status[code] }))
    call.sendStatus({ code, details, metadata: new Grpc.Metadata() })
  }

  const interceptor: Grpc.ServerInterceptor = ({ path }, call) => {
    const session = sessionOf(call)
    if (!guarded.has(path) || session === undefined || admitted.has(session)) return call as Grpc.ServerInterceptingCall
    const start = call.start.bind(call)
    call.start = (listener) =>
      start({
        onReceiveMetadata: (metadata) => {
          // Nothing of the request is read before the answer is there.
          Effect.runCallbackWith(services)(refusalOf(call), {
            onExit: (exit) => {
              const refusal = Exit.isSuccess(exit) ? exit.value : refused("Who calls could not be found out.")
              if (refusal !== undefined) return refuse(path, call, refusal)
              admitted.add(session)
              listener.onReceiveMetadata(metadata)
            }
          })
        },
        onReceiveMessage: (message) => listener.onReceiveMessage(message),
        onReceiveHalfClose: () => listener.onReceiveHalfClose(),
        onCancel: () => listener.onCancel()
      })
    return call as Grpc.ServerInterceptingCall
  }

  return {
    interceptor,
    guarding: (server) => ({
      addService: (definition, handlers) => {
        for (const { path } of Object.values(definition)) guarded.add(path)
        server.addService(definition, handlers)
      }
    })
  }
})

const byCertificate = (
  call: Grpc.ServerInterceptingCallInterface,
  allowed: ReadonlyArray<string>
): Refusal | undefined => {
  const certificate = call.getAuthContext().sslPeerCertificate
  if (certificate === undefined) {
    return refused(
      "The caller has no certificate of an authority that FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE names, and has to have one."
    )
  }
  const names = namesOf(certificate.subjectaltname ?? "")
  if (allowed.length === 0 || names.some((name) => allowed.includes(name))) return undefined
  const said = names.length === 0 ? "no name" : printable(names.join(", "), { maxLength: 500, as: "value" })
  return refused(`The caller's certificate is for ${said}, which FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS does not list.`)
}

// What has a comma in it is quoted, as one entry could pass for several otherwise.
const entries = /(DNS|URI|[\w ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y

/** The DNS names, in lower case, and the URIs (SPIFFE ids) that a certificate is for; none where one is not understood. */
export const namesOf = (subjectAltName: string): ReadonlyArray<string> => {
  const names: Array<string> = []
  entries.lastIndex = 0
  while (entries.lastIndex < subjectAltName.length) {
    const [, kind, value = ""] = entries.exec(subjectAltName) ?? []
    if (kind === undefined) return []
    if (value.startsWith('"')) continue
    // A name that looks like the other kind is none.
    if (kind === "DNS" && !value.includes("/")) names.push(value.toLowerCase())
    if (kind === "URI" && value.includes("://")) names.push(value)
  }
  return names
}

/** Looks a caller's address up among the pods. Who comes by a socket in the file system has none, and its mode lets in. */
const lookUp = Effect.fnUntraced(function* (serviceAccounts: ReadonlyArray<ServiceAccount>) {
  const pods = yield* PodAddresses.PodAddresses
  const times = yield* AddressTimes
  const oneAtATime = yield* Semaphore.make(1)
  let known: { readonly addresses: ReadonlySet<string>; readonly at: number } | undefined
  let askedAt = -Infinity
  let failure: KubernetesError | undefined

  const ask = Effect.gen(function* () {
    const at = yield* Clock.currentTimeMillis
    const found = yield* Effect.exit(
      Effect.forEach(serviceAccounts, ({ namespace, name }) => pods.of(namespace, name), { concurrency: "unbounded" })
    )
    if (Exit.isSuccess(found)) {
      known = { addresses: new Set(found.value.flat().map(canonical)), at }
      failure = undefined
    } else {
      failure = Option.getOrUndefined(Exit.findErrorOption(found))
    }
    askedAt = yield* Clock.currentTimeMillis
  })

  const isKnown = (address: string, now: number, within: Duration.Duration): boolean =>
    known !== undefined && now - known.at < Duration.toMillis(within) && known.addresses.has(address)

  const find = Effect.fnUntraced(function* (address: string) {
    const now = yield* Clock.currentTimeMillis
    if (isKnown(address, now, times.current)) return undefined
    if (now - askedAt >= Duration.toMillis(times.pause)) yield* ask
    if (failure === undefined) {
      return known?.addresses.has(address) ? undefined : refused(strangerAt(address, serviceAccounts))
    }
    if (failure.reason._tag === "Unavailable" && isKnown(address, now, times.outage)) return undefined
    const details =
      `Whether ${address} may call cannot be found out: the pods of ${shown(serviceAccounts)} ` +
      `(FLYTE_DATABRICKS_CALLERS) cannot be listed: ${failure.message}`
    return { code: Grpc.status.UNAVAILABLE, details, outcome: "CallerUnknown" }
  })

  return (call: Grpc.ServerInterceptingCallInterface): Effect.Effect<Refusal | undefined> => {
    const { remoteAddress } = call.getConnectionInfo()
    return remoteAddress === undefined
      ? Effect.succeed(undefined)
      : oneAtATime.withPermit(find(canonical(remoteAddress)))
  }
})

const shown = (serviceAccounts: ReadonlyArray<ServiceAccount>): string =>
  serviceAccounts.map(({ namespace, name }) => `${namespace}/${name}`).join(", ")

const strangerAt = (address: string, serviceAccounts: ReadonlyArray<ServiceAccount>): string =>
  `${address} is the address of no pod that runs as ${shown(serviceAccounts)} (FLYTE_DATABRICKS_CALLERS), and nobody else may ` +
  "call. Behind a mesh's proxy, or where the network hides who connects, use client certificates or a NetworkPolicy instead."

/** An address in the one way to write it. */
export const canonical = (address: string): string => {
  const plain = address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "").replace(/%.*$/, "")
  return isIPv6(plain) ? (URL.parse(`http://[${plain}]`)?.hostname ?? plain) : plain
}
