/**
 * The least that a workspace can be, as a process of its own: HTTPS, a token for everybody, another run for every submit; at once,
 * or after so many milliseconds. What it costs is not what is measured.
 */
import { createServer } from "node:https"
import { loopbackCertificate } from "@flyte-databricks/emulators/Certificates"
import { Effect } from "effect"

const { caPem, certificatePem, privateKeyPem } = await Effect.runPromise(loopbackCertificate)

const after = Number(process.argv[2] ?? 0)

const answers: Record<string, string> = {
  "/oidc/v1/token": JSON.stringify({ access_token: "token", token_type: "Bearer", expires_in: 3600 }),
  "/api/2.1/jobs/runs/get": JSON.stringify({ job_id: 1, run_id: 123, state: { life_cycle_state: "RUNNING" } }),
  "/api/2.1/jobs/runs/cancel": "{}"
}

let runs = 1000

const server = createServer({ cert: certificatePem, key: privateKeyPem }, (request, response) => {
  const path = (request.url ?? "").split("?")[0] ?? ""
  const answer = path === "/api/2.1/jobs/runs/submit" ? JSON.stringify({ run_id: ++runs }) : answers[path]
  const body = answer ?? "{}"
  request.resume().on("end", () => {
    const headers = { "content-type": "application/json", "content-length": body.length }
    const reply = () => response.writeHead(answer === undefined ? 404 : 200, headers).end(body)
    if (after === 0) reply()
    else setTimeout(reply, after)
  })
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  process.send?.({ port: typeof address === "object" ? address?.port : undefined, caPem })
})
