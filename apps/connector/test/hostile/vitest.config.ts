/**
 * The attacks, which `npm test` leaves out: one at a time, as each measures what it costs.
 */
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["*.hostile.ts"],
    root: import.meta.dirname,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false
  }
})
