/**
 * Personal access tokens: the request's own, else a Secret of the workflow's namespace, else the connector's.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { Token } from "../endpoint/Token.ts"
import type { AuthMode, CredentialSource } from "./AuthMode.ts"
import type { AuthError } from "../AuthError.ts"
import type { AuthRequest } from "../request/AuthRequest.ts"
import * as Connection from "../request/Connection.ts"
import { ConnectorSettings } from "../request/ConnectorSettings.ts"
import {
  ConnectorLevel,
  type Identity,
  NamespaceSecret,
  OfConnection,
  type Origin,
  PatIdentity,
  Unrecorded
} from "../Identity.ts"
import {
  connectorLevel,
  missingNow,
  namespaceSecret,
  ofNamespace,
  readPinned,
  recordOrigin
} from "./internal/origins.ts"
import type { IdentityRecord } from "../IdentityRecord.ts"
import { shown } from "../internal/settings.ts"
import { PatSource } from "../sources/PatSource.ts"
import type { Credential } from "../Credential.ts"
import type { WorkspaceHost } from "../WorkspaceHost.ts"

/**
 * Mode PAT.
 */
export class Pat extends Context.Service<Pat, AuthMode<PatIdentity>>()("@flyte-databricks/databricks-auth/modes/Pat") {}

/**
 * How long a PAT that was read from its source is used before it is read again: a PAT says nothing about when it
 * expires, and a rotated one is to be picked up without a restart.
 */
export const PatLifetime = Context.Reference<Duration.Input>("@flyte-databricks/databricks-auth/modes/PatLifetime", {
  defaultValue: () => "5 minutes"
})

const source = "FLYTE_DATABRICKS_ACCESS_TOKEN"

export const layer: Layer.Layer<Pat, never, PatSource | ConnectorSettings> = Layer.effect(
  Pat,
  Effect.gen(function* () {
    const pats = yield* PatSource
    const settings = yield* ConnectorSettings
    const lifetime = Duration.fromInputUnsafe(yield* PatLifetime)

    // Flyte's connector records the name of the OAuth Secret with every PAT, where it means nothing; this one uses the
    // field for the PAT's own Secret, and leaves it out for the connector's PAT. The stored token tells them apart.
    const originOf = (recorded: IdentityRecord): Origin => {
      const { namespace, oauthSecretName, tokenSecretName } = recorded
      const own = Option.isSome(recorded.authType) && Option.isNone(tokenSecretName)
      if (own && Option.isNone(oauthSecretName)) return ConnectorLevel.make({})
      const isOAuth =
        Option.contains(settings.oauthSecretName)(oauthSecretName) ||
        Option.contains("databricks-oauth")(oauthSecretName)
      if (
        own &&
        Option.isSome(oauthSecretName) &&
        Option.isSome(namespace) &&
        !(isOAuth && Option.isSome(recorded.authToken))
      ) {
        return NamespaceSecret.make({ namespace: namespace.value, name: oauthSecretName.value })
      }
      return Unrecorded.make({ namespace, name: Option.getOrElse(tokenSecretName, () => settings.tokenSecretName) })
    }

    return Pat.of({
      // Flyte 2's own connector knows this kind of run alone, and writes nothing about it: either polls what the other
      // submitted.
      record: ({ origin }) => (origin._tag === "OfConnection" ? { authType: Option.none() } : recordOrigin(origin)),
      recall: (recorded, instance) => Effect.succeed(new PatIdentity({ instance, origin: originOf(recorded) })),
      sources: [
        ofConnection,
        namespaceSecret({
          name: (request) => request.tokenSecretName,
          keys: ["token"],
          absence: pats.absence,
          read: pats.namespaceSecret,
          found
        }),
        connectorLevel({
          name: source,
          read: () => pats.connector,
          found
        })
      ],
      acquire: Effect.fnUntraced(function* (identity) {
        const token = yield* readPinned(identity.origin, pats.namespaceSecret, pats.connector)
        return Option.isSome(token) ? tokenOf(token.value, lifetime) : yield* missingNow("PAT", identity.origin, source)
      }),
      forget: ({ origin }) =>
        Effect.andThen(
          ofNamespace(origin, (namespace, name) => Effect.asSome(pats.forget(namespace, name))),
          pats.forgetConnector
        )
    })
  })
)

// The task's own choice goes before what is there for all of its namespace.
const ofConnection: CredentialSource<PatIdentity> = {
  tenancy: "request",
  describe: () => Connection.source,
  remedy: () => "name a secret of Flyte that holds a token: databricks_token of the task",
  look: Effect.fnUntraced(function* (request) {
    // It is looked at only where there is one.
    const { value, secretName } = Option.getOrThrow(request.connection)
    const token = yield* Connection.token(value, secretName)
    if (Option.isSome(token)) return { _tag: "Found", ...found(request, OfConnection.make({}), token.value) }
    const detail = Option.match(secretName, {
      onNone: () => "the task names no secret for it",
      onSome: (name) => `not sent, though the task names secret "${shown(name)}"`
    })
    return { _tag: "Absent", detail }
  })
}

/**
 * Whether this is somebody whose token only requests bring: there is no place to read another one from.
 */
export const isOfConnection = (identity: Identity): boolean =>
  identity._tag === "pat" && identity.origin._tag === "OfConnection"

/**
 * The identity of a run whose metadata says nothing of who it is, when it is asked about with a connection: Flyte 2's
 * own connector submitted it, or this one did, with the connection's PAT.
 */
export const recallConnection = Effect.fnUntraced(function* (
  instance: WorkspaceHost,
  connection: Connection.Connection
): Effect.fn.Return<Credential, AuthError> {
  const identity = new PatIdentity({ instance, origin: OfConnection.make({}) })
  const token = yield* Connection.token(connection, Option.none())
  return Option.isSome(token) ? { identity, storedToken: token.value } : { identity }
})

const found = (request: AuthRequest, origin: Origin, token: Redacted.Redacted<string>) => ({
  identity: new PatIdentity({ instance: request.instance, origin }),
  builtFrom: Option.some(token)
})

/**
 * A PAT as a token: used until it is due to be read again.
 */
export const tokenOf = (value: Redacted.Redacted<string>, lifetime: Duration.Duration): Token => ({
  value,
  lifetime,
  builtFrom: value
})
