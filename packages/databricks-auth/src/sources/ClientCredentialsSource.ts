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
import * as Result from "effect/Result"
import type { AuthError } from "../AuthError.ts"
import * as ConnectorSecrets from "./ConnectorSecrets.ts"
import { applicationId } from "../internal/applicationId.ts"
import { broken } from "../internal/broken.ts"
import type { SecretData } from "../Kubernetes.ts"
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

    /** The halves of either family, the stronger one first. It is part of the generators below. */
    function* halves(suffix: "CLIENT_ID" | "CLIENT_SECRET") {
      const found: Array<Half> = []
      for (const family of families) {
        const half = yield* connectorSecrets.find(`${family}_${suffix}`)
        if (Option.isSome(half)) found.push({ ...half.value, family })
      }
      return found
    }

    return ClientCredentialsSource.of({
      namespaceSecret: (namespace, name) =>
        Effect.flatMap(namespaceSecrets.read(namespace, name), (data) =>
          Effect.fromResult(Result.transposeMapOption(data, pairIn(NamespaceSecrets.describeSecret(namespace, name))))
        ),
      connector: Effect.fnUntraced(function* (taskClientId) {
        const ids = yield* halves("CLIENT_ID")
        const secrets = yield* halves("CLIENT_SECRET")
        return yield* Effect.fromResult(pairOf(ids, secrets, taskClientId))
      }),
      connectorClientId: Effect.gen(function* () {
        const [id] = yield* halves("CLIENT_ID")
        return id === undefined ? Option.none() : Option.some(Redacted.value(id.value))
      }),
      absence: namespaceSecrets.absence,
      forget: namespaceSecrets.forget,
      forgetConnector: connectorSecrets.forget
    })
  })
)

interface Half extends ConnectorSecrets.ConnectorSecret {
  readonly family: (typeof families)[number]
}

/** The pair in a Secret. */
const pairIn =
  (source: string) =>
  (data: SecretData): Result.Result<ClientCredentials, AuthError> =>
    Result.gen(function* () {
      const pair = yield* requireKeys(source, data, ["client_id", "client_secret"])
      const problem = "has what looks like a secret under key client_id"
      const clientId = yield* applicationId(source, problem, Redacted.value(pair.client_id))
      return { clientId, clientSecret: pair.client_secret }
    })

/** The connector's pair, of the halves that it has and of what the task names. */
const pairOf = (
  ids: ReadonlyArray<Half>,
  secrets: ReadonlyArray<Half>,
  taskClientId: Option.Option<string>
): Result.Result<Option.Option<ClientCredentials>, AuthError> => {
  const [id] = ids
  const [secret] = secrets
  const ofTask = Option.map(taskClientId, (named) => `The client id ${named} of the task`)
  if (secret === undefined) {
    const alone = id === undefined ? ofTask : Option.some(described(id))
    return Option.isNone(alone)
      ? Result.succeed(Option.none())
      : halfPair(alone.value, "has neither a client secret nor a JWT file to go with it")
  }
  if (id === undefined) {
    return halfPair(`The connector's client secret (from ${secret.place})`, "has no client id to go with it")
  }
  const rival = ids.find(isRival(id, secret)) ?? secrets.find(isRival(secret, id))
  if (rival !== undefined) {
    return halfPair(
      described(id),
      `is not known to go with the secret from ${secret.place}: ${rival.place} belongs to one of the two, and is another`
    )
  }
  const clientId = applicationId(described(id), "looks like a secret", Redacted.value(id.value))
  return Result.flatMap(clientId, (clientId) =>
    Option.isSome(ofTask) && !Option.contains(taskClientId, clientId)
      ? halfPair(ofTask.value, `has no secret to go with it: the connector's belongs to client id ${clientId}`)
      : Result.succeed(Option.some({ clientId, clientSecret: secret.value }))
  )
}

const described = ({ place }: Half): string => `The connector's client id (from ${place})`

/** Whether a half is of the other one's family, and is not the half that was taken. */
const isRival =
  (taken: Half, other: Half) =>
  ({ family, value }: Half): boolean =>
    family === other.family && !Equal.equals(value, taken.value)

const halfPair = (source: string, problem: string) =>
  Result.fail(
    broken(
      source,
      problem,
      "Set both FLYTE_DATABRICKS_CLIENT_ID and FLYTE_DATABRICKS_CLIENT_SECRET on the connector, or neither."
    )
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
