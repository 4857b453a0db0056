/**
 * What a diagnosis looks with: authentication, the way to Databricks and the cluster, built as `serve` builds them and of
 * the same environment.
 */
import { type AuthSummary, DatabricksAuth, type Kubernetes } from "@flyte-databricks/databricks-auth"
import { KubernetesClient, type KubernetesConfigError } from "@flyte-databricks/kubernetes"
import type { AuthError } from "@flyte-databricks/databricks-auth"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Path from "effect/Path"
import * as HttpClient from "effect/http/HttpClient"
import * as DatabricksHttp from "@flyte-databricks/databricks-http/DatabricksHttp"
import { Finding, toEntry } from "@flyte-databricks/diagnosis/Check"
import * as Catalogue from "@flyte-databricks/diagnosis/Catalogue"
import * as Chain from "@flyte-databricks/diagnosis/Chain"
import type * as Report from "@flyte-databricks/diagnosis/Report"
import * as SettingsCheck from "./checks/settings.ts"

export type Environment =
  | DatabricksAuth.DatabricksAuth
  | AuthSummary.AuthSummary
  | Kubernetes.Kubernetes
  | HttpClient.HttpClient
  | Chain.Chains

type Failure =
  | AuthError.AuthError
  | KubernetesConfigError.KubernetesConfigError
  | DatabricksHttp.NetworkSettingInvalid
  | Config.ConfigError

// A span of an HTTP call holds whatever its client's own error says. What there is to say is in the report, so that
// nothing is logged.
const quiet = Layer.merge(
  Layer.succeed(HttpClient.TracerDisabledWhen, () => true),
  Logger.layer([])
)

export const layer: Layer.Layer<Environment, Failure, FileSystem.FileSystem | Path.Path> =
  DatabricksAuth.layerConfig.pipe(
    Layer.provideMerge([KubernetesClient.layerConfig, DatabricksHttp.layer, Chain.layer]),
    Layer.provideMerge(quiet)
  )

/** Why `serve` would not start; and what looks like a setting, since a name may be all that is wrong. */
export const unstarted = (failure: Failure): Effect.Effect<ReadonlyArray<Report.Entry>> =>
  Effect.map(SettingsCheck.unknown, (unknown) =>
    [toFinding(failure), ...unknown].map((finding) => toEntry("settings", finding))
  )

const toFinding = (failure: Failure): Finding => {
  const code =
    failure._tag === "AuthError"
      ? Catalogue.codeOf(failure)
      : failure._tag === "KubernetesConfigError"
        ? "FDC104"
        : "FDC001"
  return new Finding({ code, detail: failure.message })
}
