/**
 * Whether the namespace of a request's identities is its own, in which Flyte keeps the workflow, or is made by the
 * operator's template, and may not exist.
 */
import type { ConnectorSettings } from "./ConnectorSettings.ts"

export const isMade = ({ namespaceTemplate }: Pick<ConnectorSettings["Service"], "namespaceTemplate">): boolean =>
  namespaceTemplate !== "{namespace}"
