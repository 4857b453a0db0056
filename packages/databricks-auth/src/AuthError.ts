/**
 * Everything that can go wrong between a Flyte task and an `Authorization` header, as one error with a tagged reason.
 * A message is computed from fields that cannot hold a secret; it names what was looked for, what was found and what
 * to do. `retryable` says whether the same call may succeed later with nothing changed.
 */
import * as Schema from "effect/Schema"
import * as IdentityReason from "./internal/reasons/identity.ts"
import * as RequestReason from "./internal/reasons/request.ts"
import * as TokenReason from "./internal/reasons/token.ts"

export * from "./internal/reasons/identity.ts"
export * from "./internal/reasons/request.ts"
export * from "./internal/reasons/token.ts"

/**
 * Every reason, as a schema of a union by `_tag`.
 */
export const Reason = Schema.Union([
  RequestReason.SettingInvalid,
  RequestReason.InstanceMissing,
  RequestReason.InstanceRefused,
  RequestReason.NamespaceAmbiguous,
  RequestReason.NamespaceInvalid,
  RequestReason.NamespaceNotServed,
  RequestReason.TaskOverrideRefused,
  IdentityReason.CredentialsMissing,
  IdentityReason.CredentialsBroken,
  IdentityReason.AccessForbidden,
  IdentityReason.KubernetesUnavailable,
  IdentityReason.IdentityChanged,
  IdentityReason.IdentityRefused,
  IdentityReason.ModeUnavailable,
  TokenReason.TokenRefused,
  TokenReason.ExchangeRefused,
  TokenReason.TokenEndpointUnavailable,
  TokenReason.TokenResponseInvalid,
  TokenReason.AuthClosed
])
export type Reason = typeof Reason.Type

/**
 * The package's one public error.
 */
export class AuthError extends Schema.TaggedError<AuthError>()("AuthError", { reason: Reason }) {
  constructor(...fields: readonly [props: { readonly reason: Reason }, options?: Schema.MakeOptions]) {
    super(...fields)
    // An error keeps alive what was on the stack when it was made, until its trace is read: the whole task that a refusal
    // is about, for as long as the refusal is remembered. Nobody reads the trace of one that says what to do.
    for (const error of [this, this.reason]) error.stack = error.name
  }
  override get message() {
    return this.reason.message
  }
  get retryable(): boolean {
    const { _tag } = this.reason
    return _tag === "KubernetesUnavailable" || _tag === "TokenEndpointUnavailable" || _tag === "TokenResponseInvalid"
  }
  /** How long the endpoint asks to wait before the next try; 0 where it does not ask. */
  get retryAfterMillis(): number {
    return this.reason._tag === "TokenEndpointUnavailable" ? (this.reason.retryAfterMillis ?? 0) : 0
  }
}
