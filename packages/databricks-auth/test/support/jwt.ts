import type { Jwt } from "@flyte-databricks/databricks-auth"
import { IdToken } from "@flyte-databricks/databricks-auth/testing"

/** What the connector's own JWT says, unless a test says otherwise. */
export const connectorClaims = {
  iss: "https://oidc.eks.eu-west-1.amazonaws.com/id/AB12",
  sub: "system:serviceaccount:flyte:connector",
  aud: ["databricks"],
  exp: 3600
}

/** Signature of every JWT here: what must never be shown. */
export const signature = "S3cr3tM4rk3rS1gn4tur3"

/** A JWT in its compact form. */
export const jwtText = (claims: object = connectorClaims, header?: object): string =>
  IdToken.text(claims, { signature, ...(header === undefined ? {} : { header }) })

export const jwt = (claims: object = connectorClaims): Jwt.Jwt => IdToken.make(claims, { signature })
