/**
 * What a request is sent with. Credentials rotate, so they are asked for before each request: the library reads a token
 * file again once a minute, and runs an exec plugin again when its token expires.
 */
import { Unavailable } from "@flyte-databricks/databricks-auth/Kubernetes"
import * as LiveSecrets from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { KubeConfig } from "@kubernetes/client-node"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Semaphore from "effect/Semaphore"
import type { RequestOptions } from "node:https"
import { describeFault } from "./faults.ts"

/** How to connect: equal values share connections. */
export interface Transport {
  readonly tls: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly rejectUnauthorized?: boolean
    readonly servername?: string
  }
  readonly proxyUrl: string | undefined
}

/** Headers that say who is asking, and how to connect. */
export interface Credentials {
  readonly headers: Redacted.Redacted<Readonly<Record<string, string>>>
  readonly transport: Transport
}

/** Where credentials come from. */
export interface CredentialSource {
  readonly current: Effect.Effect<Credentials, Unavailable>
  /**
   * Credentials other than those refused: a token file is read and a plugin is run at once, whatever their age. The
   * same ones again where there are no others.
   */
  readonly renew: (refused: Credentials) => Effect.Effect<Credentials, Unavailable>
}

/** Draws credentials from the library's configuration. */
export const make = Effect.fnUntraced(function* (loaded: KubeConfig) {
  const kubeConfig = yield* Ref.make(loaded)
  // One at a time, because many callers would otherwise start a process of the exec plugin each.
  const semaphore = yield* Semaphore.make(1)

  const read = Effect.gen(function* () {
    const from = yield* Ref.get(kubeConfig)
    const options = yield* Effect.tryPromise({
      try: async () => {
        const options: RequestOptions = {}
        await from.applyToHTTPSOptions(options)
        return options
      },
      catch: (error) => new Unavailable({ detail: `the credentials for it cannot be read (${describeFault(error)})` })
    })
    const headers = headersOf(options)
    // An anonymous request would be answered with 403, as if the connector lacked a right.
    if (!/^\S+ \S/.test(headers["authorization"] ?? "") && options.cert === undefined) {
      return yield* new Unavailable({ detail: "the credentials for it are empty" })
    }
    const transport = { tls: tlsOf(options), proxyUrl: from.getCurrentCluster()?.proxyUrl }
    const credential = headers["authorization"]?.replace(/^\S+ +/, "") ?? ""
    LiveSecrets.add(Redacted.make(credential))
    return { headers: Redacted.make(headers, { label: "credentials" }), transport }
  })

  const renew = Effect.fnUntraced(function* (refused: Credentials) {
    const now = yield* read
    if (!Equal.equals(now, refused)) return now
    // The library's caches live and die with the instance.
    const fresh = new KubeConfig()
    fresh.loadFromOptions(yield* Ref.get(kubeConfig))
    yield* Ref.set(kubeConfig, fresh)
    return yield* read
  })

  return {
    current: semaphore.withPermit(read),
    renew: (refused) => semaphore.withPermit(renew(refused))
  } satisfies CredentialSource
})

const headersOf = ({ headers, auth }: RequestOptions): Record<string, string> => ({
  // A token file may end in a newline, which is no part of the token.
  ...Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value).trim()])
  ),
  ...(typeof auth === "string" ? { authorization: `Basic ${Buffer.from(auth).toString("base64")}` } : {})
})

const tlsOf = ({ ca, cert, key, rejectUnauthorized, servername }: RequestOptions): Transport["tls"] => ({
  ...(ca === undefined ? {} : { ca: String(ca) }),
  ...(cert === undefined ? {} : { cert: String(cert) }),
  ...(key === undefined ? {} : { key: String(key) }),
  ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  ...(servername === undefined ? {} : { servername })
})
