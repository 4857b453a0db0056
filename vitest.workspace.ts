import { defineConfig } from "vitest/config"

const project = (root: string, test = {}) => ({
  extends: true as const,
  test: {
    name: root.replace(/^.*\//, ""),
    root,
    include: ["test/**/*.test.ts"],
    exclude: ["test/{box,hostile}/**", "test/**/*.long.test.ts"],
    ...test
  }
})

// Processes with real deadlines, on a machine that others may keep busy: one more try tells a late answer from a wrong
// one, and the reporter says which test had it.
const processes = { retry: 1 }

// What takes nearly as long as all the rest together: `npm run test:long` runs it by itself.
const long = {
  extends: true as const,
  test: { name: "long", root: "apps/connector", include: ["test/**/*.long.test.ts"], ...processes }
}

// Containers with limits and a load: `npm run test:box` runs it by itself.
const box = {
  extends: true as const,
  test: { name: "box", root: "apps/connector", include: ["test/box/**/*.test.ts"], ...processes }
}

// Attacks on the bundle, each of which is measured: `npm run test:hostile` runs them by themselves, one at a time.
const hostile = {
  extends: true as const,
  test: { name: "hostile", root: "apps/connector", include: ["test/hostile/**/*.test.ts"], ...processes }
}

export default defineConfig({
  test: {
    // No test waits on a clock. This ends one that hangs, and leaves time to processes and to machines under load.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // By itself vitest leaves one out, which of two is half. Many tests wait for processes and deadlines, not for a core.
    maxWorkers: "100%",
    projects: [
      project("packages/databricks-auth"),
      project("packages/databricks-jobs"),
      project("packages/databricks-http", processes),
      project("packages/diagnosis"),
      project("packages/kubernetes"),
      project("packages/flyte-protocol"),
      project("packages/emulators"),
      project("apps/connector", processes),
      project("apps/tour", processes),
      project("bench"),
      project("apps/demo", processes),
      project("examples"),
      long,
      box,
      hostile
    ]
  }
})
