/**
 * Which traces are kept, by OpenTelemetry's samplers.
 */
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** A sampler, and the part of the traces that it keeps. */
export interface Sampler {
  /** Whether a caller that is in a trace decides for us. */
  readonly isParentBased: boolean
  readonly ratio: number
}

const kinds = ["always_on", "always_off", "traceidratio"] as const

/** Samplers by their names; some take a ratio. */
export const names = [...kinds, ...kinds.map((kind) => `parentbased_${kind}` as const)] as const

export const make = (name: (typeof names)[number], ratio: number): Sampler => {
  const isParentBased = name.startsWith("parentbased_")
  if (name.endsWith("always_on")) return { isParentBased, ratio: 1 }
  if (name.endsWith("always_off")) return { isParentBased, ratio: 0 }
  return { isParentBased, ratio }
}

// The last 56 bits of an id are random (W3C Trace Context, level 2): all who go by the id keep the same traces.
const isKept = (ratio: number, traceId: string): boolean =>
  ratio >= 1 || (ratio > 0 && Number.parseInt(traceId.slice(-14), 16) < ratio * 2 ** 56)

/**
 * A tracer that decides, where a trace begins here or comes in, whether it is kept. What is not kept costs hardly anything.
 */
export const sampling = ({ isParentBased, ratio }: Sampler, tracer: Tracer.Tracer): Tracer.Tracer =>
  Tracer.make({
    ...tracer,
    span: (options) => {
      const parent = Option.getOrUndefined(options.parent)
      if (parent?._tag === "Span") return options.sampled ? tracer.span(options) : new Unsampled(options)
      if (parent !== undefined && isParentBased) {
        return parent.sampled ? tracer.span({ ...options, sampled: true }) : new Unsampled(options)
      }
      const span = tracer.span({ ...options, sampled: true })
      return isKept(ratio, span.traceId) ? span : new Unsampled(options, span.traceId)
    }
  })

type Options = Parameters<Tracer.Tracer["span"]>[0]

const nothing: ReadonlyMap<string, unknown> = new Map()
const noId = "0".repeat(16)

/** A span that nobody will see. It has a trace, so that log lines have one. */
class Unsampled implements Tracer.Span {
  readonly _tag = "Span"
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly parent: Tracer.Span["parent"]
  readonly annotations: Tracer.Span["annotations"]
  readonly sampled = false
  readonly links: ReadonlyArray<Tracer.SpanLink> = []
  readonly attributes = nothing
  readonly spanId = noId
  readonly traceId: string
  readonly status: Tracer.SpanStatus
  constructor({ name, kind, parent, annotations, startTime }: Options, traceId?: string) {
    this.name = name
    this.kind = kind
    this.parent = parent
    this.annotations = annotations
    this.traceId = traceId ?? (Option.isSome(parent) ? parent.value.traceId : "0".repeat(32))
    this.status = { _tag: "Started", startTime }
  }
  end(): void {}
  attribute(): void {}
  event(): void {}
  addLinks(): void {}
}
