/**
 * The tour's namespaces: what each brings, and what is to become of its task.
 */
import { fromBinary } from "@bufbuild/protobuf"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import requests from "../flytekit/requests.json" with { type: "json" }

/** A service principal or user of the stand-in workspace. */
interface Principal {
  readonly name: string
  readonly secret: string
}

// Stand-ins have stand-in secrets. They are written so that one that leaked would be easy to see.
export const billingUser: Principal = { name: "billing-jobs@example.com", secret: "dapi-tour-billing" }
const principal = (team: string, number: number): Principal => ({
  name: `${number}0000000-0000-4000-8000-00000000000${number}`,
  secret: `tour-secret-${team}`
})
export const connectorPrincipal = principal("connector", 1)
const fraudPrincipal = principal("fraud", 2)
const pricingPrincipal = principal("pricing", 3)
const searchPrincipal = principal("search", 4)
const growthPrincipal = principal("growth", 5)

export const servicePrincipals = [
  connectorPrincipal,
  fraudPrincipal,
  pricingPrincipal,
  searchPrincipal,
  growthPrincipal
] as const

/** What is to become of a task. */
type Expected =
  | { readonly _tag: "RunsAs"; readonly principal: string; readonly authType: string; readonly origin: string }
  | { readonly _tag: "Refused"; readonly saying: string }

/** A namespace, what it brings, and its task. */
export interface Scenario {
  readonly namespace: string
  readonly story: string
  /** The namespace's Secrets, by name. */
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** The service principal that the namespace's ServiceAccount `spark` is annotated with. */
  readonly serviceAccountOf: string | undefined
  readonly request: Flyte1.CreateTaskRequest
  readonly expected: Expected
}

const request = (name: keyof typeof requests): Flyte1.CreateTaskRequest =>
  fromBinary(Flyte1.CreateTaskRequestSchema, Buffer.from(requests[name], "base64"))

const runsAs = (who: Principal, authType: string, origin: string): Expected => ({
  _tag: "RunsAs",
  principal: who.name,
  authType,
  origin
})

export const scenarios: ReadonlyArray<Scenario> = [
  {
    namespace: "fraud-production",
    story: "has an annotated ServiceAccount: OIDC federation as its own service principal, no secret anywhere",
    secrets: {},
    serviceAccountOf: fraudPrincipal.name,
    request: request("fraud-features"),
    expected: runsAs(fraudPrincipal, "oidc_federation", "ServiceAccount fraud-production/spark")
  },
  {
    namespace: "pricing-production",
    story: "has one too, and is somebody else on Databricks",
    secrets: {},
    serviceAccountOf: pricingPrincipal.name,
    request: request("price-curves"),
    expected: runsAs(pricingPrincipal, "oidc_federation", "ServiceAccount pricing-production/spark")
  },
  {
    namespace: "reports-development",
    story: "brings nothing: OIDC federation as the connector's own pod",
    secrets: {},
    serviceAccountOf: undefined,
    request: request("weekly-report"),
    expected: runsAs(connectorPrincipal, "oidc_federation", "connector")
  },
  {
    namespace: "search-production",
    story: "has a service principal's secret, and its task asks for OAuth M2M",
    secrets: { "databricks-oauth": { client_id: searchPrincipal.name, client_secret: searchPrincipal.secret } },
    serviceAccountOf: undefined,
    request: request("index-refresh"),
    expected: runsAs(searchPrincipal, "oauth_m2m", "Secret search-production/databricks-oauth")
  },
  {
    namespace: "stock-production",
    story: "asks for OAuth M2M, brings no secret, and shares the connector's",
    secrets: {},
    serviceAccountOf: undefined,
    request: request("stock-levels"),
    expected: runsAs(connectorPrincipal, "oauth_m2m", "connector")
  },
  {
    namespace: "billing-production",
    story: "stays on its own personal access token, as its task says",
    secrets: { "databricks-token": { token: billingUser.secret } },
    serviceAccountOf: undefined,
    request: request("nightly-invoices"),
    expected: runsAs(billingUser, "pat", "Secret billing-production/databricks-token")
  },
  {
    namespace: "growth-staging",
    story: "forgot half of its Secret: an error, not somebody else's identity",
    secrets: { "databricks-oauth": { client_id: growthPrincipal.name } },
    serviceAccountOf: undefined,
    request: request("campaign-scores"),
    expected: { _tag: "Refused", saying: "lacks key client_secret" }
  }
]
