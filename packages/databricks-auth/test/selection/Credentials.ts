/** What the credentials in these worlds are called, so that a header, an error or a log line tells whose it shows. */

/** Every secret value, every JWT and every token holds this text, so that a leak of any of them shows. */
export const secretMark = "s3cr3t"

/** Who owns what is configured once, on the connector. */
export const connector = "the-connector"

export const patOf = (owner: string): string => `dapi-${secretMark}-${owner}`
export const clientIdOf = (owner: string): string => `client-of-${owner}`
export const clientSecretOf = (clientId: string): string => `${secretMark}-${clientId}`

/** How a client proves who it is: by its secret, or by the JWT of this subject. */
export const bySecret = "its-secret"

/** A token says who got it, with what proof, and for which workspace. */
export const tokenOf = (clientId: string, proof: string, workspace: string): string =>
  `token-${secretMark}-${clientId}-by-${proof}-for-${workspace}`

/** A host that serves several workspaces, and two of them: the operator's own, and another one that tasks name. */
export const unifiedHost = "acme.databricks.com"
export const workspaces = [`${unifiedHost}?o=1`, `${unifiedHost}?o=2`] as const
