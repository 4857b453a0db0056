import { defineConfig } from "vitest/config"

const project = (root: string) => ({
  extends: true as const,
  test: { name: root.replace(/^.*\//, ""), root, include: ["test/**/*.test.ts"], exclude: ["test/{box,hostile}/**"] }
})

// Containers with limits and a load: `npm run test:box` runs it by itself.
const box = {
  extends: true as const,
  test: { name: "box", root: "apps/connector", include: ["test/box/**/*.test.ts"] }
}

// Attacks on the bundle, each of which is measured: `npm run test:hostile` runs them by themselves, one at a time.
const hostile = {
  extends: true as const,
  test: { name: "hostile", root: "apps/connector", include: ["test/hostile/**/*.test.ts"] }
}

export default defineConfig({
  test: {
    // No test waits on a clock. This ends one that hangs, and leaves time to processes and to machines under load.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      project("packages/databricks-auth"),
      project("packages/databricks-jobs"),
      project("packages/kubernetes"),
      project("packages/flyte-protocol"),
      project("packages/emulators"),
      project("apps/connector"),
      project("apps/tour"),
      project("bench"),
      project("apps/demo"),
      project("examples"),
      box,
      hostile
    ]
  }
})
