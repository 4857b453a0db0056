/**
 * Who runs tasks: a team for each way of logging in to Databricks, with credentials of its own or the connector's.
 */
import { Kubernetes } from "@flyte-databricks/databricks-auth"
import { ByteSize, Effect, FileSystem, Layer, Path } from "effect"
import { Base64Url } from "effect/encoding"

/** Where a team's tasks come from, what they say about authentication, and who their runs belong to. */
export interface Team {
  readonly project: string
  readonly domain: string
  readonly custom: Readonly<Record<string, string>>
  readonly principal: string
  /** By default Flyte 1's: of the project and the domain. */
  readonly namespace?: string
  /** What Flyte 2 sends along. */
  readonly secrets?: Readonly<Record<string, string>>
}

const [ann, shared] = [
  { user: "ann@example.com", pat: "pat-of-ann" },
  { user: "shared@example.com", pat: "pat-of-the-connector" }
]
const [teamPrincipal, connectorPrincipal] = [
  { id: "sp-of-team-oauth", secret: "secret-of-team-oauth" },
  { id: "sp-of-connector", secret: "secret-of-connector" }
]
const federated = "sp-of-team-oidc"

export const teams: ReadonlyArray<Team> = [
  { project: "team", domain: "pat", custom: { databricksAuthType: "pat" }, principal: ann.user },
  { project: "team", domain: "oauth", custom: { databricksAuthType: "oauth_m2m" }, principal: teamPrincipal.id },
  { project: "team", domain: "oidc", custom: {}, principal: federated },
  { project: "team", domain: "plain", custom: { databricksAuthType: "pat" }, principal: shared.user },
  { project: "team", domain: "plain", custom: { databricksAuthType: "oauth_m2m" }, principal: connectorPrincipal.id },
  { project: "team", domain: "plain", custom: {}, principal: connectorPrincipal.id }
]

/** The one of scenarios that Flyte's own connector plays too. Flyte 2 sends the token, Flyte 1 leaves it to the connector. */
export const scenarioTeam: Team = {
  project: "team",
  domain: "plain",
  custom: { databricksAuthType: "pat" },
  principal: shared.user,
  secrets: { databricks_token: shared.pat }
}

const connectorSubject = "system:serviceaccount:flyte:connector"
const tokenFile = "/var/run/secrets/databricks/token"

/** Who logs in with what. */
export const principals = {
  users: [ann, shared].map(({ user, pat }) => ({ userName: user, pats: [pat] })),
  servicePrincipals: [teamPrincipal, connectorPrincipal, { id: federated, secret: undefined }].map(
    ({ id, secret }) => ({ applicationId: id, secrets: secret === undefined ? [] : [secret] })
  ),
  /** The principal that a ServiceAccount's token stands for. */
  bySubject: new Map([
    ["system:serviceaccount:team-oidc:spark", federated],
    [connectorSubject, connectorPrincipal.id]
  ])
}

/** What the operator set. */
export const environment = {
  FLYTE_DATABRICKS_ACCESS_TOKEN: shared.pat,
  FLYTE_DATABRICKS_CLIENT_ID: connectorPrincipal.id,
  FLYTE_DATABRICKS_CLIENT_SECRET: connectorPrincipal.secret,
  // Flyte 2 names one namespace for all projects; Flyte 1's are named by default as this says.
  FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}"
}

/** The teams' namespaces. */
export const cluster = Kubernetes.layerMemory(
  {
    "team-pat/databricks-token": { token: ann.pat },
    "team-oauth/databricks-oauth": { client_id: teamPrincipal.id, client_secret: teamPrincipal.secret }
  },
  {
    "team-oidc/spark": {
      labels: { "flyte.org/databricks-enabled": "true" },
      annotations: { "flyte.org/databricks-client-id": federated }
    },
    // It brings nothing, and exists.
    "team-plain/default": {}
  }
)

const jwt = [
  { alg: "RS256" },
  { iss: "https://kubernetes.memory", sub: connectorSubject, aud: ["databricks"], exp: 2e9 }
]
  .map((part) => Base64Url.encode(JSON.stringify(part)))
  .concat("unsigned")
  .join(".")

const noFiles = FileSystem.makeNoop({})

/** The connector's disk: its JWT and nothing else. */
export const files = Layer.merge(
  FileSystem.layerNoop({
    stat: (path) =>
      path === tokenFile
        ? Effect.succeed({ type: "File", size: ByteSize.bytes(jwt.length) } as FileSystem.File.Info)
        : noFiles.stat(path),
    readFileString: (path) => (path === tokenFile ? Effect.succeed(jwt) : noFiles.readFileString(path))
  }),
  Path.layer
)
