/**
 * How a setting is read, here and by the services on this core: trimmed, and a blank one is unset.
 */
export { commaSeparated, nonBlank, variable } from "../internal/settings.ts"
