/**
 * The header `User-Agent` of every request to Databricks, in the form of Databricks' SDKs: tokens of `name/value`, the
 * product first. Databricks' audit log keeps it, and so tells what called and how it had logged in.
 */
import { version } from "../internal/version.ts"

const product = `flyte-databricks/${version} lang/js node/${process.versions.node} os/${process.platform}`

/**
 * As the requests of this auth type have it; none where nobody logs in.
 */
export const userAgent = (authType?: string): string =>
  authType === undefined ? product : `${product} auth/${authType}`
