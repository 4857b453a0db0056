/**
 * Commands that a person pastes into a shell. What they hold is foreign text, so each value is quoted.
 */
import type { Jwt } from "@flyte-databricks/databricks-auth"

/** A word that a POSIX shell takes as it is. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

/** The federation policy that lets such a JWT in; none where no policy can. */
export const federationPolicy = ({ iss, sub, audiences }: Jwt.Claims): object | undefined =>
  iss?.startsWith("https://") && sub !== undefined && audiences.length > 0
    ? { oidc_policy: { issuer: iss, audiences, subject: sub } }
    : undefined

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
