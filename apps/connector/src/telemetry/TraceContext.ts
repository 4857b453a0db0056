/**
 * The trace that a caller is in, as it says so: W3C Trace Context, level 1.
 */
import type { Metadata } from "@grpc/grpc-js"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

// Of a later version, what level 1 has comes first, and more may follow. A field is short, also then.
const traceparent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const maxLength = 256

/** The span of the caller; none where there is none, or where it is not well-formed. */
export const parse = (header: string): Option.Option<Tracer.ExternalSpan> => {
  if (header.length > maxLength) return Option.none()
  const [, version, traceId = "", spanId = "", flags = "", more] = traceparent.exec(header) ?? []
  const isWrong = version === undefined || version === "ff" || (version === "00" && more !== undefined)
  if (isWrong || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return Option.none()
  return Option.some(Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }))
}

/** The same of a call. Two of them are none: nobody knows which is meant. */
export const ofCall = (metadata: Metadata): Option.Option<Tracer.ExternalSpan> => {
  const [header, ...others] = metadata.get("traceparent")
  return typeof header === "string" && others.length === 0 ? parse(header) : Option.none()
}

// What the standard has every tracer carry on; a longer one is left out whole.
const maxState = 512

/** What tracing systems said of the trace; none where the call has no trace, or more than has to be kept. */
export const stateOf = (metadata: Metadata): string | undefined => {
  const state = metadata.get("tracestate").join(",")
  return state === "" || state.length > maxState || !/^[\x20-\x7e]+$/.test(state) ? undefined : state
}
