/**
 * Where personal access tokens come from, and nothing else: what builds on this source can reach no other credential.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import type { AuthError } from "../AuthError.ts"
import * as ConnectorSecrets from "./ConnectorSecrets.ts"
import { fitsHeader } from "../internal/bearer.ts"
import { broken } from "../internal/broken.ts"
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
      namespaceSecret: Effect.fnUntraced(function* (namespace, name) {
        const data = yield* namespaceSecrets.read(namespace, name)
        if (Option.isNone(data)) return Option.none()
        const { token } = yield* requireKeys(NamespaceSecrets.describeSecret(namespace, name), data.value, ["token"])
        return Option.some(yield* usable(NamespaceSecrets.describeSecret(namespace, name), token))
      }),
      connector: Effect.gen(function* () {
        const found = yield* connectorSecrets.find("FLYTE_DATABRICKS_ACCESS_TOKEN")
        if (Option.isNone(found)) return Option.none()
        return Option.some(yield* usable(`The connector's PAT (from ${found.value.place})`, found.value.value))
      }),
      absence: namespaceSecrets.absence,
      forget: namespaceSecrets.forget,
      forgetConnector: connectorSecrets.forget
    })
  })
)

const usable = (
  source: string,
  token: Redacted.Redacted<string>
): Effect.Effect<Redacted.Redacted<string>, AuthError> => {
  const problem = "holds a token with characters, or so many of them, that no header may carry"
  return fitsHeader(Redacted.value(token))
    ? Effect.succeed(Redacted.make(Redacted.value(token), { label: "PAT" }))
    : Effect.fail(broken(source, problem, "Put the token alone there, on one line."))
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
