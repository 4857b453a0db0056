/**
 * The tests as mutation testing runs them: on a copy of the package, out of which the workspace's link would lead.
 */
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: {
    alias: { "@flyte-databricks/databricks-auth": fileURLToPath(new URL("../../src/index.ts", import.meta.url)) }
  },
  test: {
    include: ["test/**/*.test.ts"],
    // A mutant that makes a test wait for ever is found out the sooner.
    testTimeout: 10_000
  }
})
