/** Which workspace a task is for, before anything else is known of it. */
import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import * as Workspaces from "../../src/runs/Workspaces.ts"

describe("the workspace of a task", () => {
  it("is not known before a task that said the same has shown it", () => {
    const workspaces = Workspaces.make()
    assertEquals(workspaces.of({}), undefined)
    workspaces.learn({ databricksConf: { run_name: "one" } }, "dbc-a1b2.cloud.databricks.com")
    assertEquals(workspaces.of({ databricksConf: { run_name: "other" } }), "dbc-a1b2.cloud.databricks.com")
    assertEquals(workspaces.of(undefined), "dbc-a1b2.cloud.databricks.com")
  })

  it("differs by what tasks say of it: the instance, and the workspace's id", () => {
    const workspaces = Workspaces.make()
    const said = [
      {},
      { databricksInstance: "a.cloud.databricks.com" },
      { databricksInstance: "a.cloud.databricks.com", databricksWorkspaceId: "17" },
      { databricksWorkspaceId: "17" }
    ]
    said.forEach((custom, n) => workspaces.learn(custom, `workspace-${n}`))
    said.forEach((custom, n) => assertEquals(workspaces.of(custom), `workspace-${n}`))
    assertEquals(workspaces.of({ databricksInstance: "b.cloud.databricks.com" }), undefined)
  })

  it("is remembered of so many only, whatever tasks say", () => {
    const workspaces = Workspaces.make()
    for (let n = 0; n < 2 * Workspaces.most.entries; n++) workspaces.learn({ databricksInstance: `w${n}` }, `w${n}`)
    assertEquals(workspaces.of({ databricksInstance: "w0" }), undefined)
    assertEquals(workspaces.of({ databricksInstance: `w${2 * Workspaces.most.entries - 1}` }), "w1999")
  })
})
