/**
 * What a mode is: the places it may find a credential in, strongest claim first, and how it turns one into a token.
 * The first step (who) runs once, at submit; the second (how) runs for an identity that is already pinned, and cannot
 * choose another.
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { AuthError } from "../AuthError.ts"
import type { Token, Tries } from "../endpoint/Token.ts"
import type { AuthRequest } from "../request/AuthRequest.ts"
import type { Identity } from "../Identity.ts"
import type { IdentityRecord } from "../IdentityRecord.ts"
import type { WorkspaceHost } from "../WorkspaceHost.ts"

/**
 * A source holds nothing for this request: selection may look at the next. Broken, forbidden and unavailable are not
 * absent; they are errors.
 */
export interface Absent {
  readonly _tag: "Absent"
  readonly detail: string
}

/**
 * A source holds a whole credential. `builtFrom` is the secret that a token will be built from, to tell a rotated one
 * from the one before; none where it is made anew for each token.
 */
export interface Found<out I> {
  readonly _tag: "Found"
  readonly identity: I
  /** What else was seen there. */
  readonly detail?: string
  readonly builtFrom: Option.Option<Redacted.Redacted<string>>
}

/**
 * One place a credential may be in.
 */
export interface CredentialSource<out I> {
  /** Whose credential it is: the request's own, that of the workflow's namespace, or the connector's, shared by all. */
  readonly tenancy: "request" | "namespace" | "connector"
  /** `namespace` is the request's; a source of that tenancy is looked at only where there is one. */
  readonly describe: (request: AuthRequest, namespace: string) => string
  /** What to do so that this source holds a credential. */
  readonly remedy: (request: AuthRequest, namespace: string) => string
  readonly look: (request: AuthRequest, namespace: string) => Effect.Effect<Absent | Found<I>, AuthError>
}

/**
 * One way to be somebody on Databricks.
 */
export interface AuthMode<I extends Identity> {
  readonly sources: ReadonlyArray<CredentialSource<I>>
  /** What job metadata keeps of an identity, enough for `recall` to rebuild exactly it. */
  readonly record: (identity: I) => Partial<IdentityRecord>
  /** The identity that was recorded, by this connector or by Flyte's own. */
  readonly recall: (recorded: IdentityRecord, instance: WorkspaceHost) => Effect.Effect<I, AuthError>
  readonly acquire: (identity: I, tries?: Tries) => Effect.Effect<Token, AuthError>
  /** Forgets what was read for this identity: its token was refused, so its credential may have been rotated. */
  readonly forget: (identity: I) => Effect.Effect<void>
}
