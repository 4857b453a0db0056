/** Databricks, and the way there. */
import { type Entries, error, shown, warning } from "./entry.ts"

export const databricks = {
  FDC401: shown(
    "token-endpoint-unavailable",
    "The workspace is not reached, or fails",
    "Look at the way there: DNS, egress, HTTPS_PROXY, FLYTE_DATABRICKS_CA_FILE.",
    "and gave no token; the last answer"
  ),
  FDC402: shown(
    "certificate-not-trusted",
    "The certificate on the way to the workspace is not trusted",
    "If a proxy opens TLS, name its authority's file in FLYTE_DATABRICKS_CA_FILE.",
    "if its authority is your company's"
  ),
  FDC403: shown(
    "token-endpoint-down",
    "The token endpoint fails for everybody",
    "Wait: it is tried again, and once it answers all is as before.",
    "has given no token to anyone since"
  ),
  FDC404: shown(
    "rate-limited",
    "The token endpoint asks to wait",
    "Wait as long as it asks.",
    "It asks for … before the next try"
  ),
  FDC405: shown(
    "client-secret-refused",
    "The client secret is refused",
    "Make a new secret of the service principal; see that the principal is in this account and workspace.",
    "refused client … Its credentials came from"
  ),
  FDC406: error(
    "fdc406",
    "What answers is not a Databricks workspace",
    "Check the host name, and whether a proxy or a login page answers in its place."
  ),
  FDC407: shown(
    "not-in-workspace",
    "The principal is not in the workspace, or lacks the grant",
    "Add it to the workspace, and give it there what its jobs need.",
    "is not in this workspace or lacks a permission there"
  ),
  FDC408: error(
    "fdc408",
    "The workspace does not accept the token",
    "Replace the token: it was revoked, or is of another workspace."
  ),
  FDC409: error(
    "fdc409",
    "The workspace answers, but not as it should",
    "Ask again later; the message has its answer."
  ),
  FDC410: warning(
    "fdc410",
    "The clocks here and at Databricks differ",
    "Set this machine's clock (NTP): a JWT that is not valid yet, or no more, is refused."
  ),
  FDC411: error("fdc411", "The name of the workspace is not found", "Check the host name and the pod's DNS."),
  FDC412: error(
    "fdc412",
    "The proxy refuses the way to the workspace",
    "Give HTTPS_PROXY its user and password, and let the proxy open tunnels to the workspace's port."
  )
} as const satisfies Entries
