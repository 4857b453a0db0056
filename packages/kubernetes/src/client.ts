/**
 * Logging in by what a namespace of Kubernetes has, for `@flyte-databricks/databricks-auth/client`: a Secret with a token
 * or with client credentials, or a ServiceAccount that Databricks trusts by a federation policy. No type of Effect is in
 * its face.
 *
 * ```ts
 * await using workspace = databricks({ host, auth: kubernetes({ namespace: "team-a" }) })
 * ```
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { layer as layerBoundary } from "@flyte-databricks/databricks-auth/DatabricksAuth"
import type { Auth } from "@flyte-databricks/databricks-auth/client"
import { DatabricksError } from "@flyte-databricks/databricks-auth/client"
import * as Setup from "@flyte-databricks/databricks-auth/client/Setup"
import * as TokenEndpoint from "@flyte-databricks/databricks-auth/endpoint/TokenEndpoint"
import * as ClientCredentialsSource from "@flyte-databricks/databricks-auth/sources/ClientCredentialsSource"
import * as ConnectorSecrets from "@flyte-databricks/databricks-auth/sources/ConnectorSecrets"
import * as NamespaceSecrets from "@flyte-databricks/databricks-auth/sources/NamespaceSecrets"
import * as PatSource from "@flyte-databricks/databricks-auth/sources/PatSource"
import * as ProjectedToken from "@flyte-databricks/databricks-auth/sources/ProjectedToken"
import * as ServiceAccountTokens from "@flyte-databricks/databricks-auth/sources/ServiceAccountTokens"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { Kubeconfig, locate } from "./ClusterConfig.ts"
import * as KubernetesClient from "./KubernetesClient.ts"

/** What `kubernetes` is given. */
export interface KubernetesOptions {
  /** The namespace whose Secrets and ServiceAccounts are looked at. */
  readonly namespace: string
  /**
   * The path of a kubeconfig. By default the cluster is that of `KUBECONFIG`, then the pod's own, then that of
   * `~/.kube/config`.
   */
  readonly kubeconfig?: string
  /** Looks for this kind alone; by default for the strongest that is there. */
  readonly authType?: "pat" | "oauth_m2m" | "oidc_federation"
}

const files = Layer.merge(NodeFileSystem.layer, Path.layer)

/** As what this namespace has a credential of. The cluster is asked only when a token is needed. */
export const kubernetes = ({ authType, kubeconfig, namespace }: KubernetesOptions): Auth =>
  Setup.auth("kubernetes", {
    make: (host) =>
      Effect.gen(function* () {
        const cluster =
          kubeconfig === undefined
            ? yield* Effect.provide(locate, files)
            : Option.some(Kubeconfig({ files: [kubeconfig], namedBy: "kubernetes()" }))
        if (Option.isNone(cluster)) {
          return yield* Effect.fail(
            new DatabricksError(
              "configuration_invalid",
              "No Kubernetes is configured: give kubernetes() a kubeconfig, set KUBECONFIG, or run in a pod with a ServiceAccount."
            )
          )
        }
        return {
          layer: layerBoundary.pipe(
            Layer.provide([
              PatSource.layer,
              ClientCredentialsSource.layer,
              ServiceAccountTokens.layer,
              TokenEndpoint.layer,
              ProjectedToken.layerMemory({})
            ]),
            Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory()]),
            Layer.provide([
              KubernetesClient.layer(cluster.value).pipe(Layer.provide(files)),
              Setup.settings(host, { authType, namespaceIdentity: "require" })
            ])
          ),
          context: { namespace }
        }
      })
  })
