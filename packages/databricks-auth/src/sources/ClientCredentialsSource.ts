/**
 * Where client credentials come from, and nothing else. A pair is taken whole from one source: a client id of one is
 * never joined with a secret of another.
 */
import * as Arr from "effect/Array"
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
 * A service principal's own credentials (RFC 6749 §4.4).
 */
export interface ClientCredentials {
  /** The application id of the service principal. */
  readonly clientId: string
  /** Its OAuth secret. */
  readonly clientSecret: Redacted.Redacted<string>
}

/**
 * The narrow source of mode OAuth M2M.
 */
export class ClientCredentialsSource extends Context.Service<
  ClientCredentialsSource,
  {
    /**
     * The pair in a Secret; none where there is no such Secret. Fails with `CredentialsBroken` where it is not whole,
     * with `AccessForbidden` and `KubernetesUnavailable`.
     */
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
    /** What is said where a namespace has no such Secret. */
    readonly absence: string
    /** Reads a Secret anew the next time. */
    readonly forget: (namespace: string, name: string) => Effect.Effect<void>
    /** Reads the connector's pair anew the next time. */
    readonly forgetConnector: Effect.Effect<void>
  }
>()("@flyte-databricks/databricks-auth/sources/ClientCredentialsSource") {}

// The families are one source with two spellings. First hit wins for each half, as for every setting.
const families = ["FLYTE_DATABRICKS", "DATABRICKS"] as const

/**
 * The pairs of Secrets, and of the connector's environment and files.
 */
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
      const source = NamespaceSecrets.describeSecret(namespace, name)
      const pair = yield* requireKeys(source, data.value, ["client_id", "client_secret"])
      const problem = "has what looks like a secret under key client_id"
      const clientId = yield* applicationId(source, problem, Redacted.value(pair.client_id))
      return Option.some({ clientId, clientSecret: pair.client_secret })
    })

    const halves = (suffix: "CLIENT_ID" | "CLIENT_SECRET"): Effect.Effect<ReadonlyArray<Half>, AuthError> =>
      Effect.map(
        Effect.forEach(families, (family) =>
          Effect.map(
            connectorSecrets.find(`${family}_${suffix}`),
            Option.map((found) => ({ ...found, family }))
          )
        ),
        Arr.getSomes
      )

    const connector = Effect.fnUntraced(function* (taskClientId: Option.Option<string>) {
      const ids = yield* halves("CLIENT_ID")
      const secrets = yield* halves("CLIENT_SECRET")
      const [id] = ids
      const [secret] = secrets
      const ofTask = Option.map(taskClientId, (named) => `The client id ${named} of the task`)
      if (secret === undefined) {
        const alone = id === undefined ? ofTask : Option.some(described(id))
        if (Option.isNone(alone)) return Option.none()
        return yield* halfPair(alone.value, "has neither a client secret nor a JWT file to go with it")
      }
      if (id === undefined) {
        return yield* halfPair(`The connector's client secret (from ${secret.place})`, "has no client id to go with it")
      }
      const rival = ids.find(isRival(id, secret)) ?? secrets.find(isRival(secret, id))
      if (rival !== undefined) {
        return yield* halfPair(
          described(id),
          `is not known to go with the secret from ${secret.place}: ${rival.place} belongs to one of the two, and is another`
        )
      }
      const clientId = yield* applicationId(described(id), "looks like a secret", Redacted.value(id.value))
      if (Option.isSome(ofTask) && !Option.contains(taskClientId, clientId)) {
        return yield* halfPair(
          ofTask.value,
          `has no secret to go with it: the connector's belongs to client id ${clientId}`
        )
      }
      return Option.some({ clientId, clientSecret: secret.value })
    })

    return ClientCredentialsSource.of({
      namespaceSecret,
      connector,
      connectorClientId: Effect.map(halves("CLIENT_ID"), (ids) =>
        Option.map(Arr.head(ids), ({ value }) => Redacted.value(value))
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

const described = ({ place }: Half): string => `The connector's client id (from ${place})`

/** Whether a half is of the other one's family, and is not the half that was taken. */
const isRival =
  (taken: Half, other: Half) =>
  ({ family, value }: Half): boolean =>
    family === other.family && !Equal.equals(value, taken.value)

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
          client_id: clientId,
          client_secret: Redacted.value(clientSecret)
        }))
      ),
      ConnectorSecrets.layerMemory({
        FLYTE_DATABRICKS_CLIENT_ID: pairs.connector?.clientId,
        FLYTE_DATABRICKS_CLIENT_SECRET: pairs.connector && Redacted.value(pairs.connector.clientSecret)
      })
    ])
  )
