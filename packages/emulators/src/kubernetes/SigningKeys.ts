/**
 * The keys that ServiceAccount tokens are signed with. They are made when first needed, since an RSA key takes a while.
 */
import * as Effect from "effect/Effect"
import * as Jose from "jose"

/** How tokens are signed. */
export type SigningAlgorithm = "RS256" | "ES256"

/** What `rotateSigningKey` takes. */
export interface RotateOptions {
  /** How the new key signs; by default as the one before it. */
  readonly algorithm?: SigningAlgorithm | undefined
  /** Whether the keys so far are no longer published, so that what they signed is refused; by default they stay. */
  readonly withdraw?: boolean | undefined
}

interface SigningKey {
  readonly algorithm: SigningAlgorithm
  readonly kid: string
  readonly privateKey: Jose.CryptoKey
  readonly publicJwk: Jose.JWK
}

const generate = async (algorithm: SigningAlgorithm): Promise<SigningKey> => {
  const { privateKey, publicKey } = await Jose.generateKeyPair(algorithm, { extractable: true })
  const jwk = await Jose.exportJWK(publicKey)
  const kid = await Jose.calculateJwkThumbprint(jwk)
  return { algorithm, kid, privateKey, publicJwk: { use: "sig", ...jwk, kid, alg: algorithm } }
}

const signWith = (key: SigningKey, kid: string, claims: Jose.JWTPayload) =>
  new Jose.SignJWT(claims).setProtectedHeader({ alg: key.algorithm, kid }).sign(key.privateKey)

/** Makes the keys of one issuer. */
export const make = (algorithm: SigningAlgorithm = "RS256") => {
  // Promises, so that all who ask at once wait for the same key.
  let published: ReadonlyArray<Promise<SigningKey>> = []
  let current = algorithm

  const signing = () => {
    const last = published.at(-1) ?? generate(current)
    if (published.length === 0) published = [last]
    return last
  }

  return {
    /** Signs with the newest key. */
    sign: (claims: Jose.JWTPayload) =>
      Effect.promise(async () => {
        const key = await signing()
        return signWith(key, key.kid, claims)
      }),
    /** Signs with a key nobody knows, in the newest key's name. */
    forge: (claims: Jose.JWTPayload) =>
      Effect.promise(async () => {
        const { algorithm, kid } = await signing()
        return signWith(await generate(algorithm), kid, claims)
      }),
    /** The public keys, oldest first. */
    jwks: Effect.promise(async (): Promise<Jose.JSONWebKeySet> => {
      await signing()
      return { keys: (await Promise.all(published)).map(({ publicJwk }) => publicJwk) }
    }),
    /** Signs with a new key from now on, and gives its id. */
    rotate: (options: RotateOptions = {}) =>
      Effect.promise(async () => {
        const before = signing()
        current = options.algorithm ?? current
        const next = generate(current)
        published = options.withdraw === true ? [next] : [...published, next]
        await before
        return (await next).kid
      })
  }
}

export type SigningKeys = ReturnType<typeof make>
