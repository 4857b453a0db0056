import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted, Result } from "effect"
import { jwt } from "../support/jwt.ts"
import { product } from "./Combination.ts"
import { type Case, clientIds, dimensions, type PlaceName, verdict } from "./NamesOracle.ts"

const namespace = "team-a"
const jwtFile = (path: string) => ({ [path]: jwt() })
const pairOf = (clientId: string) => ({ client_id: clientId, client_secret: "s" })

/** A connector for everything that is configured once: cases that share it are asked of one, as in life. */
const connectorOf = ({ exists, authType, namespaceIdentity }: Case) => {
  const has = (what: Case["exists"]) => exists === "everything" || exists === what
  return DatabricksAuth.layerMemory({
    settings: {
      instance: "dbc-a1b2.cloud.databricks.com",
      namespaceIdentity,
      authType: authType === "unset" ? undefined : authType,
      taskTokenFileDirs: ["/jwt"]
    },
    connector: has("the connector's")
      ? {
          FLYTE_DATABRICKS_ACCESS_TOKEN: "dapi-connector",
          FLYTE_DATABRICKS_CLIENT_ID: clientIds["the connector's"],
          FLYTE_DATABRICKS_CLIENT_SECRET: "s"
        }
      : {},
    files: {
      ...jwtFile("/jwt/named"),
      ...(has("the connector's") ? jwtFile("/var/run/secrets/databricks/token") : {})
    },
    secrets: {
      ...(has("Secrets")
        ? {
            [`${namespace}/databricks-token`]: { token: "dapi-a" },
            [`${namespace}/databricks-oauth`]: pairOf(clientIds["the Secret's"])
          }
        : {}),
      [`${namespace}/token-whole`]: { token: "dapi-named" },
      [`${namespace}/token-broken`]: {},
      [`${namespace}/oauth-whole`]: pairOf(clientIds["the named Secret's"]),
      [`${namespace}/oauth-broken`]: { client_id: clientIds["the named Secret's"] }
    },
    serviceAccounts: has("a ServiceAccount")
      ? {
          [`${namespace}/spark`]: {
            labels: { "flyte.org/databricks-enabled": "true" },
            annotations: { "flyte.org/databricks-client-id": clientIds["the ServiceAccount's"] }
          }
        }
      : {}
  })
}

const taskOf = ({ tokenSecret, oauthSecret, clientId, file, connection }: Case) => ({
  namespace,
  settings: {
    tokenSecretName: tokenSecret === "unset" ? undefined : `token-${tokenSecret}`,
    oauthSecretName: oauthSecret === "unset" ? undefined : `oauth-${oauthSecret}`,
    clientId: clientId === "unset" ? undefined : clientIds[clientId],
    oidcTokenFile: file === "unset" ? undefined : file === "whole" ? "/jwt/named" : "/jwt/missing",
    connectionSecretName: connection.endsWith("named") ? "a-secret-of-flyte" : undefined
  },
  ...(connection === "none"
    ? {}
    : {
        connection: {
          databricksToken: Option.some(Redacted.make(connection.startsWith("whole") ? "dapi-request" : ""))
        }
      })
})

const placeOf = ({ identity }: DatabricksAuth.Resolved): PlaceName => {
  switch (identity._tag) {
    case "oidc_namespace":
      return "oidc_namespace/namespace"
    case "oidc_connector":
      return "oidc_connector/connector"
    case "extension":
      return assert.fail("no mode of another package is in the list")
    default: {
      const at = { NamespaceSecret: "namespace", ConnectorLevel: "connector", RequestSecret: "request" } as const
      assert(identity.origin._tag !== "Unrecorded" && identity.origin._tag !== "StoredToken")
      return `${identity._tag}/${at[identity.origin._tag]}` as PlaceName
    }
  }
}

const cases = product(dimensions)

describe(`what a task names is that one or an error, in ${cases.length} cases`, () => {
  for (const [situation, members] of Map.groupBy(cases, (one) => `${one.authType}, ${one.exists}`)) {
    it.effect(`auth type ${situation} beside it`, () =>
      Effect.gen(function* () {
        const differences: Array<string> = []
        for (const sharing of Map.groupBy(members, (one) => one.namespaceIdentity).values()) {
          yield* Effect.gen(function* () {
            const auth = yield* DatabricksAuth.DatabricksAuth
            for (const one of sharing) {
              const resolved = yield* Effect.result(auth.resolve(taskOf(one)))
              const seen = Result.match(resolved, { onSuccess: placeOf, onFailure: () => "error" as const })
              if (seen !== verdict(one))
                differences.push(`${JSON.stringify(one)}: expected ${verdict(one)}, got ${seen}`)
            }
          }).pipe(Effect.provide(connectorOf(sharing[0]!)))
        }
        if (differences.length > 0) {
          assert.fail(`${differences.length} differences, the first:\n- ${differences.slice(0, 5).join("\n- ")}`)
        }
      })
    )
  }
})
