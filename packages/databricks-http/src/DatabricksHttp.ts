/**
 * The way to Databricks, as companies have it: through a proxy, and with certificate authorities of their own. It is for
 * the token endpoint and the Jobs API alone; the Kubernetes API has a way of its own, which none of this touches.
 */
import * as LiveSecrets from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import * as TransportFault from "@flyte-databricks/databricks-auth/http/TransportFault"
import { shown } from "@flyte-databricks/databricks-auth/request/Variable"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { X509Certificate } from "node:crypto"
import { getCACertificates } from "node:tls"
import { Agent, EnvHttpProxyAgent, Pool } from "undici"
import * as DispatcherClient from "./DispatcherClient.ts"
import * as NetworkSettings from "./NetworkSettings.ts"

/**
 * A setting of the network cannot be used: found when the layer is built. The value of a proxy may hold a password and
 * is never shown.
 */
export class NetworkSettingInvalid extends Schema.TaggedError<NetworkSettingInvalid>()("NetworkSettingInvalid", {
  setting: Schema.String,
  problem: Schema.String,
  expected: Schema.String
}) {
  override get message() {
    return `${this.setting} ${this.problem}. Expected ${this.expected}.`
  }
}

// Only this client knows the setting, so the advice is given here: the core is also used where there is none.
const namingTheSetting = (error: HttpClientError.HttpClientError): HttpClientError.HttpClientError => {
  const [fault = ""] = TransportFault.describe(error).split("; if the root CA is installed locally")
  if (!/self-signed certificate|unable to (get|verify) .*certificate/.test(fault)) return error
  const advice = `if its authority is your company's, name the authority's file in ${NetworkSettings.caFileName}`
  const cause = new Error(`${fault}; ${advice}`)
  return new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request: error.request, cause })
  })
}

// More than these only queue at Databricks' rate limits.
const pool = {
  connections: 64,
  keepAliveTimeout: 30_000,
  // In undici's HTTP/2 a request that is given up before it was sent freezes the process, a connection that died without a
  // word is kept, and an answer that was cut off counts as whole.
  allowH2: false,
  // For TCP and TLS together. Nothing was sent by then, so it is tried again: three times fit into Flyte's ten seconds.
  connectTimeout: 3000
}

// A proxy that does not answer must not keep its connection busy long after the request was given up.
const proxyAnswersWithin = 10_000

/**
 * The way to Databricks of the environment: the proxy, and the authorities that are trusted.
 */
export const wayOut = Effect.gen(function* () {
  const proxy = yield* readProxy
  const noProxy = Option.getOrElse(yield* NetworkSettings.noProxy, () => "")
  const ofFile = yield* readAuthorities
  const ca = ofFile.length === 0 ? {} : { ca: [...getCACertificates("default"), ...ofFile] }
  return {
    proxy,
    noProxy,
    /** The certificates of FLYTE_DATABRICKS_CA_FILE. */
    ofFile,
    /** What `undici` goes by. That certificates are verified is said aloud: so it wins over NODE_TLS_REJECT_UNAUTHORIZED. */
    options: ({ rejectUnauthorized }: { readonly rejectUnauthorized: boolean }): EnvHttpProxyAgent.Options => ({
      ...pool,
      // Plain HTTP is for stand-ins on this machine, which no proxy reaches. Blank keeps undici from looking into
      // the environment itself.
      httpProxy: "",
      httpsProxy: Option.match(proxy, { onNone: () => "", onSome: ({ url }) => Redacted.value(url) }),
      noProxy,
      clientFactory: (origin, settings) => new Pool(origin, { ...settings, headersTimeout: proxyAnswersWithin }),
      connect: { rejectUnauthorized, ...ca },
      requestTls: { rejectUnauthorized, ...ca },
      // Else undici speaks HTTP/2 with a proxy that offers it, and tunnels nothing.
      proxyTls: { rejectUnauthorized: true, allowH2: false, ...ca }
    })
  }
})

/**
 * An HTTP client for calls to Databricks, as the environment configures the way there.
 */
export const layer: Layer.Layer<
  HttpClient.HttpClient,
  NetworkSettingInvalid | Config.ConfigError,
  FileSystem.FileSystem
> = Layer.effect(
  HttpClient.HttpClient,
  Effect.gen(function* () {
    const { proxy, noProxy, options } = yield* wayOut
    if (Option.contains(yield* NetworkSettings.verifiesCertificates, "0")) yield* Effect.logWarning(stillVerified)
    if (Option.isSome(proxy)) {
      yield* Effect.logInfo(
        `Databricks is reached through the proxy ${proxy.value.shown}` +
          (noProxy === "" ? "" : `, except what NO_PROXY lists: ${noProxy}`)
      )
    }
    const dispatcher = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const given = options({ rejectUnauthorized: true })
        // Which host goes through the proxy is looked at with every request.
        return Option.isSome(proxy) ? new EnvHttpProxyAgent(given) : new Agent(given)
      }),
      (dispatcher) => Effect.promise(() => dispatcher.destroy())
    )
    return DispatcherClient.make(dispatcher, namingTheSetting)
  })
)

const stillVerified =
  "NODE_TLS_REJECT_UNAUTHORIZED=0 does not count here: certificates are verified all the same. " +
  `To trust an authority of your own, name its certificate in ${NetworkSettings.caFileName} or NODE_EXTRA_CA_CERTS.`

interface Proxy {
  readonly url: Redacted.Redacted<string>
  /** Without user and password. */
  readonly shown: string
}

const readProxy = Effect.gen(function* () {
  const given = yield* NetworkSettings.httpsProxy
  if (Option.isNone(given)) return Option.none<Proxy>()
  return Option.some(yield* Effect.fromResult(parseProxy(Redacted.value(given.value))))
})

const parseProxy = (given: string): Result.Result<Proxy, NetworkSettingInvalid> => {
  const problem = (found: string) =>
    Result.fail(
      new NetworkSettingInvalid({
        setting: "HTTPS_PROXY",
        problem: found,
        expected:
          "http://HOST:PORT or https://HOST:PORT, where needed with USER:PASSWORD@ before the host, their special characters percent-encoded"
      })
    )
  // As curl and others take it.
  const url = URL.parse(given.includes("://") ? given : `http://${given}`)
  if (url === null) return problem("is not a URL (it is not shown, as it may hold a password)")
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return problem(`names a proxy of the kind ${url.protocol}//, which is not supported`)
  }
  // What follows may be the rest of a password that was not encoded, so it is not shown.
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "")
    return problem("has something after the host and port")
  if (!isEncoded(url.username) || !isEncoded(url.password)) {
    return problem("has a user or password with a % that is no percent-encoding")
  }
  // A proxy may say who was refused.
  LiveSecrets.add(Redacted.make(decodeURIComponent(url.password)))
  return Result.succeed({ url: Redacted.make(url.href, { label: "HTTPS_PROXY" }), shown: url.origin })
}

const isEncoded = (text: string): boolean => Result.isSuccess(Result.try(() => decodeURIComponent(text)))

// They are trusted beside those that Node.js trusts by itself, NODE_EXTRA_CA_CERTS included.
const readAuthorities = Effect.gen(function* (): Effect.fn.Return<
  ReadonlyArray<string>,
  NetworkSettingInvalid | Config.ConfigError,
  FileSystem.FileSystem
> {
  const file = yield* NetworkSettings.caFile
  if (Option.isNone(file)) return []
  const problem = (found: string) =>
    new NetworkSettingInvalid({
      setting: NetworkSettings.caFileName,
      problem: `names ${shown(file.value, 300)}, ${found}`,
      expected: "the path of a file with certificates in PEM, each between BEGIN CERTIFICATE and END CERTIFICATE"
    })
  const text = yield* FileSystem.FileSystem.use((files) => files.readFileString(file.value)).pipe(
    Effect.mapError(({ reason }) => problem(`which cannot be read (${reason._tag})`))
  )
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  if (certificates.length === 0) return yield* problem("which holds no certificate")
  for (const [index, certificate] of certificates.entries()) {
    yield* Effect.try({
      try: () => new X509Certificate(certificate),
      catch: () => problem(`whose certificate number ${index + 1} cannot be read`)
    })
  }
  return certificates
})
