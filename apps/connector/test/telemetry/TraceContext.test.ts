/** What counts of a caller's trace, and which traces are kept. */
import { assert, describe, it } from "@effect/vitest"
import { Metadata } from "@grpc/grpc-js"
import { Context, Option, Tracer } from "effect"
import * as Sampler from "../../src/telemetry/Sampler.ts"
import * as TraceContext from "../../src/telemetry/TraceContext.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const spanId = "00f067aa0ba902b7"

describe("traceparent", () => {
  it.each([
    [`00-${traceId}-${spanId}-01`, true],
    [`00-${traceId}-${spanId}-00`, false],
    [`00-${traceId}-${spanId}-03`, true],
    [`cc-${traceId}-${spanId}-01`, true],
    [`cc-${traceId}-${spanId}-01-what-comes-later`, true]
  ])("%s is a caller's span", (header, sampled) => {
    const { value } = TraceContext.parse(header) as Option.Some<Tracer.ExternalSpan>
    assert.deepInclude(value, { traceId, spanId, sampled })
  })

  it.each([
    "",
    "00",
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId}${spanId}-01`,
    ` 00-${traceId}-${spanId}-01`,
    `cc-${traceId}-${spanId}-01-${"x".repeat(300)}`
  ])("%s is none", (header) => {
    assert.isTrue(Option.isNone(TraceContext.parse(header)))
  })

  it("is none where there are two", () => {
    const metadata = new Metadata()
    metadata.add("traceparent", `00-${traceId}-${spanId}-01`)
    assert.isTrue(Option.isSome(TraceContext.ofCall(metadata)))
    metadata.add("traceparent", `00-${traceId}-${spanId}-01`)
    assert.isTrue(Option.isNone(TraceContext.ofCall(metadata)))
  })

  it("comes with a tracestate of 512 characters at most", () => {
    const metadata = new Metadata()
    metadata.add("tracestate", "a=1")
    metadata.add("tracestate", "b=2")
    assert.strictEqual(TraceContext.stateOf(metadata), "a=1,b=2")
    metadata.add("tracestate", "x".repeat(512))
    assert.isUndefined(TraceContext.stateOf(metadata))
  })
})

describe("the sampler", () => {
  const native = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })
  const spanOf = (tracer: Tracer.Tracer, parent: Option.Option<Tracer.AnySpan>) =>
    tracer.span({
      name: "call",
      parent,
      annotations: Context.empty(),
      links: [],
      startTime: 0n,
      kind: "server",
      root: Option.isNone(parent),
      sampled: Option.isNone(parent) || parent.value.sampled
    })
  const caller = (sampled: boolean) => Option.some(Tracer.externalSpan({ traceId, spanId, sampled }))

  it.each([
    ["always_on", true, true, true],
    ["always_off", false, false, false],
    ["parentbased_always_on", true, true, false],
    ["parentbased_always_off", false, true, false]
  ] as const)("%s keeps", (name, root, sampledCaller, otherCaller) => {
    const tracer = Sampler.sampling(Sampler.make(name, 1), native)
    assert.deepStrictEqual(
      [Option.none(), caller(true), caller(false)].map((parent) => spanOf(tracer, parent).sampled),
      [root, sampledCaller, otherCaller]
    )
  })

  it("by ratio keeps about that part, and the same as others do", () => {
    const tracer = Sampler.sampling(Sampler.make("traceidratio", 0.1), native)
    const kept = Array.from({ length: 5000 }, () => spanOf(tracer, Option.none())).filter(({ sampled }) => sampled)
    assert.isAbove(kept.length, 350)
    assert.isBelow(kept.length, 650)
    const ofCaller = (end: string) =>
      spanOf(tracer, Option.some(Tracer.externalSpan({ traceId: `${"a".repeat(18)}${end}`, spanId }))).sampled
    assert.deepStrictEqual([ofCaller("19999999999999"), ofCaller("1a000000000000")], [true, false])
  })

  it("leaves out what belongs to a trace that is not kept", () => {
    const tracer = Sampler.sampling(Sampler.make("always_off", 1), native)
    const root = spanOf(tracer, Option.none())
    const child = spanOf(tracer, Option.some(root))
    assert.isFalse(child.sampled)
    assert.strictEqual(child.traceId, root.traceId)
    assert.notInstanceOf(child, Tracer.NativeSpan)
  })
})
