/** Whoever reaches the port: what one caller sends may cost the others nothing. */
import { describe } from "@effect/vitest"
import { Effect } from "effect"
import { recipe } from "./support/recipe.ts"
import { attack } from "./support/Target.ts"

const meta = { databricks_instance: "", run_id: "1" }
void meta

describe("a caller", () => {
  recipe("with a task of a million values", { cpuMillis: 500, peakMb: 200 }, (target) =>
    attack(target, "oneOfManyValues")
  )
  recipe("with ten tasks of 100,000 values", { cpuMillis: 500, peakMb: 200 }, (target) =>
    attack(target, "tenOfManyValues")
  )
  recipe("with 300 tasks of 9,000 values", { cpuMillis: 5000, peakMb: 250 }, (target) =>
    attack(target, "manyOfSomeValues")
  )
  recipe("with 100 tasks of 4 MB at once", { cpuMillis: 5000, peakMb: 250 }, (target) => attack(target, "bigTasks"))
  recipe("who finishes no message", { cpuMillis: 5000, peakMb: 250 }, (target) => attack(target, "unfinished"))
  recipe("who sends no message", { cpuMillis: 5000, peakMb: 250 }, (target) => attack(target, "silent"))
  recipe("with long headers", { cpuMillis: 5000, peakMb: 250 }, (target) => attack(target, "headers"))
  recipe("with 4,000 connections", { cpuMillis: 5000, peakMb: 250 }, (target) => attack(target, "connections"))
  recipe("with another audience each time", { cpuMillis: 5000, peakMb: 250 }, (target) => attack(target, "audiences"))
  recipe(
    "with large tasks whose client ids are refused",
    { cpuMillis: 15000, peakMb: 250 },
    (target) => attack(target, "refused"),
    { answers: { token: { status: 401, body: '{"error":"invalid_client"}' } } }
  )
  recipe("with large tasks, each as another client", { cpuMillis: 15000, peakMb: 250 }, (target) =>
    attack(target, "refused")
  )
  recipe("with another client id each time", { cpuMillis: 5000, peakMb: 250 }, (target, { url }) =>
    attack(target, "clientIds", { databricks_instance: url, run_id: "1", auth_type: "oidc_federation" })
  )
  void Effect
})
