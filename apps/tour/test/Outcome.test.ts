import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude } from "@effect/vitest/utils"
import { isExpected, type Submitted } from "../src/Outcome.ts"
import { type Scenario, scenarios } from "../src/Scenario.ts"
import * as Table from "../src/Table.ts"

const asExpected = (scenario: Scenario): Submitted => {
  const { expected } = scenario
  if (expected._tag !== "RunsAs") throw new Error(`${scenario.namespace} is to be refused`)
  return {
    _tag: "Ended",
    authType: expected.authType,
    origin: expected.origin,
    principal: expected.principal,
    runId: "1",
    phase: "SUCCEEDED",
    link: "https://workspace/#job/1/run/1"
  }
}

const running = scenarios.filter(({ expected }) => expected._tag === "RunsAs")
const refused = scenarios.filter(({ expected }) => expected._tag === "Refused")

describe("the tour's verdict", () => {
  it.each(running)("$namespace is as expected when it ended as who it should be", (scenario) => {
    assertEquals(isExpected(scenario, asExpected(scenario)), true)
  })

  it.each(running)(
    "$namespace is not when it ran as somebody else, by another mode, from elsewhere, or failed",
    (scenario) => {
      const ended = asExpected(scenario)
      for (const other of [
        { ...ended, principal: "somebody else" },
        { ...ended, authType: "another" },
        { ...ended, origin: "elsewhere" },
        { ...ended, phase: "FAILED" },
        { ...ended, _tag: "Running" as const }
      ]) {
        assertEquals(isExpected(scenario, other), false)
      }
    }
  )

  it.each(refused)("$namespace is not when it ran, or was refused for another reason", (scenario) => {
    assertEquals(isExpected(scenario, asExpected(running[0]!)), false)
    assertEquals(isExpected(scenario, { _tag: "Refused", error: "UNAVAILABLE: no connection" }), false)
  })

  it("covers all four modes, and two namespaces as two principals by federation", () => {
    const origins = running.map((scenario) => asExpected(scenario))
    assertEquals(new Set(origins.map(({ authType }) => authType)), new Set(["pat", "oauth_m2m", "oidc_federation"]))
    const federated = origins.filter(({ origin }) => origin.startsWith("ServiceAccount "))
    assertEquals(new Set(federated.map(({ principal }) => principal)).size, 2)
    assertEquals(
      origins.some(({ authType, origin }) => authType === "oidc_federation" && origin === "connector"),
      true
    )
  })
})

describe("the tour's table", () => {
  it("marks what is not as expected, and shows an error as the task's author would see it", () => {
    const [scenario] = running
    const text = Table.render([
      { scenario: scenario!, outcome: asExpected(scenario!) },
      { scenario: refused[0]!, outcome: { _tag: "Refused", error: "UNAVAILABLE: no connection" } }
    ])
    assertInclude(text, `✓  ${scenario!.namespace}`)
    assertInclude(text, `✗  ${refused[0]!.namespace}`)
    assertInclude(text, "UNAVAILABLE: no connection")
  })
})
