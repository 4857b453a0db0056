/**
 * Commands of Databricks' CLI that mend what an error is about, for a person to paste into a shell. What they hold is
 * foreign text, so each value is quoted.
 */

/** A word that a POSIX shell takes as it is. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

/** Finds the number by which the account's API knows a service principal. */
export const findPrincipal = (clientId: string): string =>
  `SP_ID=$(databricks account service-principals list --filter ${quoted(`applicationId eq "${clientId}"`)} --output json | jq -r '.[0].id')`

/** Creates a federation policy of a service principal. */
export const createPolicy = (clientId: string, policy: object): string =>
  `${findPrincipal(clientId)}\n` +
  `databricks account service-principal-federation-policy create "$SP_ID" --json ${quoted(JSON.stringify(policy))}`

/** Adds a service principal to a workspace. */
export const assignWorkspace = (clientId: string, workspaceId: string): string =>
  `${findPrincipal(clientId)}\n` +
  `databricks account workspace-assignment update ${quoted(workspaceId)} "$SP_ID" --json '{"permissions": ["USER"]}'`
