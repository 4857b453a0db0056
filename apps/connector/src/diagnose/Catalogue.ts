/**
 * Every finding that there is, under a code that stays. The same code stands in the errors and logs of `serve`, in what
 * `explain` and `doctor` print, and in docs/: people and alerts look for it.
 */
import * as Predicate from "effect/Predicate"
import type { Failure } from "../call/ConnectorError.ts"

/** How much a finding matters: what is an error does not work, or will not. */
export type Level = "error" | "warning"

/** A kind of finding. */
export interface Entry {
  readonly level: Level
  /** What is wrong, in one sentence. */
  readonly text: string
  /** What to do about it. */
  readonly repair: string
  /** Where docs/ has more of it. */
  readonly anchor: string
  /** Words by which an error's message is of this kind; "…" stands for anything. */
  readonly says?: ReadonlyArray<string>
}

const of =
  (level: Level) =>
  (page: "troubleshooting" | "diagnosis") =>
  (anchor: string, text: string, repair: string, ...says: ReadonlyArray<string>): Entry => ({
    level,
    text,
    repair,
    anchor: `docs/${page}.md#${anchor}`,
    ...(says.length === 0 ? {} : { says })
  })

const error = of("error")("diagnosis")
const warning = of("warning")("diagnosis")
/** What is an error of `serve`, and has a row among those that Flyte shows. */
const shown = of("error")("troubleshooting")

const catalogue = {
  // Settings.
  FDC001: error(
    "fdc001",
    "A setting cannot be used",
    "Correct the setting that the message names; blank counts as unset."
  ),
  FDC002: warning(
    "fdc002",
    "A variable looks like a setting and is none",
    "Write the name as docs/settings.md has it, or unset the variable."
  ),
  FDC003: warning("fdc003", "Two settings contradict each other", "Unset the one that is not meant."),
  FDC004: error(
    "fdc004",
    "No workspace is named",
    "Set FLYTE_DATABRICKS_INSTANCE on the connector, or databricks_instance on the task."
  ),
  FDC005: shown(
    "instance-refused",
    "The workspace is not one that credentials may go to",
    "Name it in FLYTE_DATABRICKS_INSTANCE or FLYTE_DATABRICKS_ALLOWED_INSTANCES, if it is yours.",
    'Databricks instance "…" is refused'
  ),
  FDC006: error(
    "fdc006",
    "The request makes no valid namespace",
    "Give the parts that FLYTE_DATABRICKS_NAMESPACE_TEMPLATE asks for (--project, --domain, --org), or change the template."
  ),
  FDC007: error("fdc007", "The namespace is not served", "List it in FLYTE_DATABRICKS_NAMESPACES."),
  FDC008: shown(
    "task-override",
    "The task chooses its identity, and may not",
    "Take the keys that the message names off the task.",
    "but this connector runs with FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE=false"
  ),
  FDC009: error(
    "fdc009",
    "The identity may not be used",
    "Let the namespace bring its own, or change the setting that the message names."
  ),
  FDC010: error("fdc010", "The auth type is not served", "Choose one of those that the message names."),
  FDC011: warning(
    "fdc011",
    "Credentials of namespaces may go to every workspace of Databricks",
    "List your workspaces in FLYTE_DATABRICKS_ALLOWED_INSTANCES."
  ),

  // Kubernetes.
  FDC101: shown(
    "kubernetes-forbids",
    "Kubernetes does not let the connector look there",
    "Apply the rights of deploy/rbac, or set FLYTE_DATABRICKS_NAMESPACE_IDENTITY=ignore if namespaces bring nothing.",
    "cannot be read: Kubernetes forbids it"
  ),
  FDC102: shown(
    "kubernetes-unavailable",
    "The Kubernetes API does not answer",
    "See how the API server is, and whether a NetworkPolicy keeps the connector from it.",
    "The identity is left undecided rather than guessed"
  ),
  FDC103: warning(
    "fdc103",
    "No Kubernetes is configured, so that namespaces have nothing of their own",
    "Run the command in the connector's pod (kubectl exec), or name a kubeconfig in KUBECONFIG."
  ),
  FDC104: error(
    "fdc104",
    "The configuration of the cluster cannot be used",
    "Correct what the message names: a kubeconfig, or the pod's mounted ServiceAccount."
  ),
  FDC105: error("fdc105", "A right is missing", "Apply the manifest, or add its line to the role."),
  FDC106: warning(
    "fdc106",
    "The connector has more rights than it needs",
    "Replace the rule by that of the manifest, which names the one object."
  ),
  FDC107: warning(
    "fdc107",
    "The namespaces of the cluster may not be listed",
    "Name them with --namespace, or run the command as somebody who may list them."
  ),

  // Who a task is.
  FDC201: shown(
    "no-credentials",
    "Nothing was found anywhere",
    "Make one of the places whole: `connector onboard` prints what a namespace needs.",
    "No credentials for"
  ),
  FDC202: shown(
    "secret-not-whole",
    "The Secret is there and not whole",
    "Give it the key that it lacks, or delete it.",
    "lacks key",
    "has a blank value"
  ),
  FDC203: {
    ...shown(
      "service-account-without-client-id",
      "A ServiceAccount has the label and no client id",
      "Annotate it with flyte.org/databricks-client-id, or take the label off.",
      "none has annotation",
      "seen and skipped"
    ),
    level: "warning"
  },
  FDC204: shown(
    "two-service-accounts",
    "More than one ServiceAccount has the label",
    "Take the label off all but one.",
    "ServiceAccounts with annotation"
  ),
  FDC205: shown(
    "half-a-pair",
    "The connector has half of a credential",
    "For OAuth M2M set the client secret too; for Model 1 see whether the token is mounted.",
    "has neither a client secret nor a JWT file to go with it"
  ),
  FDC206: shown(
    "jwt-file",
    "The JWT file of the connector is not whole",
    "See whether the projected volume is there, at the path that the message names.",
    "does not exist",
    "does not hold a JWT",
    "is empty"
  ),
  FDC207: shown(
    "jwt-expired",
    "The JWT file has expired",
    "Mount a projected volume in place of a copy of a token.",
    "it is no longer rotated"
  ),
  FDC208: shown(
    "another-client-id",
    "The credential is another principal's",
    "Put the old one back, or take the demand for a client id off the task.",
    "holds client id"
  ),
  FDC209: shown(
    "credential-gone",
    "The credential of a run under way is gone",
    "Put it back until the run has ended.",
    "The identity is pinned to"
  ),
  FDC210: shown(
    "task-token-file",
    "The task names a JWT file that it may not have",
    "List its directory in FLYTE_DATABRICKS_TASK_TOKEN_FILE_DIRS, or take the key off the task.",
    "tasks may name no file on this connector",
    "is refused: it is not inside"
  ),
  FDC211: error("fdc211", "A credential is there and cannot be used", "Mend it as the message says, or remove it."),

  // OIDC federation.
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
  ),

  // Databricks, and the way there.
  FDC401: shown(
    "token-endpoint-unavailable",
    "The workspace is not reached",
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
  FDC407: error(
    "fdc407",
    "The principal is not in the workspace, or lacks the grant",
    "Add it to the workspace, and give it there what its jobs need."
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
  ),

  // The deployment.
  FDC501: warning(
    "fdc501",
    "Whoever reaches the gRPC port may name any namespace",
    "Close it: listen on loopback beside propeller, or let only propeller through (NetworkPolicy, a mesh)."
  ),
  FDC502: warning(
    "fdc502",
    "Nothing listens on the gRPC port",
    "Start `serve`, or run the command where it runs (kubectl exec)."
  ),
  FDC503: warning(
    "fdc503",
    "The heap limit does not fit the memory limit",
    "Set NODE_OPTIONS=--max-old-space-size-percentage=50, so that Node.js leaves room for what is outside of its heap."
  ),
  FDC504: error("fdc504", "This Node.js is too old", "Use the image, or Node.js 24."),

  // Runs.
  FDC601: shown(
    "no-news-of-run",
    "A poll met with a fault that may pass",
    "Nothing: the run goes on. The message says what did not answer.",
    "No news of run"
  ),
  FDC602: shown(
    "not-cancelled",
    "A run was not cancelled",
    "End it by hand, or mend what the message names: Flyte asks again.",
    "was not cancelled"
  ),
  FDC603: shown(
    "run-not-followed",
    "A run cannot be followed any more",
    "Mend what the message names, or end the run by hand.",
    "The run may still be going on"
  ),
  FDC604: shown(
    "deadline",
    "The deadline of the call came first",
    "See what was waited for: the message says it.",
    "was given up after"
  ),
  FDC605: error("fdc605", "The task cannot run on Databricks", "Change the task as the message says."),
  FDC606: error("fdc606", "The request is not one that this connector can serve", "Change it as the message says."),
  FDC607: shown(
    "pod-template",
    "The task's pod template has what a job on Databricks has no place for",
    "Take off the template what the message names.",
    "has what a job on Databricks has no place for",
    "has the placeholder"
  ),
  FDC608: shown(
    "metadata-refused",
    "The job metadata is not signed by this connector's key",
    "Look for who wrote it; after a change of keys, put the one before back as the second.",
    "The job metadata of this task is refused"
  ),
  FDC609: shown(
    "run-of-another",
    "The run was made by somebody else than its metadata says",
    "See who that is, and run the task again.",
    "was made by"
  )
} as const satisfies { readonly [code: `FDC${number}`]: Entry }

export type Code = keyof typeof catalogue

export const codes = Object.keys(catalogue) as ReadonlyArray<Code>

/** A kind of finding by its code. */
export const entry = (code: Code): Entry => catalogue[code]

type Tag = Failure["reason"]["_tag"]

/** What an error may be, by its reason: the first whose words are in its message, else the last. */
const kinds: { readonly [T in Tag]: readonly [Code, ...Array<Code>] } = {
  SettingInvalid: ["FDC001"],
  InstanceMissing: ["FDC004"],
  InstanceRefused: ["FDC005"],
  NamespaceInvalid: ["FDC006"],
  NamespaceAmbiguous: ["FDC006"],
  NamespaceNotServed: ["FDC007"],
  TaskOverrideRefused: ["FDC008"],
  CredentialsMissing: ["FDC209", "FDC201"],
  CredentialsBroken: ["FDC204", "FDC205", "FDC207", "FDC210", "FDC202", "FDC206", "FDC211"],
  AccessForbidden: ["FDC101"],
  KubernetesUnavailable: ["FDC102"],
  IdentityChanged: ["FDC208"],
  IdentityRefused: ["FDC009"],
  ModeUnavailable: ["FDC010"],
  TokenRefused: ["FDC405", "FDC408"],
  ExchangeRefused: ["FDC301"],
  TokenEndpointUnavailable: ["FDC402", "FDC403", "FDC404", "FDC401"],
  TokenResponseInvalid: ["FDC406"],
  AuthClosed: ["FDC606"],
  JobSpecInvalid: ["FDC607", "FDC605"],
  JobMetadataInvalid: ["FDC603", "FDC606"],
  RunNotFound: ["FDC603", "FDC606"],
  PermissionDenied: ["FDC407"],
  RequestRejected: ["FDC605"],
  JobsUnavailable: ["FDC402", "FDC409"],
  ResponseInvalid: ["FDC406"],
  TaskTypeUnknown: ["FDC606"],
  RequestIncomplete: ["FDC606"],
  DeadlinePassed: ["FDC604"],
  RunNotCancelled: ["FDC602"],
  MetadataRefused: ["FDC608"],
  PageTokenInvalid: ["FDC606"],
  MetricsUnavailable: ["FDC606"]
}

/** Whether an error is one of those that have a code. */
export const isFailure = (error: {
  readonly _tag: string
  readonly reason?: unknown
}): error is Coded & { readonly _tag: string } =>
  Predicate.hasProperty(error.reason, "_tag") && Object.hasOwn(kinds, String(error.reason._tag))

interface Coded {
  readonly reason: { readonly _tag: Tag; readonly message: string }
}

/** The code of an error, the same wherever it is met. */
export const codeOf = ({ reason }: Coded): Code => {
  const [first, ...rest] = kinds[reason._tag]
  return [first, ...rest].find((code) => isSaid(code, reason.message)) ?? rest.at(-1) ?? first
}

/** Whether a text has the words of a kind of finding. */
export const isSaid = (code: Code, text: string): boolean =>
  (entry(code).says ?? []).some((words) => {
    let from = 0
    return words.split("…").every((part) => {
      const at = text.indexOf(part.trim(), from)
      from = at + part.trim().length
      return at >= 0
    })
  })
