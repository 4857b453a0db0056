/**
 * The tests as mutation testing runs them: on a copy of the package, out of which the workspace's link would lead, and
 * in the order that is the quickest to find a mutant out.
 */
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const src = fileURLToPath(new URL("../../src", import.meta.url))

/** First the mutated module's own tests, then those that found the last mutant out; those that take long come last. */
class NearestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const mutated = this.ctx.config.related?.map((path) => basename(path, ".ts"))
    const rank = (file: TestSpecification) => {
      if (mutated?.includes(basename(file.moduleId).split(".")[0]!)) return -2
      const last = this.ctx.cache.getTestSpecificationResult(file)
      return last?.failed ? -1 : (last?.duration ?? 0)
    }
    return files.toSorted((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@flyte-databricks\/databricks-auth$/, replacement: `${src}/index.ts` },
      { find: /^@flyte-databricks\/databricks-auth\/(.*)$/, replacement: `${src}/$1.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    // These try everything against everything, and take longer than all others together. A mutant that only they find
    // out lacks a test that says what is wrong.
    exclude: [
      "test/selection/Names.test.ts",
      "test/selection/Selection.test.ts",
      "test/Secrecy.test.ts",
      "test/**/*.property.test.ts",
      "test/WorkspaceHost.anyText.test.ts",
      "test/endpoint/CircuitOutage.test.ts",
      "test/tokens/Weight.test.ts",
      // Its programs import the package by the workspace's link.
      "test/Readme.test.ts",
      // Its links lead out of the copy.
      "test/testing/Docs.test.ts",
      // Mutants are counted as they are passed, which is what these would measure.
      "test/**/*.cost.test.ts"
    ],
    sequence: { sequencer: NearestFirst },
    // Modules are loaded once for all files of a run; what a mutant changes there is loaded anew for it.
    isolate: false,
    // Some mutants let a test wait for ever. The slowest takes two seconds, also with all mutants in the code.
    testTimeout: 6_000
  }
})
