/**
 * Who may call the API server, and by which bearer token.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Redacted from "effect/Redacted"
import { EmulatorError, InvalidInput } from "../EmulatorError.ts"
import { hex } from "../internal/randomText.ts"
import { unauthorized } from "./Status.ts"

/** A user as authentication gives it to authorization. */
export interface User {
  readonly username: string
  readonly groups: ReadonlyArray<string>
}

/** What `addUser` takes. */
export interface UserOptions {
  /** E.g. `system:serviceaccount:flyte:flyteconnector`. */
  readonly username: string
  /** The bearer token; by default one is made up. */
  readonly token?: string | Redacted.Redacted | undefined
  /** `system:masters` may do everything. */
  readonly groups?: ReadonlyArray<string> | undefined
  /** How long the token is good, on Effect's `Clock`; by default for ever. */
  readonly lifetime?: Duration.Input | undefined
}

/** A user just added. */
export interface AddedUser extends User {
  readonly token: Redacted.Redacted
}

const anonymous: User = { username: "system:anonymous", groups: ["system:unauthenticated"] }

/** A user with the groups that come with the name. */
export const userOf = (username: string, groups: ReadonlyArray<string> = []): User => {
  const [, namespace] = /^system:serviceaccount:([^:]+):[^:]+$/.exec(username) ?? []
  const implied = namespace === undefined ? [] : ["system:serviceaccounts", `system:serviceaccounts:${namespace}`]
  return { username, groups: ["system:authenticated", ...groups, ...implied] }
}

/** Makes an empty set of users. */
export const make = (options: { readonly anonymousAuth?: boolean | undefined }) => {
  const tokens = new Map<string, { readonly user: User; readonly expiresAt: number }>()

  const add = Effect.fnUntraced(function* (options: UserOptions) {
    const { lifetime, token, username } = options
    const value =
      token === undefined ? `kube-${yield* hex(48)}` : Redacted.isRedacted(token) ? Redacted.value(token) : token
    const holder = tokens.get(value)?.user.username
    if (holder !== undefined) {
      return yield* new EmulatorError({
        reason: new InvalidInput({ what: `token of ${username}`, problem: `it is the token of ${holder} already` })
      })
    }
    const user = userOf(username, options.groups)
    const expiresAt = lifetime === undefined ? Infinity : (yield* Clock.currentTimeMillis) + Duration.toMillis(lifetime)
    tokens.set(value, { user, expiresAt })
    return { ...user, token: Redacted.make(value, { label: "bearer token" }) }
  })

  return {
    add,
    revokeToken: (token: string | Redacted.Redacted) =>
      Effect.sync(() => tokens.delete(Redacted.isRedacted(token) ? Redacted.value(token) : token)),
    all: Effect.sync(() => [...tokens.values()].map(({ user }) => user)),
    /** The user of the current request: by a token that was set here, else by a signed one. */
    authenticate: (bySignedToken: (token: string) => Effect.Effect<User | undefined>) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const authorization = request.headers["authorization"]
        if (authorization === undefined && options.anonymousAuth !== false) return anonymous
        const token = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1]
        if (token === undefined) return yield* unauthorized
        const found = tokens.get(token)
        const user = found === undefined ? yield* bySignedToken(token) : found.user
        if (user === undefined || (found?.expiresAt ?? Infinity) <= (yield* Clock.currentTimeMillis)) {
          return yield* unauthorized
        }
        return user
      })
  }
}
