/**
 * How: a token for an identity that is already pinned, by whichever mode it names. Nothing here chooses.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { AuthError, ModeUnavailable } from "../AuthError.ts"
import type { Token, Tries } from "../endpoint/Token.ts"
import type { AuthMode } from "./AuthMode.ts"
import type {
  AuthType,
  Identity,
  OAuthM2MIdentity,
  OidcConnectorIdentity,
  OidcNamespaceIdentity,
  PatIdentity
} from "../Identity.ts"
import { OAuthM2M } from "./OAuthM2M.ts"
import { OidcConnector } from "./OidcConnector.ts"
import { OidcNamespace } from "./OidcNamespace.ts"
import { Pat } from "./Pat.ts"
import * as IdentityRecord from "../IdentityRecord.ts"
import type { WorkspaceHost } from "../WorkspaceHost.ts"

/**
 * Acquires tokens for identities.
 */
export class Acquisition extends Context.Service<
  Acquisition,
  {
    readonly acquire: (identity: Identity, tries?: Tries) => Effect.Effect<Token, AuthError>
    /** What job metadata keeps of the identity. */
    readonly record: (identity: Identity) => IdentityRecord.IdentityRecord
    /** The identity that job metadata kept. */
    readonly recall: (
      recorded: IdentityRecord.IdentityRecord,
      instance: WorkspaceHost
    ) => Effect.Effect<Identity, AuthError>
    /** Forgets what was read for the identity, so that the next token is built from what is there now. */
    readonly forget: (identity: Identity) => Effect.Effect<void>
  }
>()("@flyte-databricks/databricks-auth/modes/Acquisition") {}

interface Modes {
  readonly pat?: AuthMode<PatIdentity>
  readonly oauth_m2m?: AuthMode<OAuthM2MIdentity>
  readonly oidc_connector?: AuthMode<OidcConnectorIdentity>
  readonly oidc_namespace?: AuthMode<OidcNamespaceIdentity>
}

const make = (modes: Modes): Acquisition["Service"] => {
  // The switch gives each mode the identities of its own kind, which a look-up by tag would not.
  const dispatch = <A>(
    identity: Identity,
    use: <I extends Identity>(mode: AuthMode<I>, identity: I) => A,
    otherwise: () => A
  ): A => {
    switch (identity._tag) {
      case "pat":
        return modes.pat === undefined ? otherwise() : use(modes.pat, identity)
      case "oauth_m2m":
        return modes.oauth_m2m === undefined ? otherwise() : use(modes.oauth_m2m, identity)
      case "oidc_connector":
        return modes.oidc_connector === undefined ? otherwise() : use(modes.oidc_connector, identity)
      case "oidc_namespace":
        return modes.oidc_namespace === undefined ? otherwise() : use(modes.oidc_namespace, identity)
    }
  }
  const unserved = (wanted: AuthType) =>
    new AuthError({
      reason: new ModeUnavailable({ wanted, from: "The run's pinned identity", served: Object.keys(modes) })
    })
  return Acquisition.of({
    acquire: (identity, tries) =>
      dispatch<Effect.Effect<Token, AuthError>>(
        identity,
        (mode, own) => mode.acquire(own, tries),
        () => Effect.fail(unserved(identity.authType))
      ),
    record: (identity) => ({
      ...IdentityRecord.empty(identity.instance),
      authType: Option.some(identity.authType),
      ...dispatch<Partial<IdentityRecord.IdentityRecord>>(
        identity,
        (mode, own) => mode.record(own),
        () => ({})
      )
    }),
    recall: (recorded, instance) => {
      const authType = Option.getOrElse(recorded.authType, () => "pat" as const)
      const mode = modes[tagOf(authType, recorded)]
      return mode === undefined
        ? Effect.fail(unserved(authType))
        : Effect.andThen(IdentityRecord.checkNames(recorded), (): Effect.Effect<Identity, AuthError> =>
            mode.recall(recorded, instance)
          )
    },
    forget: (identity) =>
      dispatch<Effect.Effect<void>>(
        identity,
        (mode, own) => mode.forget(own),
        () => Effect.void
      )
  })
}

// A run of OIDC federation that names a ServiceAccount is that of a namespace.
const tagOf = (authType: AuthType, recorded: IdentityRecord.IdentityRecord): keyof Modes =>
  authType === "oidc_federation"
    ? Option.isSome(recorded.oidcServiceAccount)
      ? "oidc_namespace"
      : "oidc_connector"
    : authType

/** Tokens of mode PAT alone. */
export const layerPat: Layer.Layer<Acquisition, never, Pat> = Layer.effect(
  Acquisition,
  Effect.map(Pat, (pat) => make({ pat }))
)

/** Tokens of mode OAuth M2M alone. */
export const layerOAuthM2M: Layer.Layer<Acquisition, never, OAuthM2M> = Layer.effect(
  Acquisition,
  Effect.map(OAuthM2M, (oauth_m2m) => make({ oauth_m2m }))
)

/** Tokens of OIDC federation alone. */
export const layerOidcFederation: Layer.Layer<Acquisition, never, OidcConnector | OidcNamespace> = Layer.effect(
  Acquisition,
  Effect.gen(function* () {
    return make({ oidc_connector: yield* OidcConnector, oidc_namespace: yield* OidcNamespace })
  })
)

/**
 * Tokens of every mode: runs go on under the identity they began with, whatever auth type is set today.
 */
export const layer: Layer.Layer<Acquisition, never, Pat | OAuthM2M | OidcConnector | OidcNamespace> = Layer.effect(
  Acquisition,
  Effect.gen(function* () {
    return make({
      pat: yield* Pat,
      oauth_m2m: yield* OAuthM2M,
      oidc_connector: yield* OidcConnector,
      oidc_namespace: yield* OidcNamespace
    })
  })
)
