import { Jwt } from "@flyte-databricks/databricks-auth"
import { Option } from "effect"
import { Base64Url } from "effect/encoding"

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
export const jwtText = (claims: object = connectorClaims, header: object = { alg: "RS256" }): string =>
  [...[header, claims].map((part) => Base64Url.encode(JSON.stringify(part))), signature].join(".")

export const jwt = (claims: object = connectorClaims): Jwt.Jwt => Option.getOrThrow(Jwt.parse(jwtText(claims)))
