/**
 * The calls that serving needs, as plain requests: in a pod the client library is not loaded for them. Answers are as the
 * API server wrote them, and failures as the library throws them, so that both are read in one way.
 */
import type { Dispatcher } from "undici"
import * as AnswerBody from "./answerBody.ts"
import type { Sending } from "./call.ts"

interface Request {
  readonly method: "GET" | "POST"
  readonly path: ReadonlyArray<string>
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
}

const send = async (
  server: string,
  { headers, dispatcher, signal, answered }: Sending,
  request: Request
): Promise<unknown> => {
  const { origin, pathname } = new URL(server)
  const path = ["api", "v1", ...request.path].map(encodeURIComponent).join("/")
  const query = new URLSearchParams(request.query).toString()
  const asked: Dispatcher.RequestOptions = {
    origin,
    path: `${pathname.replace(/\/$/, "")}/${path}${query === "" ? "" : `?${query}`}`,
    method: request.method,
    headers: {
      ...headers,
      accept: "application/json",
      ...(request.body === undefined ? {} : { "content-type": "application/json" })
    },
    body: request.body === undefined ? null : JSON.stringify(request.body),
    signal
  }
  const answer = await dispatcher.request(asked)
  answered(answer.statusCode)
  const contentType = answer.headers["content-type"]
  const bytes = await AnswerBody.read(answer.statusCode, contentType?.toString(), answer.body)
  const text = bytes.toString("utf8")
  // As the library's `ApiException` has them.
  if (answer.statusCode >= 300) throw { code: answer.statusCode, body: text }
  return JSON.parse(text)
}

/** The methods, by their names in the library. */
export const make = (server: string) => ({
  readNamespacedSecret: ({ namespace, name }: Named, sending: Sending) =>
    send(server, sending, { method: "GET", path: ["namespaces", namespace, "secrets", name] }),

  listNamespacedServiceAccount: (
    { namespace, labelSelector }: { readonly namespace: string; readonly labelSelector: string },
    sending: Sending
  ) =>
    send(server, sending, {
      method: "GET",
      path: ["namespaces", namespace, "serviceaccounts"],
      query: { labelSelector }
    }),

  createNamespacedServiceAccountToken: (
    { namespace, name, body }: Named & { readonly body: object },
    sending: Sending
  ) =>
    send(server, sending, {
      method: "POST",
      path: ["namespaces", namespace, "serviceaccounts", name, "token"],
      body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", ...body }
    }),

  listNamespacedPod: (
    { namespace, fieldSelector, limit }: { namespace: string; fieldSelector: string; limit: number },
    sending: Sending
  ) =>
    send(server, sending, {
      method: "GET",
      path: ["namespaces", namespace, "pods"],
      query: { fieldSelector, limit: String(limit) }
    })
})

export interface Named {
  readonly namespace: string
  readonly name: string
}
