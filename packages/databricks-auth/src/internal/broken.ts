import { AuthError, CredentialsBroken } from "../AuthError.ts"

/**
 * The error of a source whose credential is not whole, as a sentence and what to do.
 */
export const broken = (source: string, problem: string, remedy: string): AuthError =>
  new AuthError({ reason: new CredentialsBroken({ source, problem, remedy }) })
