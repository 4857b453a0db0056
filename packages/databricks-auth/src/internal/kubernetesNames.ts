/**
 * Names that end up in the paths of Kubernetes requests.
 */

import { looksLikeSecret } from "./settings.ts"

/** RFC 1123 label, what a namespace is. */
export const isNamespace = (name: string): boolean => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)

/** RFC 1123 subdomain, what the name of an object is. */
export const isObjectName = (name: string): boolean =>
  name.length <= 253 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(name)

/** The name of a Secret, and not what should be inside of it. */
export const isSecretName = (name: string): boolean => isObjectName(name) && !looksLikeSecret(name)
