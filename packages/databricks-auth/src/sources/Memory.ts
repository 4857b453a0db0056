/**
 * What surrounds a boundary in memory.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { AuthError } from "../AuthError.ts"
import * as TokenEndpoint from "../endpoint/TokenEndpoint.ts"
import type * as Jwt from "../Jwt.ts"
import * as Kubernetes from "../Kubernetes.ts"
import * as ConnectorSettings from "../request/ConnectorSettings.ts"
import * as ClientCredentialsSource from "./ClientCredentialsSource.ts"
import * as ConnectorSecrets from "./ConnectorSecrets.ts"
import * as NamespaceSecrets from "./NamespaceSecrets.ts"
import * as PatSource from "./PatSource.ts"
import * as ProjectedToken from "./ProjectedToken.ts"
import * as ServiceAccountTokens from "./ServiceAccountTokens.ts"

/** What the modes of this package are built on. */
export type Sources =
  | PatSource.PatSource
  | ClientCredentialsSource.ClientCredentialsSource
  | ProjectedToken.ProjectedToken
  | ServiceAccountTokens.ServiceAccountTokens
  | TokenEndpoint.TokenEndpoint
  | ConnectorSettings.ConnectorSettings

/**
 * What surrounds a boundary in memory. Secrets and ServiceAccounts are by `namespace/name`, JWT files by their path.
 */
export interface Memory {
  /** The operator's settings, as values. */
  readonly settings?: ConnectorSettings.Options
  /** The connector's own, by the variables that would hold them. */
  readonly connector?: Readonly<Record<string, string>>
  /** Secrets by `namespace/name`, their values as they are (not in base64). */
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** ServiceAccounts by `namespace/name`. */
  readonly serviceAccounts?: Readonly<Record<string, Kubernetes.MemoryServiceAccount>>
  /** JWT files by their absolute path. */
  readonly files?: Readonly<Record<string, Jwt.Jwt>>
  /** What the token endpoint gives; by default its n-th token is `t<n>` and lasts an hour. */
  readonly respond?: Parameters<typeof TokenEndpoint.layerMemory>[0]
}

/** What is inside of a boundary in memory. */
export type Inside =
  | ConnectorSettings.ConnectorSettings
  | Kubernetes.KubernetesMemory
  | TokenEndpoint.TokenEndpointMemory

/** A boundary on all of it. What it is built on beside, it goes on asking for. */
export const around = <A, R>(
  boundary: Layer.Layer<A, AuthError, R>,
  memory: Memory
): Layer.Layer<A | Inside, AuthError, Exclude<R, Sources | Kubernetes.Kubernetes>> =>
  boundary.pipe(
    Layer.provide([
      PatSource.layer,
      ClientCredentialsSource.layer,
      ServiceAccountTokens.layer,
      ProjectedToken.layerFiles(memory.files ?? {})
    ]),
    Layer.provide([NamespaceSecrets.layer, ConnectorSecrets.layerMemory(memory.connector ?? {})]),
    Layer.provideMerge([
      Kubernetes.layerMemory(memory.secrets, memory.serviceAccounts),
      TokenEndpoint.layerMemory(memory.respond ?? numbered),
      ConnectorSettings.layer(memory.settings)
    ])
  ) as Layer.Layer<A | Inside, AuthError, Exclude<R, Sources | Kubernetes.Kubernetes>>

const numbered = (request: TokenEndpoint.TokenRequest, count: number) =>
  Effect.succeed({
    value: Redacted.make(`t${count}`),
    lifetime: Duration.hours(1),
    builtFrom: TokenEndpoint.secretOf(request)
  })
