/**
 * For tests of code that stands on this package, with any test runner: the boundary in memory with controls, chance that
 * is pinned, ID tokens, and the laws of modes.
 */
export * as AuthMemory from "./testing/AuthMemory.ts"
export * as IdToken from "./testing/IdToken.ts"
export * as Laws from "./testing/Laws.ts"
export * as PinnedRandom from "./testing/PinnedRandom.ts"
export * as Shown from "./testing/Shown.ts"
