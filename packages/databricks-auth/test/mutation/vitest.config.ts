/**
 * The tests as mutation testing runs them: on a copy of the package, out of which the workspace's link would lead, and
 * in the order that is the quickest to find a mutant out.
 */
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** The mutated module's own tests first, and those that took long last: the first test that fails ends the run. */
class NearestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const mutated = this.ctx.config.related?.map((path) => basename(path, ".ts"))
    const isOwn = ({ moduleId }: TestSpecification) => mutated?.includes(basename(moduleId).split(".")[0]!) === true
    const took = (file: TestSpecification) => this.ctx.cache.getTestSpecificationResult(file)?.duration ?? 0
    return files.toSorted((a, b) => Number(isOwn(b)) - Number(isOwn(a)) || took(a) - took(b))
  }
}

export default defineConfig({
  resolve: {
    alias: { "@flyte-databricks/databricks-auth": fileURLToPath(new URL("../../src/index.ts", import.meta.url)) }
  },
  test: {
    include: ["test/**/*.test.ts"],
    // These try everything against everything, and take longer than all others together. A mutant that only they find
    // out lacks a test that says what is wrong.
    exclude: ["test/selection/**", "test/Secrecy.test.ts", "test/**/*.property.test.ts"],
    sequence: { sequencer: NearestFirst },
    // A mutant that makes a test wait for ever is found out the sooner.
    testTimeout: 10_000
  }
})
