/** What stands between a program and Databricks: relays that count connections, and proxies. */
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import type * as Certificates from "../Certificates.ts"

/** Lets the server listen on loopback and gives the port; it ends, with its connections, when the scope closes. */
export const listening = Effect.fnUntraced(function* (server: Net.Server) {
  const open = new Set<Net.Socket>()
  server.on("connection", (socket: Net.Socket) => {
    open.add(socket)
    socket.on("error", () => undefined)
    socket.once("close", () => open.delete(socket))
  })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      open.forEach((socket) => socket.destroy())
      server.close()
    })
  )
  return yield* Effect.callback<number>((resume) => {
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
  })
})

const join = (client: Net.Socket, upstream: Net.Socket) => {
  client.on("error", () => upstream.destroy())
  upstream.on("error", () => client.destroy())
  client.once("close", () => upstream.destroy())
  upstream.once("close", () => client.destroy())
  client.pipe(upstream).pipe(client)
}

/** Counts the connections that it takes for a server; TLS passes through. */
export const relay = Effect.fnUntraced(function* (target: string) {
  const { port: targetPort } = new URL(target)
  let accepted = 0
  let open = 0
  const server = Net.createServer((socket) => {
    accepted++
    open++
    socket.once("close", () => open--)
    join(socket, Net.connect(Number(targetPort), "127.0.0.1"))
  })
  const port = yield* listening(server)
  return {
    url: target.replace(targetPort, `${port}`),
    accepted: Effect.sync(() => accepted),
    open: Effect.sync(() => open)
  }
})

export interface ProxyOptions {
  /** Where names lead to that only the proxy knows. */
  readonly hosts?: Readonly<Record<string, string>>
  /** The only `Proxy-Authorization` that is let through. */
  readonly authorization?: string
  /** HTTPS to the proxy itself. */
  readonly certificate?: Certificates.ServerCertificate
}

/** A proxy that opens tunnels (CONNECT), and forwards requests over plain HTTP; it knows what it was asked for. */
export const proxy = Effect.fnUntraced(function* ({ hosts = {}, authorization, certificate }: ProxyOptions = {}) {
  const asked: Array<string> = []
  const refuses = (given: string | undefined) => authorization !== undefined && given !== authorization
  const server =
    certificate === undefined
      ? Http.createServer()
      : Https.createServer({
          cert: certificate.certificatePem,
          key: certificate.privateKeyPem,
          // As proxies do that would speak HTTP/2 too: it must not be chosen.
          ALPNProtocols: ["h2", "http/1.1"]
        })
  server.on("request", (request, response) => {
    asked.push(request.url ?? "")
    response.writeHead(502).end()
  })
  server.on("connect", (request, client: Net.Socket) => {
    const target = request.url ?? ""
    asked.push(target)
    client.on("error", () => undefined)
    if (refuses(request.headers["proxy-authorization"])) {
      return client.end("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
    }
    const { hostname, port } = new URL(hosts[target] ?? `https://${target}`)
    const upstream = Net.connect(Number(port || 443), hostname, () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n")
      join(client, upstream)
    })
    upstream.on("error", () => client.destroy())
  })
  const port = yield* listening(server)
  return {
    port,
    url: `${certificate === undefined ? "http" : "https"}://localhost:${port}`,
    asked: Effect.sync(() => [...asked])
  }
})
