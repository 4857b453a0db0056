/**
 * The variables that say how Databricks is reached. As everywhere, a blank value counts as unset.
 */
import { variable } from "@flyte-databricks/databricks-auth/request/Variable"
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

const firstOf = (lower: string, upper: string): Config.Config<Option.Option<string>> =>
  Config.all([variable(lower), variable(upper)]).pipe(
    Config.map(([first, second]) => Option.orElse(first, () => second))
  )

/** The proxy to Databricks. It may hold a password. */
export const httpsProxy = firstOf("https_proxy", "HTTPS_PROXY").pipe(
  Config.map(Option.map((url) => Redacted.make(url)))
)

/** What is reached without the proxy: names, `.suffixes`, `*.wildcards`, each with a port or without, or `*`. */
export const noProxy = firstOf("no_proxy", "NO_PROXY")

/** The variable that names the file of certificate authorities. */
export const caFileName = "FLYTE_DATABRICKS_CA_FILE"

/** A file of certificate authorities to trust at Databricks and the proxy, beside those that Node.js trusts. */
export const caFile = variable(caFileName)

/** Node.js takes "0" for a wish not to verify certificates. */
export const verifiesCertificates = variable("NODE_TLS_REJECT_UNAUTHORIZED")
