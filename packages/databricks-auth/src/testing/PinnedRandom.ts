/**
 * Chance that always shows its middle. When a token is renewed ahead of its end depends on `Random`, so that tokens which
 * were given together are not renewed together: a test that looks at the moment has to pin it. Put it below the boundary,
 * where its layer is built, and around the test, where retries draw their delays:
 *
 *     Effect.provide(AuthMemory.layer().pipe(Layer.provideMerge(PinnedRandom.layer)))
 *
 * With the default `TokenPolicy`, a token of an hour is then due after 35 minutes and 20 seconds.
 */
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"

/**
 * Chance that always gives the same.
 */
export const layer: Layer.Layer<never> = Layer.succeed(Random.Random, {
  nextDoubleUnsafe: () => 0.5,
  nextIntUnsafe: () => 0
})
