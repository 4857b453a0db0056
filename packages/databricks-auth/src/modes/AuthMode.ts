/**
 * What a mode is, as one value: whose identities it has, the places a credential of it may be in, and how it turns one
 * into a token. Everything that there is once per mode is derived from the list of modes.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { AuthError, Finding } from "../AuthError.ts"
import type { Credential } from "../Credential.ts"
import type { Token, Tries } from "../endpoint/Token.ts"
import type { AuthType, ExtensionIdentity, Identity } from "../Identity.ts"
import { invalid } from "../internal/settings.ts"
import type { IdentityRecord } from "../IdentityRecord.ts"
import type { Jwt } from "../Jwt.ts"
import type { AuthRequest, RequestConnection } from "../request/AuthRequest.ts"
import type { Connection } from "../request/Connection.ts"
import type * as TaskSettings from "../request/TaskSettings.ts"
import type { WorkspaceHost } from "../WorkspaceHost.ts"

/**
 * A place holds nothing for this request: selection may look at the next. Broken, forbidden and unavailable are not
 * absent; they are errors.
 */
export interface Absent {
  /** What tells it from `Found`. */
  readonly _tag: "Absent"
  /** What was seen there, for explanations. */
  readonly detail: string
}

/**
 * A place holds a whole credential.
 */
export interface Found<I extends Identity> {
  /** What tells it from `Absent`. */
  readonly _tag: "Found"
  /** What a header is asked for with. */
  readonly credential: Credential<I>
  /** What else was seen there. */
  readonly detail?: string
  /** The secret that a token will be built from; it tells a rotated one from the one before. None is kept of a JWT. */
  readonly builtFrom: Option.Option<Redacted.Redacted<string>>
}

/**
 * What a place answers. What it fails with ends the search.
 */
export type Look<I extends Identity> = Effect.Effect<Absent | Found<I>, AuthError>

interface AnyPlace {
  /** The setting by which a task names this very place: then it is that one or an error. */
  readonly namedBy?: TaskSettings.Name
}

/** A secret that the request itself carries. */
interface RequestPlace<I extends Identity> extends AnyPlace {
  readonly tenancy: "request"
  readonly describe: string
  readonly remedy: string
  readonly look: (request: AuthRequest, connection: RequestConnection) => Look<I>
}

/** Something of the workflow's namespace. */
interface NamespacePlace<I extends Identity> extends AnyPlace {
  readonly tenancy: "namespace"
  readonly describe: (request: AuthRequest, namespace: string) => string
  readonly remedy: (request: AuthRequest, namespace: string) => string
  readonly look: (request: AuthRequest, namespace: string) => Look<I>
}

/** Something that is configured once on the connector, and shared by all namespaces. */
interface ConnectorPlace<I extends Identity> extends AnyPlace {
  readonly tenancy: "connector"
  readonly describe: string
  readonly remedy: string
  readonly look: (request: AuthRequest) => Look<I>
}

/**
 * One place a credential may be in, by whose it is.
 */
export type Place<I extends Identity> = RequestPlace<I> | NamespacePlace<I> | ConnectorPlace<I>

/**
 * Who a request is, and how that was found out. It is what headers are asked for with; nothing here shows a secret.
 */
export interface Resolved<I extends Identity = Identity> extends Credential<I> {
  /** The namespace that was looked into for it. */
  readonly namespace: Option.Option<string>
  /** What was looked at, in order; the last is the one that counts. */
  readonly explanation: ReadonlyArray<Finding>
  /** The secret that its tokens are built from; none where a JWT is exchanged. */
  readonly builtFrom: Option.Option<Redacted.Redacted<string>>
}

/**
 * What a start-up summary says of a mode's credential on the connector.
 */
export interface Summary {
  /** A fact by its name, as log lines have it. */
  readonly facts: Readonly<Record<string, string>>
  /** Whether there is anything of a credential, whole or broken. */
  readonly hasAny: boolean
  /** Whether a client id without a secret is this mode's. */
  readonly takesClientId?: boolean
}

/**
 * A mode over its sources. The first step (who) runs once, at submit; the second (how) runs for an identity that is
 * pinned already, and cannot choose another.
 */
export interface Wired<I extends Identity> {
  /** Strongest claim first. */
  readonly places: ReadonlyArray<Place<I>>
  /**
   * A token for exactly this credential. `refused` says that the token before it was: what a run's metadata stores, or a
   * cache still holds, is not tried again then.
   */
  acquire(credential: Credential<I>, refused: boolean, tries: Tries): Effect.Effect<Token, AuthError>
  /** The JWT that is exchanged for a token, in the modes that have one. */
  subject?(identity: I): Effect.Effect<Jwt, AuthError>
  /** Forgets what was read for this identity: its token was refused, so its credential may have been rotated. */
  forget(identity: I): Effect.Effect<void>
  /**
   * What job metadata keeps beside the auth type, enough for `recall` to rebuild exactly this credential. A request of
   * Flyte 2 has a connection, and so have the polls and cancels of its run.
   */
  record(resolved: Resolved<I>, connection: Connection | undefined): Partial<IdentityRecord>
  /** The credential that was recorded, by this connector or by Flyte's own. */
  recall(
    record: IdentityRecord,
    instance: WorkspaceHost,
    connection: Connection | undefined
  ): Effect.Effect<Credential<I>, AuthError>
  /** A client id without a secret is half of a pair, unless a stronger mode takes it. */
  summarize(isClientIdTaken: boolean): Effect.Effect<Summary>
}

/** What a mode of these identities is told apart by: the tag of Flyte's four, and a name for a mode that a package brings. */
type TagOf<I extends Identity> = I extends ExtensionIdentity ? string : I["_tag"]

/**
 * One way to be somebody on Databricks.
 */
export interface AuthMode<I extends Identity, out R> {
  /** The `_tag` of its identities. */
  readonly tag: TagOf<I>
  /** What an operator or a task calls it. */
  readonly authType: AuthType
  /** The settings of a task that choose among this mode's credentials; an operator may refuse them. */
  readonly taskSettings: ReadonlyArray<TaskSettings.Name>
  /** Whether this is the record of a run of this mode. */
  readonly isRecorded: (record: IdentityRecord) => boolean
  /** The mode over its sources, which are all that it can reach. */
  readonly wire: Effect.Effect<Wired<I>, never, R>
}

/**
 * A mode of any identities, as lists hold them.
 */
export type AnyMode = AuthMode<Identity, unknown>

/**
 * What a mode is built on.
 */
export type SourcesOf<M> = M extends AuthMode<infer _I, infer R> ? R : never

/**
 * A mode with its sources.
 */
export type ReadyMode = AnyMode & Wired<Identity>

/**
 * The auth types that these modes serve, strongest first.
 */
export const authTypes = (modes: ReadonlyArray<AnyMode>): ReadonlyArray<AuthType> => [
  ...new Set(modes.map(({ authType }) => authType))
]

/**
 * Builds modes on their sources. An identity reaches only the mode that its tag names, which is why a list may hold
 * modes of different identities.
 */
export const wireAll = <const M extends AnyMode>(
  modes: ReadonlyArray<M>
): Effect.Effect<ReadonlyArray<ReadyMode>, never, SourcesOf<M>> =>
  Effect.forEach(modes, (mode) =>
    Effect.map(mode.wire as Effect.Effect<Wired<Identity>, never, SourcesOf<M>>, (wired) => ({ ...mode, ...wired }))
  )

/**
 * What a run's metadata keeps of an identity that a package's mode made.
 */
export type Pinned = Pick<ExtensionIdentity, "instance" | "clientId" | "namespace" | "parameters">

/**
 * A mode that a package brings, over its sources.
 */
export interface WiredExtension extends Omit<Wired<ExtensionIdentity>, "record" | "recall"> {
  /**
   * The identity that was pinned. What is recorded comes back from a caller, who may have written it: a parameter that
   * chooses a host or a path is checked here.
   */
  recall(pinned: Pinned): Effect.Effect<ExtensionIdentity, AuthError>
}

/**
 * A mode of one's own, outside of this package. What it pins is recorded and recalled for it: the client id, the
 * namespace and its parameters. `DatabricksAuth.layerOf([mode])` is the boundary over it.
 *
 * Its `authType` is what an operator or a task sets to choose it, its `tag` what errors, lists and metadata call it; no
 * other mode in the list may have the same tag. CONTRIBUTING has the steps, `Testing.laws` what has to hold.
 */
export const extension = <R>(mode: {
  readonly tag: string
  readonly authType: AuthType
  readonly taskSettings: ReadonlyArray<TaskSettings.Name>
  readonly wire: Effect.Effect<WiredExtension, never, R>
}): AuthMode<ExtensionIdentity, R> => ({
  ...mode,
  isRecorded: (record) => Option.contains(record.mode, mode.tag),
  wire: Effect.map(mode.wire, (wired) => ({
    ...wired,
    record: ({ identity: { clientId, namespace, parameters } }) => ({
      mode: Option.some(mode.tag),
      clientId: Option.some(clientId),
      namespace,
      parameters: Option.some(parameters)
    }),
    recall: Effect.fnUntraced(function* ({ clientId, namespace, parameters }, instance) {
      if (Option.isNone(clientId)) {
        return yield* invalid(`The job metadata of a run by mode ${mode.tag}`, "incomplete", "client_id")
      }
      const pinned = {
        instance,
        clientId: clientId.value,
        namespace,
        parameters: Option.getOrElse(parameters, () => ({}))
      }
      return { identity: yield* wired.recall(pinned) }
    })
  }))
})
