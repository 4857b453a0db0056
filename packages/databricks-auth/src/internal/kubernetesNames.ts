/**
 * Names that end up in the paths of Kubernetes requests.
 */
import * as Result from "effect/Result"
import type { AuthError } from "../AuthError.ts"
import { invalid, looksLikeSecret } from "./settings.ts"

/** RFC 1123 label, what a namespace is. */
export const isNamespace = (name: string): boolean => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)

/** RFC 1123 subdomain, what the name of an object is. */
export const isObjectName = (name: string): boolean =>
  name.length <= 253 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(name)

/** The name of a Secret, and not what should be inside of it. */
export const isSecretName = (name: string): boolean => isObjectName(name) && !looksLikeSecret(name)

/**
 * The name of a Secret, as a setting gives it.
 */
export const secretName = (setting: string, name: string): Result.Result<string, AuthError> =>
  isSecretName(name) ? Result.succeed(name) : Result.fail(invalid(setting, name, "the name of a Kubernetes Secret"))
