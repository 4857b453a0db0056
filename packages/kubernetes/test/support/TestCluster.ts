/**
 * The cluster behind a `Kubernetes` service under test, as a test arranges it.
 */
import { Context, type Effect } from "effect"

/**
 * What the contract needs to arrange. Namespaces come into being with their first Secret.
 */
export class TestCluster extends Context.Service<
  TestCluster,
  {
    readonly setSecret: (namespace: string, name: string, data: Record<string, string>) => Effect.Effect<void>
    readonly deleteSecret: (namespace: string, name: string) => Effect.Effect<void>
    /** Takes from the service under test the right to read this Secret. */
    readonly forbidSecret: (namespace: string, name: string) => Effect.Effect<void>
    readonly setServiceAccount: (
      namespace: string,
      name: string,
      options: { readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> }
    ) => Effect.Effect<void>
    readonly deleteServiceAccount: (namespace: string, name: string) => Effect.Effect<void>
    /** Takes the right to list the namespace's ServiceAccounts. */
    readonly forbidServiceAccounts: (namespace: string) => Effect.Effect<void>
    /** Takes the right to make tokens of the namespace's ServiceAccounts. */
    readonly forbidTokens: (namespace: string) => Effect.Effect<void>
  }
>()("@flyte-databricks/kubernetes/test/TestCluster") {}
