import {
  type AuthRequest,
  type ConnectorSettings,
  type Credential,
  DatabricksAuth,
  type IdentityRecord,
  type Kubernetes,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import { IdToken } from "@flyte-databricks/databricks-auth/testing"
import { Effect } from "effect"
import { instance } from "./environment.ts"

/** A JWT as Kubernetes projects it into the connector's pod. */
const projectedJwt = IdToken.make()

/** What surrounds a connector: its variables and secrets, a cluster, and the file that its JWT is in. */
export interface Surroundings {
  readonly settings?: ConnectorSettings.Options
  readonly secrets?: Record<string, string>
  readonly cluster?: Record<string, Record<string, string>>
  readonly serviceAccounts?: Record<string, Kubernetes.MemoryServiceAccount>
  readonly jwtFile?: string
}

/** A connector that serves every mode, or these; the token endpoint's n-th token is `t<n>`, and lasts an hour. */
export const connector = (
  { settings = {}, secrets = {}, cluster = {}, serviceAccounts = {}, jwtFile }: Surroundings,
  boundary?: Parameters<typeof DatabricksAuth.layerMemory>[1]
) =>
  DatabricksAuth.layerMemory(
    {
      settings: { instance, ...settings },
      connector: secrets,
      secrets: cluster,
      serviceAccounts,
      ...(jwtFile === undefined ? {} : { files: { [jwtFile]: projectedJwt } })
    },
    boundary
  )

/** What was asked of the token endpoint, by client id. */
export const asked = Effect.map(
  TokenEndpoint.TokenEndpointMemory.use(({ requests }) => requests),
  (requests) => requests.map(({ clientId }) => clientId)
)

export const auth = DatabricksAuth.DatabricksAuth

export const resolve = (task: AuthRequest.TaskContext) => auth.use((boundary) => boundary.resolve(task))

export const header = (credential: Credential.Credential) => auth.use(({ getHeader }) => getHeader(credential))

/** What a submit leaves in the job's metadata. */
export const submit = (task: AuthRequest.TaskContext) =>
  auth.use((boundary) => Effect.map(boundary.resolve(task), boundary.record))

/** What a poll or a cancel does: only the job's metadata is left of the submit. */
export const poll = (recorded: IdentityRecord.IdentityRecord) =>
  auth.use((boundary) => Effect.flatMap(boundary.recall(recorded), (credential) => boundary.getHeader(credential)))

/** Runs on a connector that starts here and ends here. */
export const on =
  (surroundings: Surroundings) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provide(effect, connector(surroundings), { local: true })

/** A task of the namespace that most tests are about, and what an OAuth Secret of that namespace holds. */
export const teamA = { namespace: "team-a" }
export const oauth = { client_id: "app-a", client_secret: "s1" }

/** The connector's own client credentials. */
export const pair = { FLYTE_DATABRICKS_CLIENT_ID: "app-0", FLYTE_DATABRICKS_CLIENT_SECRET: "s0" }
