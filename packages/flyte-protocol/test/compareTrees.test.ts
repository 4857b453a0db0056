import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { differences } from "../tools/compareTrees.ts"

describe("the comparison of generated with committed files", () => {
  let root = ""

  const tree = (name: string, files: Readonly<Record<string, string>>): string => {
    const directory = join(root, name)
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), content)
    }
    return directory
  }

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "compare-trees-"))
  })

  afterEach(() => {
    rmSync(root, { recursive: true })
  })

  it("finds nothing between equal trees", () => {
    const files = { "v1/a.js": "a\n", "v1/b/c.js": "c\n" }
    deepStrictEqual(differences(tree("committed", files), tree("generated", files)), [])
  })

  it("names each file that is missing, left over or not the same, and the first line that differs", () => {
    const committed = tree("committed", { "v1/changed.js": "1\ntwo\n3\n", "v1/old.js": "", "v1/longer.js": "1\n2\n" })
    const generated = tree("generated", { "v1/changed.js": "1\n2\n3\n", "v1/new.js": "", "v1/longer.js": "1\n" })
    deepStrictEqual(differences(committed, generated), [
      `differs    v1/changed.js: line 2 is "two", generated is "2"`,
      `differs    v1/longer.js: line 2 is "2", generated is ""`,
      "missing    v1/new.js",
      "left over  v1/old.js"
    ])
  })

  it("finds every file missing where nothing was committed", () => {
    deepStrictEqual(differences(join(root, "absent"), tree("generated", { "v1/a.js": "a\n" })), ["missing    v1/a.js"])
  })
})
