/**
 * The namespaces of the showcase: one for each way to log in, and two that got it wrong.
 */

/** A service principal or user of the stand-in workspace. */
export interface Principal {
  readonly name: string
  readonly secret: string
}

/** A namespace and what it brings. */
export interface Namespace {
  readonly name: string
  /** What it brings, in a few words. */
  readonly brings: string
  /** Its Secrets, by name. */
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Its labelled ServiceAccounts, by name, each with the service principal that it is annotated with. */
  readonly serviceAccounts: Readonly<Record<string, string>>
}

// Stand-ins have stand-in secrets. They are written so that one that leaked would be easy to see.
export const billingUser: Principal = { name: "billing-jobs@example.com", secret: "dapi-showcase-billing" }
const principal = (team: string, number: number): Principal => ({
  name: `${number}0000000-0000-4000-8000-00000000000${number}`,
  secret: `showcase-secret-${team}`
})
export const connectorPrincipal = principal("connector", 1)
export const fraudPrincipal = principal("fraud", 2)
export const pricingPrincipal = principal("pricing", 3)
export const searchPrincipal = principal("search", 4)
const growthPrincipal = principal("growth", 5)

export const servicePrincipals = [
  connectorPrincipal,
  fraudPrincipal,
  pricingPrincipal,
  searchPrincipal,
  growthPrincipal
] as const

export const fraud: Namespace = {
  name: "fraud-production",
  brings: "An annotated ServiceAccount",
  secrets: {},
  serviceAccounts: { spark: fraudPrincipal.name }
}

export const pricing: Namespace = {
  name: "pricing-production",
  brings: "An annotated ServiceAccount, of another principal",
  secrets: {},
  serviceAccounts: { spark: pricingPrincipal.name }
}

export const reports: Namespace = {
  name: "reports-development",
  brings: "Nothing",
  secrets: {},
  serviceAccounts: {}
}

export const search: Namespace = {
  name: "search-production",
  brings: "A Secret with an OAuth client id and secret",
  secrets: { "databricks-oauth": { client_id: searchPrincipal.name, client_secret: searchPrincipal.secret } },
  serviceAccounts: {}
}

export const stock: Namespace = {
  name: "stock-production",
  brings: "Nothing",
  secrets: {},
  serviceAccounts: {}
}

export const billing: Namespace = {
  name: "billing-production",
  brings: "A Secret with a personal access token",
  secrets: { "databricks-token": { token: billingUser.secret } },
  serviceAccounts: {}
}

export const growth: Namespace = {
  name: "growth-staging",
  brings: "Half of an OAuth Secret: no client secret",
  secrets: { "databricks-oauth": { client_id: growthPrincipal.name } },
  serviceAccounts: {}
}

export const risk: Namespace = {
  name: "risk-staging",
  brings: "Two annotated ServiceAccounts, where one is meant",
  secrets: {},
  serviceAccounts: { batch: fraudPrincipal.name, spark: pricingPrincipal.name }
}

export const namespaces: ReadonlyArray<Namespace> = [fraud, pricing, reports, search, stock, billing, growth, risk]
