/**
 * The settings of the environment: names that nothing reads, and values that contradict each other.
 */
import { type ConnectorSettings } from "@flyte-databricks/databricks-auth"
import { shown, variable } from "@flyte-databricks/databricks-auth/request/Variable"
import { NetworkSettings } from "@flyte-databricks/databricks-http"
import { Finding, type Passed } from "@flyte-databricks/diagnosis/Check"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { below, nearest } from "../../variableNames.ts"

const path = ["FLYTE", "DATABRICKS"]
const prefix = `${path.join("_")}_`

/** Every variable with the connector's prefix that is read, as docs/settings.md lists them. */
export const known: ReadonlyArray<string> = [
  "ACCESS_TOKEN",
  "ALLOWED_AUDIENCES",
  "ALLOWED_INSTANCES",
  "ALLOW_TASK_AUTH_OVERRIDE",
  "AUDIT",
  "AUDIT_REQUIRED",
  "AUTH_TYPE",
  "CA_FILE",
  "CALLERS",
  "CLIENT_ID",
  "CLIENT_SECRET",
  "CREATE_PATIENCE",
  "DRAIN_DELAY",
  "DRAIN_TIMEOUT",
  "GETS_PER_SECOND",
  "INSTANCE",
  "LISTEN",
  "LISTEN_HOST",
  "LISTEN_PORT",
  "LOG_FORMAT",
  "LOG_LEVEL",
  "MAX_CONCURRENT_REQUESTS",
  "MAX_CONCURRENT_STREAMS",
  "MAX_CONNECTION_AGE",
  "MAX_MESSAGE_BYTES",
  "METADATA_KEY_FILE",
  "METADATA_SIGNATURES",
  "METRICS_NAMESPACES",
  "NAMESPACES",
  "NAMESPACE_IDENTITY",
  "NAMESPACE_TEMPLATE",
  "OAUTH_SECRET_NAME",
  "OIDC_AUDIENCE",
  "OIDC_TOKEN_FILE",
  "ORG_LABEL",
  "PERSIST_PAT",
  "POLL_PATIENCE",
  "PROMETHEUS_PORT",
  "SERVICE_CREDENTIAL_PROVIDER",
  "STATUSZ_TOKEN",
  "SUBMITS_PER_SECOND",
  "TASK_TOKEN_FILE_DIRS",
  "TASK_TYPES",
  "TLS_ALLOWED_CLIENTS",
  "TLS_CERT_FILE",
  "TLS_CLIENT_CA_FILE",
  "TLS_KEY_FILE",
  "TOKEN_SECRET_NAME",
  "WORKSPACE_ID"
].map((name) => `${prefix}${name}`)

const secrets: ReadonlySet<string> = new Set([
  `${prefix}STATUSZ_TOKEN`,
  `${prefix}ACCESS_TOKEN`,
  `${prefix}CLIENT_SECRET`
])

/** What is set, by the variable that says it; of a secret that it is there. */
const facts = Effect.gen(function* () {
  const set = yield* Effect.forEach(known, (name) =>
    Effect.map(
      variable(name),
      Option.map((value) => [name, value] as const)
    )
  )
  const proxy = yield* NetworkSettings.httpsProxy
  const noProxy = yield* NetworkSettings.noProxy
  return Object.fromEntries([
    ...set.flatMap(Option.toArray).map(([name, value]) => [name, secrets.has(name) ? "(set)" : shown(value, 500)]),
    // It may hold a password: the host alone is shown.
    ...Option.toArray(proxy).map((url) => ["HTTPS_PROXY", hostOf(Redacted.value(url))]),
    ...Option.toArray(noProxy).map((hosts) => ["NO_PROXY", shown(hosts, 500)])
  ])
})

const hostOf = (proxy: string): string =>
  URL.parse(proxy.includes("://") ? proxy : `http://${proxy}`)?.host ?? "(not shown)"

/** Whether \`serve\` would start with them, and what is odd about them. */
export const examine = Effect.fnUntraced(function* (
  described: Described,
  serving: Result.Result<unknown, { readonly message: string }>
): Effect.fn.Return<Passed<void>> {
  return {
    value: undefined,
    text: Result.isSuccess(serving) ? "serve would start with these settings." : "",
    facts: yield* Effect.orDie(facts),
    noticed: [
      ...(Result.isSuccess(serving) ? [] : [new Finding({ code: "FDC001", detail: serving.failure.message })]),
      ...(yield* unknown),
      ...contradictions(described),
      ...allowList(described)
    ]
  }
})

/** Variables that look like settings of the connector and are none. */
export const unknown: Effect.Effect<ReadonlyArray<Finding>> = ConfigProvider.ConfigProvider.pipe(
  Effect.flatMap((environment) => below(environment, path)),
  Effect.orElseSucceed((): ReadonlyArray<string> => []),
  Effect.map((names) =>
    names
      .filter((name) => !known.includes(name))
      .toSorted()
      .map((name) => new Finding({ code: "FDC002", detail: `${name.slice(0, 100)}${meantBy(name)}.` }))
  )
)

const meantBy = (name: string): string => {
  const meant = nearest(name, known)
  return meant !== undefined && meant.distance <= 4 ? `: ${meant.name} is one` : ""
}

type Described = ReadonlyArray<ConnectorSettings.Described>

/** Settings that mean nothing beside others. */
const contradictions = (settings: Described): ReadonlyArray<Finding> => {
  const valueOf = (option: ConnectorSettings.Described["option"]) =>
    settings.find((setting) => setting.option === option)
  const set = (option: ConnectorSettings.Described["option"]) => valueOf(option)?.isSet === true
  const is = (option: ConnectorSettings.Described["option"], value: string) =>
    valueOf(option)?.value.toLowerCase() === value
  const noOverride = is("allowTaskAuthOverride", "false")
  const found: ReadonlyArray<readonly [boolean, string]> = [
    [
      noOverride && set("taskTokenFileDirs"),
      "FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS lists what tasks may name, and FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false lets them name nothing"
    ],
    [
      noOverride && set("allowedAudiences"),
      "FLYTE_DATABRICKS_ALLOWED_AUDIENCES lists what tasks may ask for, and FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false lets them ask for nothing"
    ],
    [
      set("workspaceId") && !set("instance"),
      "the id of a workspace belongs to FLYTE_DATABRICKS_INSTANCE, which is not set"
    ],
    [
      is("namespaceIdentity", "ignore") && set("namespaceTemplate"),
      "FLYTE_DATABRICKS_NAMESPACE_TEMPLATE names namespaces, and FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore never looks into one"
    ],
    [
      is("namespaceIdentity", "require") && set("oidcTokenFile"),
      "FLYTE_DATABRICKS_OIDC_TOKEN_FILE is for an identity that namespaces share, and FLYTE_DATABRICKS_NAMESPACE_IDENTITY=require refuses those"
    ],
    [
      (is("authType", "pat") || is("authType", "oauth_m2m")) && set("oidcTokenFile") && noOverride,
      "FLYTE_DATABRICKS_OIDC_TOKEN_FILE is for oidc_federation, and FLYTE_DATABRICKS_AUTH_TYPE is another"
    ]
  ]
  return found.flatMap(([holds, detail]) => (holds ? [new Finding({ code: "FDC003", detail: `${detail}.` })] : []))
}

/** Whether credentials of namespaces may go to any workspace. */
const allowList = (settings: Described): ReadonlyArray<Finding> =>
  settings.some(({ option, isSet }) => isSet && (option === "instance" || option === "allowedInstances"))
    ? []
    : [
        new Finding({
          code: "FDC011",
          detail: "Neither FLYTE_DATABRICKS_ALLOWED_INSTANCES nor FLYTE_DATABRICKS_INSTANCE is set."
        })
      ]
