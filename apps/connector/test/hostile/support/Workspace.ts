/**
 * A workspace whose answers are its own: what it says to `runs/get` and `runs/get-output` is whatever the test gives it,
 * byte for byte.
 */
import { Effect } from "effect"
import { listening } from "@flyte-databricks/emulators/testing/Network"
import { createServer } from "node:http"

export interface Answer {
  readonly status?: number
  readonly body: string | Buffer
}

/** Answers by the end of the path; tokens are given to everybody, and jobs are taken. */
export const make = Effect.fnUntraced(function* (answers: Readonly<Record<string, Answer>>) {
  let runs = 0
  const always: Readonly<Record<string, () => Answer>> = {
    "/oidc/v1/token": () => ({
      body: JSON.stringify({ access_token: "token", token_type: "Bearer", expires_in: 3600 })
    }),
    "/api/2.1/jobs/runs/submit": () => ({ body: JSON.stringify({ run_id: ++runs }) })
  }
  const server = createServer({ maxHeaderSize: 1024 * 1024 }, (request, response) => {
    const path = (request.url ?? "").replace(/\?.*$/, "")
    const given = answers[path.replace(/^.*\//, "")]
    const answer = given ?? always[path]?.() ?? { status: 404, body: "{}" }
    request.resume().on("end", () => {
      response.writeHead(answer.status ?? 200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(answer.body)
      })
      response.end(answer.body)
    })
  })
  const port = yield* listening(server)
  return { url: `http://127.0.0.1:${port}` }
})
