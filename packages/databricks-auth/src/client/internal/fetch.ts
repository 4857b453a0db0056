/**
 * `fetch` with the token.
 */
import { refusalLength, refusesToken } from "../../http/Answer.ts"
import { userAgent } from "../../http/UserAgent.ts"
import { parseUrl } from "../../internal/url.ts"
import { DatabricksError } from "../DatabricksError.ts"
import type { Session } from "./session.ts"

type Fetch = typeof globalThis.fetch
type Input = Parameters<Fetch>[0]
type Init = NonNullable<Parameters<Fetch>[1]>

export const make =
  (session: Session, send: Fetch, authType: string): Fetch =>
  async (input: Input, init: Init = {}) => {
    const request = isRequest(input) ? input : undefined
    const url = addressOf(request?.url ?? String(input), await session.origin())
    const signal = init.signal ?? request?.signal ?? null

    const attempt = async () => {
      const headers = await session.headers(signal)
      const all = new Headers(init.headers ?? request?.headers)
      if (!all.has("user-agent")) all.set("user-agent", userAgent(authType))
      for (const [name, value] of Object.entries(headers)) all.set(name, value)
      const redirect = (init.redirect ?? request?.redirect) === "error" ? "error" : "manual"
      return { headers, answer: await send(request ?? url, { ...init, headers: all, redirect }) }
    }

    const isSentOnce = isStream(init.body ?? request?.body)
    const { answer, headers } = await attempt()
    if (!(await saysSo(answer))) return answer
    await session.refused(headers)
    if (isSentOnce) return answer
    // Its connection is free for the next.
    await answer.body?.cancel()
    return (await attempt()).answer
  }

const isRequest = (input: Input): input is Request => typeof input === "object" && "url" in input

const addressOf = (address: string, origin: string): URL => {
  const url = parseUrl(address, origin)
  if (url?.origin === origin) return url
  throw new DatabricksError(
    "origin_foreign",
    `The token goes to ${origin} alone, and this request to ${url === null ? "no address" : url.origin}. ` +
      "Send it with the fetch of the runtime, or make a client for that host."
  )
}

// Text, forms, bytes and blobs can be sent again. What is read while it is sent cannot.
const isStream = (body: unknown): boolean =>
  typeof body === "object" && body !== null && ("getReader" in body || Symbol.asyncIterator in body)

// The answer stays whole for who asked: the beginning is read from a copy.
const saysSo = async (answer: Response): Promise<boolean> => {
  const { status } = answer
  return refusesToken({ status, body: status === 403 ? await beginningOf(answer.clone()) : undefined })
}

const beginningOf = async ({ body }: Response): Promise<string | undefined> => {
  if (body === null) return undefined
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ""
  try {
    while (text.length < refusalLength) {
      const { done, value } = await reader.read()
      if (done) break
      text += value
    }
  } finally {
    void reader.cancel().catch(() => {})
  }
  return text
}
