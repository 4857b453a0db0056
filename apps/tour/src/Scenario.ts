/**
 * The tour's tasks, each of another namespace, and what is to become of them.
 */
import { fromBinary } from "@bufbuild/protobuf"
import { Namespaces } from "@flyte-databricks/emulators"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import requests from "../flytekit/requests.json" with { type: "json" }

/** What is to become of a task. */
type Expected =
  | { readonly _tag: "RunsAs"; readonly principal: string; readonly authType: string; readonly origin: string }
  | { readonly _tag: "Refused"; readonly saying: string }

/** A namespace of the showcase, and its task. */
export interface Scenario {
  readonly namespace: string
  readonly story: string
  readonly request: Flyte1.CreateTaskRequest
  readonly expected: Expected
}

const request = (name: keyof typeof requests): Flyte1.CreateTaskRequest =>
  fromBinary(Flyte1.CreateTaskRequestSchema, Buffer.from(requests[name], "base64"))

const runsAs = (who: Namespaces.Principal, authType: string, origin: string): Expected => ({
  _tag: "RunsAs",
  principal: who.name,
  authType,
  origin
})

export const scenarios: ReadonlyArray<Scenario> = [
  {
    namespace: Namespaces.fraud.name,
    story: "has an annotated ServiceAccount: OIDC federation as its own service principal, no secret anywhere",
    request: request("fraud-features"),
    expected: runsAs(Namespaces.fraudPrincipal, "oidc_federation", "ServiceAccount fraud-production/spark")
  },
  {
    namespace: Namespaces.pricing.name,
    story: "has one too, and is somebody else on Databricks",
    request: request("price-curves"),
    expected: runsAs(Namespaces.pricingPrincipal, "oidc_federation", "ServiceAccount pricing-production/spark")
  },
  {
    namespace: Namespaces.reports.name,
    story: "brings nothing: OIDC federation as the connector's own pod",
    request: request("weekly-report"),
    expected: runsAs(Namespaces.connectorPrincipal, "oidc_federation", "connector")
  },
  {
    namespace: Namespaces.search.name,
    story: "has a service principal's secret, and its task asks for OAuth M2M",
    request: request("index-refresh"),
    expected: runsAs(Namespaces.searchPrincipal, "oauth_m2m", "Secret search-production/databricks-oauth")
  },
  {
    namespace: Namespaces.stock.name,
    story: "asks for OAuth M2M, brings no secret, and shares the connector's",
    request: request("stock-levels"),
    expected: runsAs(Namespaces.connectorPrincipal, "oauth_m2m", "connector")
  },
  {
    namespace: Namespaces.billing.name,
    story: "stays on its own personal access token, as its task says",
    request: request("nightly-invoices"),
    expected: runsAs(Namespaces.billingUser, "pat", "its token, in the job metadata")
  },
  {
    namespace: Namespaces.growth.name,
    story: "forgot half of its Secret: an error, not somebody else's identity",
    request: request("campaign-scores"),
    expected: { _tag: "Refused", saying: "lacks key client_secret" }
  }
]
