/**
 * `@databricks/sdk-experimental`, with a workspace on the loopback that gives it its tokens.
 */
import { once } from "node:events"
import { createServer } from "node:http"
import { Config } from "@databricks/sdk-experimental"
import { accessToken } from "./fixture.ts"

/** Puts the header of the n-th of so many identities where the SDK puts it; all have their tokens. */
export const sdkHeaders = async (identities: number): Promise<(index: number) => Promise<void>> => {
  const server = createServer((request, response) => {
    const { port } = server.address() as { port: number }
    const issuer = `http://127.0.0.1:${port}/oidc`
    const body = request.url?.includes(".well-known")
      ? { issuer, token_endpoint: `${issuer}/v1/token`, authorization_endpoint: `${issuer}/v1/authorize` }
      : { access_token: accessToken(0), token_type: "Bearer", expires_in: 3600 }
    request.resume()
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body))
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  const configs = Array.from(
    { length: identities },
    (_, index) =>
      new Config({
        host: `http://127.0.0.1:${port}`,
        authType: "oauth-m2m",
        clientId: `client-${index}`,
        clientSecret: "secret"
      })
  )
  const headers = new Headers()
  for (const config of configs) await config.authenticate(headers)
  server.close()
  server.closeAllConnections()
  return (index) => configs[index % identities]!.authenticate(headers)
}
