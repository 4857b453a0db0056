/**
 * A workspace that says back what it was sent, in every field that the connector reads. What is sent ends in the number
 * of the spelling that it says it in, and the id of a run tells what is wrong with the run.
 */
import { Effect } from "effect"
import { listening } from "@flyte-databricks/emulators/testing/Network"
import { createServer, type IncomingHttpHeaders } from "node:http"
import { spellingsOf } from "@flyte-databricks/emulators/testing/Spellings"

/** Characters that each spelling writes otherwise. */
const awkward = 's3cr"t\\<&>+/%=~'

export const secretOf = (what: string, spelling: number): string => `${what}-${awkward}-${spelling}`

export const spellings = spellingsOf("").map(([how], spelling) => ({ how, spelling }))

/** What a run is like, by the thousands of its id. */
export const kinds = { running: 1, failed: 2, forbidden: 3, elsewhere: 4, notJson: 5, errorAsAnswer: 6, missing: 7 }

interface Answer {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

/** The secret that was sent, as it is and as it is said. */
const sentIn = ({ authorization = "" }: IncomingHttpHeaders) => {
  const [scheme = "", credentials = ""] = authorization.split(" ")
  const secret =
    scheme === "Basic" ? unform(Buffer.from(credentials, "base64").toString().split(":")[1] ?? "") : credentials
  const spelling = Number(/-(\d+)$/.exec(secret)?.[1] ?? 0)
  return spellingsOf(secret)[spelling]![1]
}

const unform = (text: string) => new URLSearchParams(`v=${text}`).get("v") ?? ""

const run = (said: string) => ({
  run_name: said,
  run_page_url: `https://a/${said}`,
  creator_user_name: said,
  run_as_user_name: said,
  job_id: 7,
  cluster_instance: { cluster_id: said }
})

const over = { state: { life_cycle_state: "TERMINATED", result_state: "FAILED" } }

const answerTo = (path: string, kind: number, said: string): Answer => {
  const error = { error_code: said, message: `no, ${said}, no` }
  if (path.endsWith("/token"))
    return { status: 401, body: { error: said, error_description: `not ${said}!`, error_id: said } }
  if (path.endsWith("/submit") || path.endsWith("/cancel")) return { status: 400, body: error }
  if (path.endsWith("/get-output")) {
    const text = `first\n${said}\nthen ${said} and on`
    const notebook = { result: text, truncated: false }
    return { body: { logs: text, error: text, error_trace: text, notebook_output: notebook } }
  }
  switch (kind) {
    case kinds.running:
      return {
        body: {
          ...run(said),
          state: { life_cycle_state: said, result_state: said, state_message: `at ${said}.`, queue_reason: said },
          status: {
            state: said,
            termination_details: { code: said, type: said, message: said },
            queue_details: { code: said, message: `for ${said}` }
          }
        }
      }
    case kinds.failed:
      return {
        body: {
          ...run(said),
          ...over,
          tasks: [1, 2].map((n) => ({
            ...over,
            task_key: `${said}${n}`,
            run_id: n,
            state: { ...over.state, state_message: said }
          }))
        }
      }
    case kinds.elsewhere:
      return { status: 302, headers: { location: `https://login.example/${encodeURI(said)}` } }
    case kinds.notJson:
      return { status: 400, body: `no ${said} here` }
    case kinds.errorAsAnswer:
      return { body: error }
    case kinds.missing:
      return { status: 404, body: error }
    default:
      return { status: 403, body: error }
  }
}

/** Answers for as long as the scope is open. */
export const make = Effect.gen(function* () {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://a")
    const said = sentIn(request.headers)
    const kind = Math.floor(Number(searchParams.get("run_id") ?? 0) / 1000)
    const { status = 200, headers = {}, body = "" } = answerTo(pathname, kind, said)
    request.resume().on("end", () => {
      const id = /^[\x20-\x7e]*$/.test(said) ? { "x-request-id": said } : {}
      response.writeHead(status, { "content-type": "application/json", ...id, ...headers })
      response.end(typeof body === "string" ? body : JSON.stringify(body))
    })
  })
  const port = yield* listening(server)
  return { url: `http://127.0.0.1:${port}` }
})
