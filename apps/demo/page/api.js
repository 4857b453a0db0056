/**
 * The service, as the page calls it.
 *
 * @import { Explanation, Platform, Problem, Progress, Run, Tokens } from "./types.ts"
 */

// Where the service is not on loopback, it prints an address that ends in the token. What stands after a # goes to no
// server and no log.
const given = new URLSearchParams(location.hash.slice(1)).get("token")
if (given !== null) {
  sessionStorage.setItem("token", given)
  history.replaceState(null, "", location.pathname)
}

/** What the service said no with, or that it said nothing. */
class Refused extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail)
    this.problem = problem
  }
}

/**
 * What went wrong, whatever it was.
 *
 * @param {unknown} error
 * @returns {Problem}
 */
export const problemOf = (error) =>
  error instanceof Refused
    ? error.problem
    : {
        type: "about:blank",
        title: "No answer",
        status: 503,
        detail: "The service does not answer. Is it still running?",
        retryable: true
      }

/**
 * @param {string} method
 * @param {string} path
 * @param {{ body?: object, signal?: AbortSignal }} [options]
 */
const call = async (method, path, { body, signal } = {}) => {
  const token = sessionStorage.getItem("token")
  const response = await fetch(`api/${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal })
  })
  if (response.ok) return response
  const problem = await response.json().catch(() => ({}))
  throw new Refused({ type: "about:blank", title: response.statusText, detail: "", retryable: false, ...problem })
}

/** @param {string} namespace @param {string} authType */
const task = (namespace, authType) => ({ namespace, ...(authType === "" ? {} : { authType }) })

/** @returns {Promise<Platform>} */
export const platform = async () => (await call("GET", "platform")).json()

/** @returns {Promise<Tokens>} */
export const tokens = async () => (await call("GET", "tokens")).json()

/** @param {string} namespace @param {string} authType @param {"yes" | "no"} proof @returns {Promise<Explanation>} */
export const explanation = async (namespace, authType, proof) =>
  (await call("GET", `explanation?${new URLSearchParams({ ...task(namespace, authType), proof })}`)).json()

/** @param {string} namespace @param {string} authType @returns {Promise<Run>} */
export const submit = async (namespace, authType) =>
  (await call("POST", "runs", { body: task(namespace, authType) })).json()

/** @param {string} runId */
export const cancel = async (runId) => void (await call("DELETE", `runs/${runId}`))

/**
 * A run's events until it has ended. `EventSource` sends no token, hence by hand.
 *
 * @param {string} runId
 * @returns {AsyncGenerator<Progress>}
 */
export async function* follow(runId) {
  const { body } = await call("GET", `runs/${runId}`)
  if (body === null) return
  let unread = ""
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const events = (unread + text).split("\n\n")
    unread = events.pop() ?? ""
    for (const event of events) {
      const fields = Object.fromEntries(event.split("\n").map((line) => line.split(/: ?(.*)/s).slice(0, 2)))
      const data = JSON.parse(fields["data"] ?? "null")
      if (fields["event"] === "problem") throw new Refused(data)
      yield data
    }
  }
}
