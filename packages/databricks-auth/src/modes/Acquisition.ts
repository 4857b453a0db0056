/**
 * How: a token for an identity that is pinned already, by the mode that its tag names. Nothing here chooses.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { AuthError, ModeUnavailable } from "../AuthError.ts"
import type { Credential } from "../Credential.ts"
import type { Token, Tries } from "../endpoint/Token.ts"
import { type Identity, modeOf as tagOf } from "../Identity.ts"
import * as IdentityRecord from "../IdentityRecord.ts"
import { shown } from "../internal/settings.ts"
import type * as Jwt from "../Jwt.ts"
import type { Connection } from "../request/Connection.ts"
import type { WorkspaceHost } from "../WorkspaceHost.ts"
import { authTypes, type ReadyMode, type Resolved } from "./AuthMode.ts"

/**
 * Acquires tokens for identities of these modes, records and recalls them.
 */
export const make = (modes: ReadonlyArray<ReadyMode>) => {
  const modeOf = (identity: Identity) => modes.find(({ tag }) => tag === tagOf(identity))
  const unserved = (pinned: IdentityRecord.IdentityRecord | Identity) => {
    const [authType, mode] =
      "_tag" in pinned
        ? [pinned.authType, pinned._tag === "extension" ? pinned.mode : undefined]
        : [IdentityRecord.authTypeOf(pinned), Option.getOrUndefined(pinned.mode)]
    const wanted = mode === undefined ? authType : `${authType} by mode ${shown(mode)}`
    return new AuthError({
      reason: new ModeUnavailable({ wanted, from: "The run's pinned identity", served: authTypes(modes) })
    })
  }
  return {
    acquire: (credential: Credential, refused: boolean, tries: Tries): Effect.Effect<Token, AuthError> =>
      modeOf(credential.identity)?.acquire(credential, refused, tries) ?? Effect.fail(unserved(credential.identity)),
    /** What the JWT says that is exchanged for a token; none in the modes that exchange none. */
    subject: (identity: Identity): Effect.Effect<Option.Option<Jwt.Description>, AuthError> => {
      const jwt = modeOf(identity)?.subject?.(identity)
      return jwt === undefined ? Effect.succeedNone : Effect.asSome(Effect.map(jwt, ({ token: _, ...said }) => said))
    },
    forget: (identity: Identity): Effect.Effect<void> => {
      const mode = modeOf(identity)
      return mode === undefined ? Effect.void : mode.forget(identity)
    },
    record: (resolved: Resolved, connection: Connection | undefined): IdentityRecord.IdentityRecord => ({
      ...IdentityRecord.empty(resolved.identity.instance),
      authType: Option.some(resolved.identity.authType),
      namespace: resolved.namespace,
      ...modeOf(resolved.identity)?.record(resolved, connection)
    }),
    recall: (
      record: IdentityRecord.IdentityRecord,
      instance: WorkspaceHost,
      connection: Connection | undefined
    ): Effect.Effect<Credential, AuthError> => {
      const mode = modes.find(
        ({ isRecorded, tag }) => Option.getOrElse(record.mode, () => tag) === tag && isRecorded(record)
      )
      if (mode === undefined) return Effect.fail(unserved(record))
      const names = IdentityRecord.checkNames(record)
      return Result.isFailure(names) ? Effect.fail(names.failure) : mode.recall(record, instance, connection)
    }
  }
}
