/**
 * Names that end up in the paths of Kubernetes requests.
 */

/** RFC 1123 label, what a namespace is. */
export const isNamespace = (name: string): boolean => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)

/** RFC 1123 subdomain, what the name of a Secret is. */
export const isObjectName = (name: string): boolean =>
  name.length <= 253 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(name)
