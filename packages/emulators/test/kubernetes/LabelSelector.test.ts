import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as LabelSelector from "../../src/kubernetes/LabelSelector.ts"

const objects: Record<string, Record<string, string>> = {
  prod: { env: "prod", "flyte.org/databricks-enabled": "true" },
  dev: { env: "dev" },
  empty: { env: "" },
  none: {}
}

const selected = (text: string) => {
  const selects = Result.getOrThrow(LabelSelector.parse(text))
  return Object.keys(objects).filter((name) => selects(objects[name] ?? {}))
}

describe("a label selector", () => {
  it.each([
    ["", ["prod", "dev", "empty", "none"]],
    ["env", ["prod", "dev", "empty"]],
    ["!env", ["none"]],
    ["! env", ["none"]],
    ["env=prod", ["prod"]],
    ["env==prod", ["prod"]],
    ["env = prod", ["prod"]],
    ["env=", ["empty"]],
    ["env!=prod", ["dev", "empty", "none"]],
    ["env in (prod,dev)", ["prod", "dev"]],
    ["env in ( prod , staging )", ["prod"]],
    ["env notin (prod,dev)", ["empty", "none"]],
    ["flyte.org/databricks-enabled=true", ["prod"]],
    ["env,env!=dev", ["prod", "empty"]],
    ["env in (prod,dev), flyte.org/databricks-enabled", ["prod"]],
    ["env=prod,env=dev", []],
    ["constructor", []],
    ["toString!=x", ["prod", "dev", "empty", "none"]]
  ])("%s", (text, expected) => {
    assert.deepStrictEqual(selected(text), expected)
  })

  it.each(["=prod", "env=a b", "env in prod", "env in (a b)", "-env", "env,,env", "env>", "a/b/c", "env=prod,"])(
    "that is none is refused: %s",
    (text) => {
      const parsed = LabelSelector.parse(text)
      assert.isTrue(Result.isFailure(parsed))
      if (Result.isFailure(parsed)) assert.match(parsed.failure, /^unable to parse requirement: /)
    }
  )
})
