/**
 * Who exists in the workspace: service principals with their secrets, and users; and what they log in with.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { AlreadyExists, EmulatorError, InvalidInput, NotFound } from "../EmulatorError.ts"
import { hex, uuid } from "../internal/randomText.ts"

/** A secret as callers may give it. */
export type SecretInput = string | Redacted.Redacted

/** A service principal or a user. */
export interface Principal {
  readonly kind: "service principal" | "user"
  /** The application id of a service principal, the user name of a user: what the APIs call it by. */
  readonly name: string
  readonly displayName: string
  /** The numeric id that SCIM shows. */
  readonly id: bigint
  /** A workspace admin sees and manages everyone's runs. */
  readonly admin: boolean
  /** Whether it was added to the workspace. The account gives tokens also to those that were not. */
  readonly inWorkspace: boolean
  /** The workspaces that it was added to, of those that share a host; all of them where it does not say. */
  readonly workspaces: ReadonlyArray<string> | undefined
}

interface Credential {
  readonly principal: Principal
  readonly value: string
  /** Milliseconds since the epoch; `Infinity` when it has no end. */
  readonly expiresAt: number
}

/** What `addServicePrincipal` takes; what is left out is made up. */
export interface ServicePrincipalOptions {
  readonly applicationId?: string | undefined
  readonly displayName?: string | undefined
  /** Its OAuth secrets; by default one, made up. */
  readonly secrets?: ReadonlyArray<SecretInput> | undefined
  /** Its personal access tokens; by default none. */
  readonly pats?: ReadonlyArray<SecretInput> | undefined
  readonly admin?: boolean | undefined
  /** `false`: it gets tokens, and the workspace's APIs answer 403. */
  readonly inWorkspace?: boolean | undefined
  /** The ids of the workspaces it is in, of those that share a host; by default all. */
  readonly workspaces?: ReadonlyArray<string> | undefined
}

/** What `addUser` takes. */
export interface UserOptions {
  readonly userName: string
  readonly displayName?: string | undefined
  /** Its personal access tokens; by default one, made up. */
  readonly pats?: ReadonlyArray<SecretInput> | undefined
  readonly admin?: boolean | undefined
  /** The ids of the workspaces it is in, of those that share a host; by default all. */
  readonly workspaces?: ReadonlyArray<string> | undefined
}

/** A service principal just added, with its credentials. */
export interface AddedServicePrincipal extends Principal {
  readonly applicationId: string
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  readonly pats: ReadonlyArray<Redacted.Redacted>
}

/** A user just added, with its credentials. */
export interface AddedUser extends Principal {
  readonly userName: string
  readonly pats: ReadonlyArray<Redacted.Redacted>
}

const plain = (secret: SecretInput) => (Redacted.isRedacted(secret) ? Redacted.value(secret) : secret)

/** At most five OAuth secrets for a service principal, as the service has it. */
const maxSecrets = 5

/** Makes an empty workspace directory. */
export const make = () => {
  const principals = new Map<string, Principal>()
  const secrets = new Map<string, Array<Credential>>()
  const pats = new Map<string, Credential>()
  let lastId = 4_000_000_000_000_000n

  const find = (name: string) =>
    Effect.suspend(() => {
      const principal = principals.get(name)
      return principal === undefined
        ? Effect.fail(
            new EmulatorError({ reason: new NotFound({ kind: "principal", name, known: [...principals.keys()] }) })
          )
        : Effect.succeed(principal)
    })

  const add = (principal: Omit<Principal, "id">) =>
    Effect.suspend(() => {
      if (principals.has(principal.name)) {
        return Effect.fail(
          new EmulatorError({ reason: new AlreadyExists({ kind: "principal", name: principal.name }) })
        )
      }
      const added = { ...principal, id: ++lastId }
      principals.set(added.name, added)
      return Effect.succeed(added)
    })

  const expiry = Effect.fnUntraced(function* (lifetime: Duration.Input | undefined) {
    return lifetime === undefined ? Infinity : (yield* Clock.currentTimeMillis) + Duration.toMillis(lifetime)
  })

  const addSecret = Effect.fnUntraced(function* (
    applicationId: string,
    secret?: SecretInput,
    options: { readonly lifetime?: Duration.Input | undefined } = {}
  ) {
    const principal = yield* find(applicationId)
    if (principal.kind !== "service principal") {
      return yield* invalid("OAuth secret", `"${applicationId}" is a user; OAuth secrets are for service principals`)
    }
    const held = secrets.get(applicationId) ?? []
    if (held.length >= maxSecrets) {
      return yield* invalid("OAuth secret", `"${applicationId}" has ${maxSecrets} already, and more are not allowed`)
    }
    const value = secret === undefined ? `dose${yield* hex(32)}` : plain(secret)
    secrets.set(applicationId, [...held, { principal, value, expiresAt: yield* expiry(options.lifetime) }])
    return Redacted.make(value, { label: "client secret" })
  })

  const addPat = Effect.fnUntraced(function* (
    name: string,
    pat?: SecretInput,
    options: { readonly lifetime?: Duration.Input | undefined } = {}
  ) {
    const principal = yield* find(name)
    const value = pat === undefined ? `dapi${yield* hex(32)}` : plain(pat)
    if (pats.has(value)) return yield* invalid("personal access token", "the same token is there already")
    pats.set(value, { principal, value, expiresAt: yield* expiry(options.lifetime) })
    return Redacted.make(value, { label: "PAT" })
  })

  const addServicePrincipal = Effect.fnUntraced(function* (options: ServicePrincipalOptions = {}) {
    const applicationId = options.applicationId ?? (yield* uuid)
    const principal = yield* add({
      kind: "service principal",
      name: applicationId,
      displayName: options.displayName ?? applicationId,
      admin: options.admin ?? false,
      inWorkspace: options.inWorkspace ?? true,
      workspaces: options.workspaces
    })
    const made = yield* Effect.forEach(options.secrets ?? [undefined], (secret) => addSecret(applicationId, secret))
    const tokens = yield* Effect.forEach(options.pats ?? [], (pat) => addPat(applicationId, pat))
    return { ...principal, applicationId, secrets: made, pats: tokens }
  })

  const addUser = Effect.fnUntraced(function* (options: UserOptions) {
    const principal = yield* add({
      kind: "user",
      name: options.userName,
      displayName: options.displayName ?? options.userName,
      admin: options.admin ?? false,
      inWorkspace: true,
      workspaces: options.workspaces
    })
    const tokens = yield* Effect.forEach(options.pats ?? [undefined], (pat) => addPat(options.userName, pat))
    return { ...principal, userName: options.userName, pats: tokens }
  })

  const revokeSecret = Effect.fnUntraced(function* (applicationId: string, secret: SecretInput) {
    yield* find(applicationId)
    const held = secrets.get(applicationId) ?? []
    const left = held.filter(({ value }) => value !== plain(secret))
    secrets.set(applicationId, left)
    return left.length < held.length
  })

  const rotateSecret = Effect.fnUntraced(function* (applicationId: string, secret?: SecretInput) {
    yield* find(applicationId)
    secrets.delete(applicationId)
    return yield* addSecret(applicationId, secret)
  })

  const remove = (name: string) =>
    Effect.sync(() => {
      secrets.delete(name)
      for (const [value, { principal }] of pats) if (principal.name === name) pats.delete(value)
      return principals.delete(name)
    })

  const valid = (credential: Credential | undefined) =>
    Effect.map(Clock.currentTimeMillis, (now) =>
      credential !== undefined && now < credential.expiresAt ? credential : undefined
    )

  return {
    all: Effect.sync(() => [...principals.values()]),
    find,
    addServicePrincipal,
    addUser,
    addSecret,
    addPat,
    rotateSecret,
    revokeSecret,
    revokePat: (pat: SecretInput) => Effect.sync(() => pats.delete(plain(pat))),
    remove,
    has: (name: string) => principals.has(name),
    /** The principal whose application id and secret these are. */
    bySecret: (applicationId: string, secret: string) =>
      Effect.map(
        valid(secrets.get(applicationId)?.find(({ value }) => value === secret)),
        (credential) => credential?.principal
      ),
    /** The personal access token, if it is there and has not expired. */
    byPat: (pat: string) => valid(pats.get(pat))
  }
}

export type Principals = ReturnType<typeof make>

const invalid = (what: string, problem: string) =>
  Effect.fail(new EmulatorError({ reason: new InvalidInput({ what, problem }) }))
