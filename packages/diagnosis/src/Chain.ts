/**
 * The certificates that are shown on the way to a workspace, trusted or not: a proxy that opens TLS shows its own. Over a
 * connection that nobody verified nothing goes but a question without a credential, which is taken back at once.
 */
import * as ForeignText from "@flyte-databricks/databricks-auth/http/ForeignText"
import { DatabricksHttp, NetworkSettings } from "@flyte-databricks/databricks-http"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { X509Certificate } from "node:crypto"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { type Certificate, type DetailedPeerCertificate, getCACertificates, TLSSocket } from "node:tls"
import { type Dispatcher, EnvHttpProxyAgent } from "undici"
import { RequestTimeout } from "./Http.ts"

/** What a server shows of itself. */
export interface Chain {
  /** Whom its certificate is for. */
  readonly subject: string
  /** The authority at the end of the chain. */
  readonly authority: string
  /** Why that authority is trusted; none where it is not. */
  readonly trustedBy: Option.Option<string>
}

/** Looks at the chain of a URL; there is none over plain HTTP, or where no connection comes about. */
export class Chains extends Context.Service<
  Chains,
  {
    /** The chain that is shown for an `https:` URL; none where there is no connection within `Http.RequestTimeout`. */
    readonly of: (url: string) => Effect.Effect<Option.Option<Chain>>
  }
>()("@flyte-databricks/diagnosis/Chain/Chains") {}

/** Looks by the proxy and the authorities of the environment. */
export const layer: Layer.Layer<
  Chains,
  DatabricksHttp.NetworkSettingInvalid | Config.ConfigError,
  FileSystem.FileSystem
> = Layer.effect(
  Chains,
  Effect.gen(function* () {
    const { ofFile, options } = yield* DatabricksHttp.wayOut
    const agent = yield* Effect.acquireRelease(
      Effect.sync(() => new EnvHttpProxyAgent(options({ rejectUnauthorized: false }))),
      (agent) => Effect.promise(() => agent.destroy())
    )
    const inFile = fingerprints(ofFile)
    const duration = yield* RequestTimeout
    return {
      of: (url) => {
        const { origin, host, protocol } = new URL(url)
        return protocol === "https:"
          ? connected(agent, origin, host).pipe(
              Effect.map(Option.map((socket) => read(socket, inFile))),
              Effect.timeoutOrElse({ duration, orElse: () => Effect.succeedNone })
            )
          : Effect.succeedNone
      }
    }
  })
)

/** A connection as `undici` makes it, by its proxy and its authorities. It hands the socket to this channel alone. */
const connected = (agent: Dispatcher, origin: string, host: string): Effect.Effect<Option.Option<TLSSocket>> =>
  Effect.callback((resume) => {
    const question = new AbortController()
    const seen = (message: unknown) => {
      const { connectParams, socket } = message as { connectParams: { host: string }; socket: unknown }
      if (connectParams.host !== host || !(socket instanceof TLSSocket)) return
      resume(Effect.succeedSome(socket))
      end()
    }
    const end = () => {
      unsubscribe(channel, seen)
      question.abort()
    }
    subscribe(channel, seen)
    agent.request({ origin, path: "/", method: "HEAD", signal: question.signal }).then(
      ({ body }) => body.dump(),
      () => {
        end()
        resume(Effect.succeedNone)
      }
    )
    return Effect.sync(end)
  })

const channel = "undici:client:connected"

const read = (socket: TLSSocket, inFile: ReadonlySet<string>): Chain => {
  const leaf = socket.getPeerCertificate(true)
  const last = lastOf(leaf)
  return {
    subject: nameOf(leaf.subject),
    authority: nameOf(last.issuer),
    trustedBy: socket.authorized ? Option.some(trustedBy(last.fingerprint256, inFile)) : Option.none()
  }
}

const lastOf = (certificate: DetailedPeerCertificate): DetailedPeerCertificate => {
  const { issuerCertificate: next } = certificate
  return next === undefined || next.fingerprint256 === certificate.fingerprint256 ? certificate : lastOf(next)
}

const trustedBy = (fingerprint: string, inFile: ReadonlySet<string>): string => {
  if (inFile.has(fingerprint)) return NetworkSettings.caFileName
  return fingerprints(getCACertificates("extra")).has(fingerprint) ? "NODE_EXTRA_CA_CERTS" : "Node.js"
}

const fingerprints = (certificates: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set(certificates.map((certificate) => new X509Certificate(certificate).fingerprint256))

/** A distinguished name by the parts that people know. */
const nameOf = ({ O, CN }: Certificate): string =>
  ForeignText.printable(
    [CN, O]
      .flat()
      .filter((part) => part !== undefined)
      .join(", ") || "(no name)",
    {
      maxLength: 200
    }
  )
