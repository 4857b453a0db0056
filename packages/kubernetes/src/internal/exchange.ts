/**
 * How the library's generated client sends a request and reads the answer, through the middleware it takes for that.
 */
import { type ConfigurationOptions, Observable, type ResponseBody, ResponseContext } from "@kubernetes/client-node"
import * as AnswerBody from "./answerBody.ts"
import type { Sending } from "./call.ts"

/** Sends with these headers over this pool until the signal aborts; reads the whole body, up to a limit. */
export const options = (sending: Sending): ConfigurationOptions => ({
  middleware: [
    {
      pre: (context) => {
        for (const [name, value] of Object.entries(sending.headers)) context.setHeaderParam(name, value)
        context.setDispatcher(sending.dispatcher)
        context.setSignal(sending.signal)
        return new Observable(Promise.resolve(context))
      },
      // The library leaves some bodies unread, and an unread body keeps its connection from the pool.
      post: ({ httpStatusCode, headers, body }) => {
        sending.answered(httpStatusCode)
        return new Observable(
          AnswerBody.read(httpStatusCode, headers["content-type"], body.stream() ?? []).then(
            (bytes) => new ResponseContext(httpStatusCode, headers, bodyOf(bytes))
          )
        )
      }
    }
  ],
  middlewareMergeStrategy: "append"
})

const bodyOf = (bytes: Buffer): ResponseBody => ({
  text: () => Promise.resolve(bytes.toString("utf8")),
  binary: () => Promise.resolve(bytes),
  stream: () => null
})
