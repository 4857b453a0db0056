import { defineConfig } from "vitest/config"

const project = (root: string) => ({
  extends: true as const,
  test: { name: root.replace(/^.*\//, ""), root, include: ["test/**/*.test.ts"] }
})

export default defineConfig({
  test: {
    projects: [
      project("packages/databricks-auth"),
      project("packages/databricks-jobs"),
      project("packages/kubernetes"),
      project("packages/flyte-protocol"),
      project("packages/emulators"),
      project("apps/connector"),
      project("apps/tour")
    ]
  }
})
