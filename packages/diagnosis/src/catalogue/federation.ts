/** OIDC federation: JWTs, their issuer, and the policies that let them in. */
import { type Entries, error, shown, warning } from "./entry.ts"

export const federation = {
  FDC301: shown(
    "jwt-refused",
    "No federation policy lets the JWT in",
    "Create the policy, or make the one that is there say the same. If it has inline jwks_json, put the issuer's keys of today there.",
    "refused client … The JWT, of"
  ),
  FDC302: warning(
    "fdc302",
    "Databricks cannot reach the issuer, whose address is private",
    "Put its keys into the federation policy: as text under jwks_json, what `kubectl get --raw /openid/v1/jwks` prints."
  ),
  FDC303: warning(
    "fdc303",
    "The issuer's keys could not be fetched from here",
    "See whether Databricks can: the URL has to answer from the internet. Otherwise the policy needs inline jwks_json."
  ),
  FDC304: warning(
    "fdc304",
    "The issuer calls itself otherwise than the JWT does",
    "Make both the same, to the last character: Databricks compares them byte for byte."
  ),
  FDC305: warning(
    "fdc305",
    "The issuer does not publish the key that signed the JWT",
    "Publish the API server's keys of today at the issuer's jwks_uri, and in policies with inline jwks_json."
  ),
  FDC306: error(
    "fdc306",
    "The access token is another principal's",
    "See which service principals have a policy for this subject: the client id decides between them."
  ),
  FDC307: warning(
    "fdc307",
    "The projected token is not for the audience",
    "Give the projected volume the audience of FLYTE_DATABRICKS_OIDC_AUDIENCE."
  ),
  FDC308: warning(
    "fdc308",
    "The projected token is about to expire and was not rotated",
    "See whether the kubelet is well, and whether the file is of a projected volume."
  )
} as const satisfies Entries
