/**
 * Personal access tokens: the request's own, else a Secret of the workflow's namespace, else the connector's.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import {
  ConnectorLevel,
  NamespaceSecret,
  type Origin,
  PatIdentity,
  RequestSecret,
  StoredToken,
  Unrecorded
} from "../Identity.ts"
import * as IdentityRecord from "../IdentityRecord.ts"
import { fitsHeader } from "../internal/bearer.ts"
import { invalid, shown } from "../internal/settings.ts"
import type { AuthRequest } from "../request/AuthRequest.ts"
import * as Connection from "../request/Connection.ts"
import { ConnectorSettings } from "../request/ConnectorSettings.ts"
import { PatSource } from "../sources/PatSource.ts"
import type { AuthMode, Place, Wired } from "./AuthMode.ts"
import { hasAny, said } from "./internal/facts.ts"
import * as Origins from "./internal/origins.ts"

/**
 * How long a PAT that was read from its source is used before it is read again: a PAT says nothing about when it
 * expires, and a rotated one is to be picked up without a restart.
 */
export const PatLifetime = Context.Reference<Duration.Input>("@flyte-databricks/databricks-auth/modes/PatLifetime", {
  defaultValue: () => "5 minutes"
})

const wire = Effect.gen(function* () {
  const pats = yield* PatSource
  const settings = yield* ConnectorSettings
  const lifetime = Duration.fromInputUnsafe(yield* PatLifetime)
  const origins = Origins.make({
    what: "PAT",
    source: pats,
    connector: () => pats.connector,
    variables: "FLYTE_DATABRICKS_ACCESS_TOKEN",
    namedBy: "tokenSecretName",
    keys: ["token"],
    found
  })

  // Flyte's connector records the name of the OAuth Secret with every PAT, where it means nothing; this one uses the
  // field for the PAT's own Secret, and leaves it out for the connector's PAT. The stored token tells them apart.
  const ownOrigin = ({
    authToken,
    authType,
    namespace,
    oauthSecretName: name,
    tokenSecretName
  }: IdentityRecord.IdentityRecord): Origin | undefined => {
    if (Option.isNone(authType) || Option.isSome(tokenSecretName)) return undefined
    if (Option.isNone(name)) return ConnectorLevel.make({})
    const isOAuth = name.value === settings.oauthSecretName || name.value === "databricks-oauth"
    return Option.isNone(namespace) || (isOAuth && Option.isSome(authToken))
      ? undefined
      : NamespaceSecret.make({ namespace: namespace.value, name: name.value })
  }

  // Connectors that record no more than the run have the connector's PAT alone. Of a token that is stored with nothing
  // else, nobody knows whose it is: to read another in its place could be to become somebody else.
  const originOf = (record: IdentityRecord.IdentityRecord): Origin => {
    if (IdentityRecord.isEmpty(record)) return ConnectorLevel.make({})
    const { authToken, namespace, tokenSecretName } = record
    const name = Option.getOrElse(tokenSecretName, () => settings.tokenSecretName)
    return ownOrigin(record) ?? (Option.isSome(authToken) ? StoredToken.make({}) : Unrecorded.make({ namespace, name }))
  }

  return {
    places: [requestSecret, ...origins.places],
    // A stored token that was refused gives way to the one that is there now, where it is known where that is.
    acquire: ({ identity, storedToken }, refused) =>
      Effect.map(
        storedToken !== undefined && (!refused || comesAlong(identity.origin))
          ? Effect.succeed(storedToken)
          : origins.read(identity.origin),
        (value) => ({ value, lifetime, builtFrom: value })
      ),
    forget: ({ origin }) => origins.forget(origin),
    // As the oldest of Flyte's own connectors records it that can be this identity: each polls what the other submitted.
    // Of Flyte 1 these are the connector's PAT, with nothing, and a namespace's, with the token alone; of Flyte 2 the
    // request's own, with nothing. For the rest it takes a connector that reads all of the fields.
    record: ({ identity: { origin }, builtFrom }, connection) => {
      const nothing = { authType: Option.none(), namespace: Option.none() }
      if (origin._tag === "RequestSecret") return nothing
      if (connection !== undefined) return Origins.record(origin)
      if (origin._tag === "ConnectorLevel") return nothing
      return settings.persistPat && Option.isSome(builtFrom)
        ? { ...nothing, authToken: builtFrom }
        : Origins.record(origin)
    },
    recall: (record, instance, connection) => {
      // Flyte 2's own connector submitted it, or this one did, with the connection's PAT.
      if (connection !== undefined && IdentityRecord.isEmpty(record)) {
        const identity = new PatIdentity({ instance, origin: RequestSecret.make({}) })
        const token = Result.map(
          Connection.token(connection, Option.none()),
          Option.match({ onNone: () => ({ identity }), onSome: (storedToken) => ({ identity, storedToken }) })
        )
        return Effect.fromResult(token)
      }
      const identity = new PatIdentity({ instance, origin: originOf(record) })
      if (Option.isNone(record.authToken)) return Effect.succeed({ identity })
      const storedToken = record.authToken.value
      return fitsHeader(Redacted.value(storedToken))
        ? Effect.succeed({ identity, storedToken })
        : Effect.fail(invalid("auth_token of the job metadata", "(not shown)", "a token that a header can carry"))
    },
    summarize: () =>
      Effect.map(Effect.result(pats.connector), (pat) => ({
        facts: { connectorPat: said(pat) },
        hasAny: hasAny(pat)
      }))
  } satisfies Wired<PatIdentity>
})

/**
 * The mode of personal access tokens.
 */
export const mode: AuthMode<PatIdentity, PatSource | ConnectorSettings> = {
  tag: "pat",
  authType: "pat",
  taskSettings: ["tokenSecretName", "connectionSecretName"],
  isRecorded: (record) => IdentityRecord.authTypeOf(record) === "pat",
  wire
}

const comesAlong = ({ _tag }: Origin): boolean => _tag === "RequestSecret" || _tag === "StoredToken"

// The task's own choice goes before what is there for all of its namespace.
const requestSecret: Place<PatIdentity> = {
  tenancy: "request",
  namedBy: "connectionSecretName",
  describe: Connection.source,
  remedy: "name a secret of Flyte that holds a token: databricks_token of the task",
  look: ({ instance }, { value, secretName }) =>
    Effect.fromResult(
      Result.map(Connection.token(value, secretName), (token) => {
        if (Option.isSome(token)) {
          const identity = new PatIdentity({ instance, origin: RequestSecret.make({}) })
          return { _tag: "Found", credential: { identity, storedToken: token.value }, builtFrom: Option.none() }
        }
        const detail = Option.match(secretName, {
          onNone: () => "the task names no secret for it",
          onSome: (name) => `not sent, though the task names secret "${shown(name)}"`
        })
        return { _tag: "Absent", detail }
      })
    )
}

const found = ({ instance }: AuthRequest, origin: Origin, token: Redacted.Redacted<string>) => ({
  credential: { identity: new PatIdentity({ instance, origin }) },
  builtFrom: Option.some(token)
})
