/** Where a task stands in line, before anything else is known of it. */
import { describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import * as TaskPlaces from "../../src/runs/TaskPlaces.ts"

const attempt = { org: "", project: "reports", domain: "production" }
const task = { custom: {} as unknown, namespace: "flyte", attempt }
const place = (n: number | string) => ({ workspace: `workspace-${n}`, namespace: `namespace-${n}` })

describe("the place of a task", () => {
  it("is not known before a task that said the same has shown it", () => {
    const places = TaskPlaces.make()
    assertEquals(places.of(task), undefined)
    places.learn({ ...task, custom: { databricksConf: { run_name: "one" } } }, place(1))
    assertEquals(places.of({ ...task, custom: { databricksConf: { run_name: "other" } } }), place(1))
    assertEquals(places.of({ ...task, custom: undefined }), place(1))
  })

  it("differs by all that a workspace or a namespace may follow from", () => {
    const places = TaskPlaces.make()
    const said = [
      task,
      { ...task, custom: { databricksInstance: "a.cloud.databricks.com" } },
      { ...task, custom: { databricksInstance: "a.cloud.databricks.com", databricksWorkspaceId: "17" } },
      { ...task, custom: { databricksWorkspaceId: "17" } },
      { ...task, namespace: "other" },
      { ...task, attempt: { ...attempt, org: "acme" } },
      { ...task, attempt: { ...attempt, project: "billing" } },
      { ...task, attempt: { ...attempt, domain: "staging" } }
    ]
    said.forEach((one, n) => places.learn(one, place(n)))
    said.forEach((one, n) => assertEquals(places.of(one), place(n)))
  })

  it("is remembered of so many only, whatever tasks say", () => {
    const places = TaskPlaces.make()
    const of = (n: number) => ({ ...task, custom: { databricksInstance: `w${n}` } })
    for (let n = 0; n < 2 * TaskPlaces.most.entries; n++) places.learn(of(n), place(n))
    assertEquals(places.of(of(0)), undefined)
    assertEquals(places.of(of(2 * TaskPlaces.most.entries - 1)), place(2 * TaskPlaces.most.entries - 1))
  })
})
