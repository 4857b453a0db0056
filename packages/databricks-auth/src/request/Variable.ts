/**
 * How a setting is read, here and by the services on this core: trimmed, and a blank one is unset. Errors show a value
 * unless it looks like a secret.
 */
export { commaSeparated, nonBlank, shown, variable } from "../internal/settings.ts"
