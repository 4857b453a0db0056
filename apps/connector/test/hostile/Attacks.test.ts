/**
 * What strangers, authors of tasks and of Secrets, and workspaces send to take the connector down, each in the memory
 * that Flyte's charts give it: it may cost the others nothing. `npm run test:hostile` runs it, one attack at a time.
 */
import { describe, layer } from "@effect/vitest"
import { KubernetesApi } from "@flyte-databricks/emulators"
import { Effect, FileSystem } from "effect"
import * as Box from "./support/Box.ts"
import * as Bundle from "./support/Bundle.ts"
import { recipes } from "./support/recipe.ts"
import { NodeServices } from "@effect/platform-node"

const available = await Effect.runPromise(Effect.provide(Box.isAvailable, NodeServices.layer))
const options = { excludeTestServices: true, timeout: "2 minutes" } as const

const mebibyte = 1024 * 1024
const list = (item: string, bytes: number) => {
  const count = Math.floor(bytes / (item.length + 1))
  return Buffer.concat([Buffer.from("["), Buffer.alloc(count * (item.length + 1), `${item},`), Buffer.from(`${item}]`)])
}
const wrapped = (before: string, inner: Buffer) => Buffer.concat([Buffer.from(before), inner, Buffer.from("}")])
const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`
const x = (bytes: number) => "x".repeat(bytes)

layer(Bundle.layer, options)("it costs the others nothing", (it) => {
  const recipe = recipes(it)
  describe.skipIf(!available)("when a caller sends", () => {
    const small = { cpuMillis: 2000, peakMb: 200 }
    const budget = { cpuMillis: 12_000, peakMb: 280 }
    const large = { cpuMillis: 30_000, peakMb: 280 }
    recipe("a task of a million values", { attack: "oneOfManyValues", budget: small, answered: { 3: 1 } })
    recipe("ten tasks of 100,000 values", { attack: "tenOfManyValues", budget: small, answered: { 3: 10 } })
    recipe("300 tasks of 9,000 values", { attack: "manyOfSomeValues", budget: small, answered: { 3: 300 } })
    recipe("100 tasks of 4 MB at once", { attack: "bigTasks", budget })
    recipe("500 messages without an end", { attack: "unfinished", budget })
    recipe("500 calls without a message", { attack: "silent", budget: small, answered: { 4: 500 } })
    recipe("long headers", { attack: "headers", budget })
    recipe("4,000 connections", { attack: "connections", budget })
    recipe("another audience each time", { attack: "audiences", budget: large, answered: { 3: 200 } })
    recipe("another client id each time", {
      attack: "clientIds",
      argument: ({ url }) => ({ databricks_instance: url, run_id: "1", auth_type: "oidc_federation" }),
      budget
    })
    recipe("large tasks, each as another client", { attack: "refused", budget: large, answered: { 0: 200 } })
    recipe("large tasks whose client ids are refused", {
      attack: "refused",
      answers: { token: { status: 401, body: '{"error":"invalid_client"}' } },
      budget: large
    })
    recipe("10,000 calls that make no sense", { attack: "smallCalls", budget })
    recipe("calls that it takes back at once", { attack: "rapidResets", budget })
    for (const attack of ["pings", "settings", "priorities", "windowUpdates", "continuations"]) {
      recipe(`a flood of ${attack}`, { attack, budget: small })
    }
  })

  describe.skipIf(!available)("when a namespace has a Secret", () => {
    const secret = (name: string, data: Record<string, string>) =>
      recipe(name, {
        attack: "creates",
        argument: () => ({ namespace: "team" }),
        answers: { token: { status: 401, body: '{"error":"invalid_client","error_description":"no"}' } },
        environment: Effect.gen(function* () {
          const directory = yield* FileSystem.FileSystem.use((files) => files.makeTempDirectoryScoped())
          const kubeconfigFile = `${directory}/kubeconfig`
          const secrets = [{ namespace: "team", name: "databricks-oauth", data }]
          yield* KubernetesApi.make({ tls: true, kubeconfigFile, secrets })
          return { KUBECONFIG: kubeconfigFile, FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m" }
        }),
        budget: { cpuMillis: 2000, peakMb: 250 }
      })
    secret("with the beginnings of 5,000 JWTs", { client_id: "sp", client_secret: "eyJ".repeat(5000) })
    secret("with the beginnings of 80,000 JWTs", { client_id: "sp", client_secret: "eyJ".repeat(80_000) })
    secret("with 65,000 keys", {
      ...Object.fromEntries(Array.from({ length: 65_000 }, (_, n) => [`k${n}`, "v"])),
      client_id: "sp",
      client_secret: "secret"
    })
  })

  describe.skipIf(!available)("when a workspace answers with", () => {
    const over = { state: { life_cycle_state: "TERMINATED", result_state: "FAILED" } }
    const get = { body: JSON.stringify(over) }
    const argument = ({ url }: { readonly url: string }) => ({
      databricks_instance: url,
      run_id: "1",
      auth_type: "pat",
      auth_token: "pat-of-somebody"
    })
    const answer = (name: string, answers: Readonly<Record<string, object>>, attack = "polls") =>
      recipe(name, {
        attack,
        argument,
        answers: answers as never,
        budget: { cpuMillis: 20_000, peakMb: 290, slowestMs: 2000 }
      })
    const running = `{"state":{"life_cycle_state":"RUNNING"}`
    const full = 4 * mebibyte - 100
    answer("a million tasks", { get: { body: wrapped(`${running},"tasks":`, list("{}", full)) } })
    answer("a long message", {
      get: { body: `{"state":{"life_cycle_state":"RUNNING","state_message":"${x(full)}"}}` }
    })
    answer("a long name", { get: { body: `${running},"run_name":"${x(full)}"}` } })
    answer("names that every escape is in", {
      get: { body: `${running},"run_name":"${'%5c\\\\u0025&amp;YWFhYWFhYWFh+\\"'.repeat(100_000)}"}` }
    })
    answer("an output of 16 MB of lists", {
      get,
      "get-output": { body: wrapped(`{"error":"x","more":`, list("[]", 16 * mebibyte - 100)) }
    })
    answer("an error of 16 MB", { get, "get-output": { body: `{"error":"${x(16 * mebibyte - 100)}"}` } })
    answer("an error that is lists in lists", { get: { status: 400, body: `{"error":${nested(1_000_000)}}` } })
    answer("an error code that is lists in lists", { get: { status: 400, body: `{"error_code":${nested(5000)}}` } })
    const empty = { get, "get-output": { body: JSON.stringify({ logs: "\n".repeat(5_000_000) }) } }
    answer("logs of five million empty lines", empty, "logs")
    answer("logs that are read far behind their end", empty, "forgedPages")
    answer("logs of 16 MB", { get, "get-output": { body: JSON.stringify({ logs: x(16_000_000) }) } }, "logs")
    answer(
      "logs of 16 MB that every escape is in",
      {
        get,
        "get-output": { body: JSON.stringify({ logs: '%5c\\u0025&amp;YWFhYWFhYWFh+"'.repeat(500_000) }) }
      },
      "logs"
    )
  })
})
