/**
 * What a namespace needs to be somebody on Databricks, with the values of this cluster: manifests, the federation policy,
 * the commands of the Databricks CLI, and how to check it. Nothing is changed here.
 */
import { ServiceAccountTokens } from "@flyte-databricks/databricks-auth"
import * as commands from "@flyte-databricks/databricks-auth/DatabricksCli"
import { isPrivate } from "@flyte-databricks/diagnosis/checks/issuer"

export const modes = ["oidc", "m2m", "pat"] as const
export type Mode = (typeof modes)[number]

/** What is filled in. Words in capitals stand for what only the reader knows. */
export interface Values {
  readonly namespace: string
  readonly mode: Mode
  readonly applicationId: string
  readonly issuer: string
  readonly audience: string
  readonly instance: string
  readonly tokenSecretName: string
  readonly oauthSecretName: string
  /** The connector's ServiceAccount. */
  readonly connector: { readonly namespace: string; readonly name: string }
}

/** In place of an issuer that nobody tells. */
export const unknownIssuer = "https://ISSUER"

const serviceAccount = "databricks"

const { clientIdAnnotation, enabledLabel } = ServiceAccountTokens

type Json = string | boolean | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** The objects that `kubectl apply` takes. */
export const objects = (values: Values): ReadonlyArray<{ readonly [key: string]: Json }> => [
  ...brought(values),
  ...rights(values)
]

const brought = ({ namespace, mode, applicationId, tokenSecretName, oauthSecretName }: Values) => {
  const secret = (name: string, stringData: { readonly [key: string]: Json }) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace },
    stringData
  })
  switch (mode) {
    case "oidc":
      return [
        {
          apiVersion: "v1",
          kind: "ServiceAccount",
          metadata: {
            name: serviceAccount,
            namespace,
            labels: { [enabledLabel]: "true" },
            annotations: { [clientIdAnnotation]: applicationId }
          },
          automountServiceAccountToken: false
        }
      ]
    case "m2m":
      return [secret(oauthSecretName, { client_id: applicationId, client_secret: "OAUTH_SECRET" })]
    case "pat":
      return [secret(tokenSecretName, { token: "PERSONAL_ACCESS_TOKEN" })]
  }
}

const rights = ({ namespace, mode, tokenSecretName, oauthSecretName, connector }: Values) => {
  const named = { oidc: "oidc-namespace", m2m: "oauth-m2m", pat: "pat" }[mode]
  const metadata = { name: `flyteconnector-databricks-${named}`, namespace }
  const rule = (resource: string, verb: string, name?: string) => ({
    apiGroups: [""],
    resources: [resource],
    ...(name === undefined ? {} : { resourceNames: [name] }),
    verbs: [verb]
  })
  const rules = {
    oidc: [rule("serviceaccounts", "list"), rule("serviceaccounts/token", "create", serviceAccount)],
    m2m: [rule("secrets", "get", oauthSecretName)],
    pat: [rule("secrets", "get", tokenSecretName)]
  }[mode]
  const apiGroup = "rbac.authorization.k8s.io"
  return [
    { apiVersion: `${apiGroup}/v1`, kind: "Role", metadata, rules },
    {
      apiVersion: `${apiGroup}/v1`,
      kind: "RoleBinding",
      metadata,
      roleRef: { apiGroup, kind: "Role", name: metadata.name },
      subjects: [{ kind: "ServiceAccount", name: connector.name, namespace: connector.namespace }]
    }
  ]
}

/** Objects as YAML: each text in quotes, as JSON has it, which YAML takes too. */
export const toYaml = (values: Values): string =>
  objects(values)
    .map((object) => block(object, ""))
    .join("---\n")

const block = (object: { readonly [key: string]: Json }, indent: string): string =>
  Object.entries(object)
    .map(([key, value]) => `${indent}${/^[\w./-]+$/.test(key) ? key : JSON.stringify(key)}:${valueOf(value, indent)}`)
    .join("")

const valueOf = (value: Json, indent: string): string => {
  if (typeof value === "string" || typeof value === "boolean") return ` ${JSON.stringify(value)}\n`
  if (!isList(value)) return `\n${block(value, `${indent}  `)}`
  if (value.every((item) => typeof item === "string")) return ` ${JSON.stringify(value)}\n`
  return `\n${value.map((item) => `${indent}  - ${block(item as { readonly [key: string]: Json }, `${indent}    `).trimStart()}`).join("")}`
}

const isList = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

/** The federation policy that lets the namespace's ServiceAccount in. */
export const policy = ({ issuer, audience, namespace }: Values): object => ({
  oidc_policy: { issuer, audiences: [audience], subject: `system:serviceaccount:${namespace}:${serviceAccount}` }
})

/** Everything in the order in which it is to be done. */
export const toCommands = (values: Values): string => {
  const { mode, namespace, applicationId, instance } = values
  const manifests = (objectsOf: ReadonlyArray<{ readonly [key: string]: Json }>) =>
    `kubectl apply -f - <<'EOF'\n${objectsOf.map((object) => block(object, "")).join("---\n")}EOF`
  const steps: ReadonlyArray<string> = {
    oidc: [
      `# 1. The federation policy of service principal ${applicationId}. It takes effect within two minutes.\n${keysToo(values)}${commands.createPolicy(applicationId, policy(values))}`,
      `# 2. The namespace's ServiceAccount, and the connector's rights to it.\n${manifests(objects(values))}`
    ],
    m2m: [
      `# 1. An OAuth secret of service principal ${applicationId}. It is shown once.\n${commands.findPrincipal(applicationId)}\ndatabricks account service-principal-secrets create "$SP_ID"`,
      `# 2. The namespace's Secret, without leaving it in the shell's history.\nread -rs OAUTH_SECRET\nkubectl create secret generic ${values.oauthSecretName} --namespace ${namespace} \\\n  --from-literal=client_id=${commands.quoted(applicationId)} --from-literal=client_secret="$OAUTH_SECRET"`,
      `# 3. The connector's right to read it.\n${manifests(rights(values))}`
    ],
    pat: [
      `# 1. A personal access token, of whoever the CLI is logged in as. It is shown once.\ndatabricks auth login --host ${commands.quoted(instance)}\ndatabricks tokens create --comment flyte-${namespace} --lifetime-seconds 7776000`,
      `# 2. The namespace's Secret, without leaving it in the shell's history.\nread -rs TOKEN\nkubectl create secret generic ${values.tokenSecretName} --namespace ${namespace} --from-literal=token="$TOKEN"`,
      `# 3. The connector's right to read it.\n${manifests(rights(values))}`
    ]
  }[mode]
  return [...steps, `# Last, whether it works, where the connector runs.\n${check(values)}`].join("\n\n")
}

// Databricks fetches an issuer's keys where it can.
const keysToo = ({ issuer }: Values): string =>
  issuer !== unknownIssuer && isPrivate(URL.parse(issuer)?.hostname ?? "")
    ? "# The issuer's address is private: give the policy the issuer's keys too, as text under jwks_json.\n" +
      "# This prints them: kubectl get --raw /openid/v1/jwks\n"
    : ""

/** How it is checked. */
const check = ({ namespace }: Values): string => `connector explain --namespace ${namespace}`
