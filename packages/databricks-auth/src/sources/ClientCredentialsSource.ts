/**
 * Where client credentials come from, and nothing else. A pair is taken whole from one source: a client id of one is
 * never joined with a secret of another.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import type { AuthError } from "../AuthError.ts"
import * as ConnectorSecrets from "./ConnectorSecrets.ts"
import { applicationId } from "../internal/applicationId.ts"
import { broken } from "../internal/broken.ts"
import { requireKeys } from "./internal/secretData.ts"
import * as NamespaceSecrets from "./NamespaceSecrets.ts"

/**
 * A service principal's client id and secret.
 */
export interface ClientCredentials {
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted<string>
}

/**
 * The narrow source of mode OAuth M2M.
 */
export class ClientCredentialsSource extends Context.Service<
  ClientCredentialsSource,
  {
    readonly namespaceSecret: (
      namespace: string,
      name: string
    ) => Effect.Effect<Option.Option<ClientCredentials>, AuthError>
    /** The connector's pair. A client id that the task names without a pair to go with it is half of one. */
    readonly connector: (
      taskClientId: Option.Option<string>
    ) => Effect.Effect<Option.Option<ClientCredentials>, AuthError>
    /** The connector's client id, whether or not there is a secret to go with it. */
    readonly connectorClientId: Effect.Effect<Option.Option<string>, AuthError>
    readonly absence: string
    readonly forget: (namespace: string, name: string) => Effect.Effect<void>
    readonly forgetConnector: Effect.Effect<void>
  }
>()("@flyte-databricks/databricks-auth/sources/ClientCredentialsSource") {}

// The families are one source with two spellings. First hit wins for each half, as for every setting.
const families = ["FLYTE_DATABRICKS", "DATABRICKS"] as const

export const layer: Layer.Layer<
  ClientCredentialsSource,
  never,
  NamespaceSecrets.NamespaceSecrets | ConnectorSecrets.ConnectorSecrets
> = Layer.effect(
  ClientCredentialsSource,
  Effect.gen(function* () {
    const namespaceSecrets = yield* NamespaceSecrets.NamespaceSecrets
    const connectorSecrets = yield* ConnectorSecrets.ConnectorSecrets

    const namespaceSecret = Effect.fnUntraced(function* (namespace: string, name: string) {
      const data = yield* namespaceSecrets.read(namespace, name)
      if (Option.isNone(data)) return Option.none()
      const pair = yield* requireKeys(NamespaceSecrets.describeSecret(namespace, name), data.value, [
        "client_id",
        "client_secret"
      ])
      const clientId = yield* applicationId(
        NamespaceSecrets.describeSecret(namespace, name),
        "has what looks like a secret under key client_id",
        Redacted.value(pair.client_id)
      )
      return Option.some({ clientId, clientSecret: pair.client_secret })
    })

    const half = (suffix: "CLIENT_ID" | "CLIENT_SECRET") =>
      Effect.forEach(families, (family) =>
        Effect.map(
          connectorSecrets.find(`${family}_${suffix}`),
          Option.map((found) => ({ ...found, family }))
        )
      )

    const connector = Effect.fnUntraced(function* (taskClientId: Option.Option<string>) {
      const ids = yield* half("CLIENT_ID")
      const secrets = yield* half("CLIENT_SECRET")
      const id = Option.firstSomeOf(ids)
      const secret = Option.firstSomeOf(secrets)
      if (Option.isNone(secret)) {
        const alone = Option.orElse(
          Option.map(id, ({ place }) => `The connector's client id (from ${place})`),
          () => Option.map(taskClientId, (named) => `The client id ${named} of the task`)
        )
        if (Option.isNone(alone)) return Option.none()
        return yield* halfPair(alone.value, "has neither a client secret nor a JWT file to go with it")
      }
      if (Option.isNone(id)) {
        return yield* halfPair(
          `The connector's client secret (from ${secret.value.place})`,
          "has no client id to go with it"
        )
      }
      const rival = [
        ...ids.filter((other) => differs(other, id.value, secret.value.family)),
        ...secrets.filter((other) => differs(other, secret.value, id.value.family))
      ].flatMap(Option.toArray)[0]
      if (rival !== undefined) {
        return yield* halfPair(
          `The connector's client id (from ${id.value.place})`,
          `is not known to go with the secret from ${secret.value.place}: ${rival.place} belongs to one of the two, and is another`
        )
      }
      const clientId = yield* applicationId(
        `The connector's client id (from ${id.value.place})`,
        "looks like a secret",
        Redacted.value(id.value.value)
      )
      if (Option.isSome(taskClientId) && taskClientId.value !== clientId) {
        return yield* halfPair(
          `The client id ${taskClientId.value} of the task`,
          `has no secret to go with it: the connector's belongs to client id ${clientId}`
        )
      }
      return Option.some({ clientId, clientSecret: secret.value.value })
    })

    return ClientCredentialsSource.of({
      namespaceSecret,
      connector,
      connectorClientId: Effect.map(half("CLIENT_ID"), (ids) =>
        Option.map(Option.firstSomeOf(ids), ({ value }) => Redacted.value(value))
      ),
      absence: namespaceSecrets.absence,
      forget: namespaceSecrets.forget,
      forgetConnector: connectorSecrets.forget
    })
  })
)

interface Half extends ConnectorSecrets.ConnectorSecret {
  readonly family: (typeof families)[number]
}

// The half of this family is there, and is not the one that was taken.
const differs = (other: Option.Option<Half>, taken: Half, family: Half["family"]): boolean =>
  Option.isSome(other) && other.value.family === family && !Equal.equals(other.value.value, taken.value)

const halfPair = (source: string, problem: string): AuthError =>
  broken(
    source,
    problem,
    "Set both FLYTE_DATABRICKS_CLIENT_ID and FLYTE_DATABRICKS_CLIENT_SECRET on the connector, or neither."
  )

/**
 * Pairs in memory: those of namespaces by `namespace/name`, and the connector's.
 */
export const layerMemory = (pairs: {
  readonly namespaces?: Readonly<Record<string, ClientCredentials>>
  readonly connector?: ClientCredentials
}): Layer.Layer<ClientCredentialsSource> =>
  layer.pipe(
    Layer.provide([
      NamespaceSecrets.layerMemory(
        Record.map(pairs.namespaces ?? {}, ({ clientId, clientSecret }) => ({
          client_id: Redacted.make(clientId),
          client_secret: clientSecret
        }))
      ),
      ConnectorSecrets.layerMemory(
        pairs.connector === undefined
          ? {}
          : {
              FLYTE_DATABRICKS_CLIENT_ID: pairs.connector.clientId,
              FLYTE_DATABRICKS_CLIENT_SECRET: Redacted.value(pairs.connector.clientSecret)
            }
      )
    ])
  )
