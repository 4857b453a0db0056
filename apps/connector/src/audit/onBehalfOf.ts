/**
 * For whom a task is run, as requests of both versions of Flyte say it.
 */
import type { OnBehalfOf } from "./decisions.ts"

interface Metadata {
  readonly k8sServiceAccount: string
  readonly identity?: { readonly executionIdentity: string; readonly k8sServiceAccount: string } | undefined
}

/** What is said of the user and of the ServiceAccount; nothing where flyteadmin knows neither. */
export const onBehalfOf = (metadata: Metadata | undefined): OnBehalfOf => {
  const user = metadata?.identity?.executionIdentity
  const serviceAccount = metadata?.k8sServiceAccount || metadata?.identity?.k8sServiceAccount
  return { ...(user ? { user } : {}), ...(serviceAccount ? { serviceAccount } : {}) }
}
