import * as Tracer from "effect/Tracer";
/** A sampler, and the part of the traces that it keeps. */
export interface Sampler {
    /** Whether a caller that is in a trace decides for us. */
    readonly isParentBased: boolean;
    readonly ratio: number;
}
/** Samplers by their names; some take a ratio. */
export declare const names: readonly ["always_on", "always_off", "traceidratio", ...("parentbased_always_off" | "parentbased_always_on" | "parentbased_traceidratio")[]];
export declare const make: (name: (typeof names)[number], ratio: number) => Sampler;
/**
 * A tracer that decides, where a trace begins here or comes in, whether it is kept. What is not kept costs hardly anything.
 */
export declare const sampling: ({ isParentBased, ratio }: Sampler, tracer: Tracer.Tracer) => Tracer.Tracer;
//# sourceMappingURL=Sampler.d.ts.map