import {
  AuthError,
  type Token,
  Identity,
  type Credential,
  TokenPolicy,
  WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import { PinnedRandom } from "@flyte-databricks/databricks-auth/testing"
import * as TokenCache from "@flyte-databricks/databricks-auth/tokens/TokenCache"
import { Clock, Duration, Effect, Layer, Redacted, Ref } from "effect"
import { instance } from "./environment.ts"

export const host = WorkspaceHost.WorkspaceHost.make(instance)

/** The PAT of a namespace. */
const patOf = (namespace: string): Identity.PatIdentity =>
  new Identity.PatIdentity({
    instance: host,
    origin: Identity.NamespaceSecret.make({ namespace, name: "databricks-token" })
  })

/** A namespace's credential, to get a token for. */
export const credentialOf = (namespace: string, storedToken?: string): Credential.Credential => ({
  identity: patOf(namespace),
  ...(storedToken === undefined ? {} : { storedToken: Redacted.make(storedToken) })
})

export const token = (value: string, lifetime: Duration.Input = "1 hour", builtFrom = "s1"): Token.Token => ({
  value: Redacted.make(value),
  lifetime: Duration.fromInputUnsafe(lifetime),
  builtFrom: Redacted.make(builtFrom)
})

/** A failure that may pass. */
export const outage = new AuthError.AuthError({
  reason: new AuthError.TokenEndpointUnavailable({ endpoint: "e", detail: "status 503", attempts: 1 })
})

/** A failure that does not pass by itself. */
export const refusal = new AuthError.AuthError({
  reason: new AuthError.TokenRefused({
    endpoint: "e",
    clientId: "c",
    source: "s",
    status: 401,
    error: "invalid_client"
  })
})

/** Jitter that changes nothing: moments are what the policy says. */
export const withoutJitter = PinnedRandom.layer

/** The usual policy but for this. */
export const policy = (change: Partial<TokenPolicy.Policy>) =>
  Layer.succeed(TokenPolicy.TokenPolicy, { ...TokenPolicy.defaults, ...change })

export const bearer = ({ authorization }: Credential.AuthHeader): string => Redacted.value(authorization)

/** One request for a token, as the cache made it. */
export interface Asked {
  readonly credential: Credential.Credential
  readonly refused: boolean
  readonly at: number
  readonly tries: Token.Tries
}

/**
 * A cache over this function, which learns the number of the request; and what the cache asked for. Each call makes a
 * new one, which lives as long as the scope around it.
 */
export const makeCache = (respond: (asked: Asked, count: number) => Effect.Effect<Token.Token, AuthError.AuthError>) =>
  Effect.gen(function* () {
    const asked = yield* Ref.make<ReadonlyArray<Asked>>([])
    const cache = yield* TokenCache.make((credential, refused, tries) =>
      Effect.gen(function* () {
        const one: Asked = { credential, refused, at: yield* Clock.currentTimeMillis, tries }
        const all = yield* Ref.updateAndGet(asked, (all) => [...all, one])
        return yield* respond(one, all.length)
      })
    )
    return { ...cache, asked: Ref.get(asked) }
  })
