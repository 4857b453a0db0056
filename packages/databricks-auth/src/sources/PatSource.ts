/**
 * Where personal access tokens come from, and nothing else: what builds on this source can reach no other credential.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { AuthError } from "../AuthError.ts"
import * as ConnectorSecrets from "./ConnectorSecrets.ts"
import { fitsHeader } from "../internal/bearer.ts"
import { broken } from "../internal/broken.ts"
import type { SecretData } from "../Kubernetes.ts"
import { requireKeys } from "./internal/secretData.ts"
import * as NamespaceSecrets from "./NamespaceSecrets.ts"

/**
 * The narrow source of mode PAT.
 */
export class PatSource extends Context.Service<
  PatSource,
  {
    /**
     * The token of a Secret; none where there is no such Secret. Fails with `CredentialsBroken` where it has none,
     * with `AccessForbidden` and `KubernetesUnavailable`.
     */
    readonly namespaceSecret: (
      namespace: string,
      name: string
    ) => Effect.Effect<Option.Option<Redacted.Redacted<string>>, AuthError>
    /** The connector's own token; none where it has none. */
    readonly connector: Effect.Effect<Option.Option<Redacted.Redacted<string>>, AuthError>
    /** What is said where a namespace has no such Secret. */
    readonly absence: string
    /** Reads a Secret anew the next time. */
    readonly forget: (namespace: string, name: string) => Effect.Effect<void>
    /** Reads the connector's token anew the next time. */
    readonly forgetConnector: Effect.Effect<void>
  }
>()("@flyte-databricks/databricks-auth/sources/PatSource") {}

/**
 * The tokens of Secrets, and of the connector's environment and files.
 */
export const layer: Layer.Layer<
  PatSource,
  never,
  NamespaceSecrets.NamespaceSecrets | ConnectorSecrets.ConnectorSecrets
> = Layer.effect(
  PatSource,
  Effect.gen(function* () {
    const namespaceSecrets = yield* NamespaceSecrets.NamespaceSecrets
    const connectorSecrets = yield* ConnectorSecrets.ConnectorSecrets
    return PatSource.of({
      namespaceSecret: (namespace, name) =>
        Effect.flatMap(namespaceSecrets.read(namespace, name), (data) =>
          Effect.fromResult(Result.transposeMapOption(data, tokenIn(NamespaceSecrets.describeSecret(namespace, name))))
        ),
      connector: Effect.flatMap(connectorSecrets.find("FLYTE_DATABRICKS_ACCESS_TOKEN"), (found) =>
        Effect.fromResult(
          Result.transposeMapOption(found, ({ place, value }) => usable(`The connector's PAT (from ${place})`, value))
        )
      ),
      absence: namespaceSecrets.absence,
      forget: namespaceSecrets.forget,
      forgetConnector: connectorSecrets.forget
    })
  })
)

/** The token in a Secret. */
const tokenIn = (source: string) => (data: SecretData) =>
  Result.flatMap(requireKeys(source, data, ["token"]), ({ token }) => usable(source, token))

const usable = (
  source: string,
  token: Redacted.Redacted<string>
): Result.Result<Redacted.Redacted<string>, AuthError> => {
  const problem = "holds a token with characters, or so many of them, that no header may carry"
  return fitsHeader(Redacted.value(token))
    ? Result.succeed(Redacted.make(Redacted.value(token), { label: "PAT" }))
    : Result.fail(broken(source, problem, "Put the token alone there, on one line."))
}

/**
 * PATs in memory: those of namespaces by `namespace/name`, and the connector's.
 */
export const layerMemory = (tokens: {
  readonly namespaces?: Readonly<Record<string, Redacted.Redacted<string>>>
  readonly connector?: Redacted.Redacted<string>
}): Layer.Layer<PatSource> =>
  layer.pipe(
    Layer.provide([
      NamespaceSecrets.layerMemory(Record.map(tokens.namespaces ?? {}, (token) => ({ token: Redacted.value(token) }))),
      ConnectorSecrets.layerMemory({
        FLYTE_DATABRICKS_ACCESS_TOKEN: tokens.connector && Redacted.value(tokens.connector)
      })
    ])
  )
