/** A workspace for each test, and its Jobs API as one of its users calls it. */
import { Effect } from "effect"
import { DatabricksWorkspace } from "../../src/index.ts"
import { bearer, get, post } from "./http.ts"

export type Workspace = DatabricksWorkspace.DatabricksWorkspace["Service"]

/** Users whose personal access token is `dapi-<name>`. */
const users = [
  { userName: "ann", pats: ["dapi-ann"] },
  { userName: "bob", pats: ["dapi-bob"] },
  { userName: "admin", pats: ["dapi-admin"], admin: true }
]

export const withWorkspace = <A, E>(
  options: DatabricksWorkspace.Options,
  test: (workspace: Workspace) => Effect.Effect<A, E>
) =>
  Effect.flatMap(DatabricksWorkspace.DatabricksWorkspace, test).pipe(
    Effect.provide(DatabricksWorkspace.layer({ users, ...options }))
  )

/** The least that can be submitted. */
export const notebook = { existing_cluster_id: "0801-1", notebook_task: { notebook_path: "/x" } }

/** The digits of the first integer of that name, which a double would lose. */
export const digits = (text: string, name: string) => new RegExp(`"${name}":(\\d+)`).exec(text)?.[1] ?? ""

export const jobs = ({ url }: Workspace, user = "ann", version = "2.1") => {
  const api = `${url}/api/${version}/jobs/runs`
  const auth = bearer(`dapi-${user}`)
  return {
    submit: (body: object) => post(`${api}/submit`, body, auth),
    submitted: (body: object) => Effect.map(post(`${api}/submit`, body, auth), ({ text }) => digits(text, "run_id")),
    get: (runId: string) => get(`${api}/get?run_id=${runId}`, auth),
    cancel: (runId: string) => post(`${api}/cancel`, `{"run_id": ${runId}}`, auth),
    output: (runId: string) => get(`${api}/get-output?run_id=${runId}`, auth)
  }
}
