/** Whoever answers for a workspace on the allow-list: what one of them says may cost the others nothing. */
import { describe } from "@effect/vitest"
import { Effect } from "effect"
import { recipe } from "./support/recipe.ts"
import { attack, type Target } from "./support/Target.ts"

const polls = (target: Target, { url }: { readonly url: string }) =>
  attack(target, "polls", { databricks_instance: url, run_id: "1", auth_type: "pat", auth_token: "pat" })
const logs =
  (name: "logs" | "forgedPages") =>
  (target: Target, { url }: { readonly url: string }) =>
    attack(target, name, { databricks_instance: url, run_id: "1", auth_type: "pat", auth_token: "pat" })

const over = { state: { life_cycle_state: "TERMINATED", result_state: "FAILED" } }
const get = { body: JSON.stringify(over) }
const listOf = (item: string, bytes: number) => {
  const count = Math.floor(bytes / (item.length + 1))
  return Buffer.concat([Buffer.from("["), Buffer.alloc(count * (item.length + 1), `${item},`), Buffer.from(`${item}]`)])
}
const wrapped = (before: string, list: Buffer) => Buffer.concat([Buffer.from(before), list, Buffer.from("}")])
const mebibyte = 1024 * 1024
const state = `{"state":{"life_cycle_state":"RUNNING"},"tasks":`

describe("a workspace", () => {
  const budget = { cpuMillis: 8000, peakMb: 250 }
  recipe("whose run has a million tasks", budget, polls, {
    answers: { get: { body: wrapped(state, listOf("{}", 4 * mebibyte - 100)) } }
  })
  recipe("whose run is all text", budget, polls, {
    answers: {
      get: { body: `{"state":{"life_cycle_state":"RUNNING","state_message":"${"x".repeat(4 * mebibyte - 100)}"}}` }
    }
  })
  recipe("whose run has a long name", budget, polls, {
    answers: {
      get: { body: `{"state":{"life_cycle_state":"RUNNING"},"run_name":"${"x".repeat(4 * mebibyte - 100)}"}` }
    }
  })
  recipe("whose failed runs have outputs of 16 MB of lists", budget, polls, {
    answers: { get, "get-output": { body: wrapped(`{"error":"x","more":`, listOf("[]", 16 * mebibyte - 100)) } }
  })
  recipe("whose failed runs have errors of 16 MB", budget, polls, {
    answers: { get, "get-output": { body: `{"error":"${"x".repeat(16 * mebibyte - 100)}"}` } }
  })
  recipe("whose errors are lists in lists in lists", budget, polls, {
    answers: { get: { status: 400, body: `{"error":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}` } }
  })
  recipe("whose error codes are lists in lists in lists", budget, polls, {
    answers: { get: { status: 400, body: `{"error_code":${"[".repeat(5000)}${"]".repeat(5000)}}` } }
  })
  recipe("whose logs are five million empty lines", budget, logs("logs"), {
    answers: { get, "get-output": { body: JSON.stringify({ logs: "\n".repeat(5_000_000) }) } }
  })
  recipe("whose logs are read far behind their end", budget, logs("forgedPages"), {
    answers: { get, "get-output": { body: JSON.stringify({ logs: "\n".repeat(5_000_000) }) } }
  })
  recipe("whose logs are 16 MB", budget, logs("logs"), {
    answers: { get, "get-output": { body: JSON.stringify({ logs: "x".repeat(16_000_000) }) } }
  })
  void Effect
})
