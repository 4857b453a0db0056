/**
 * Every finding that there is, under a code that stays. The same code stands in the errors and logs of `serve`, in what
 * `explain` and `doctor` print, and in docs/: people and alerts look for it. The hundreds are areas, a file each.
 */
import type { AuthError } from "@flyte-databricks/databricks-auth"
import type { JobsError } from "@flyte-databricks/databricks-jobs"
import * as Predicate from "effect/Predicate"
import { databricks } from "./catalogue/databricks.ts"
import { deployment } from "./catalogue/deployment.ts"
import type { Entries, Entry } from "./catalogue/entry.ts"
import { federation } from "./catalogue/federation.ts"
import { identity } from "./catalogue/identity.ts"
import { kubernetes } from "./catalogue/kubernetes.ts"
import { runs } from "./catalogue/runs.ts"
import { settings } from "./catalogue/settings.ts"

export type { Level } from "./catalogue/entry.ts"

const catalogue = {
  ...settings,
  ...kubernetes,
  ...identity,
  ...federation,
  ...databricks,
  ...deployment,
  ...runs
} as const satisfies Entries

/** The code of a finding, as in `FDC201`: one that was given stays. */
export type Code = keyof typeof catalogue

/** All codes. */
export const codes = Object.keys(catalogue) as ReadonlyArray<Code>

/** A kind of finding by its code. */
export const entry = (code: Code): Entry => catalogue[code]

// The connector's own errors, which it does not share.
type OfConnector =
  | "TaskTypeUnknown"
  | "RequestIncomplete"
  | "DeadlinePassed"
  | "Overloaded"
  | "RunNotCancelled"
  | "MetadataRefused"
  | "AuditUnavailable"
  | "PageTokenInvalid"
  | "MetricsUnavailable"

type Tag = (AuthError.AuthError | JobsError.JobsError)["reason"]["_tag"] | OfConnector

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
  Overloaded: ["FDC610"],
  RunNotCancelled: ["FDC602"],
  MetadataRefused: ["FDC608"],
  AuditUnavailable: ["FDC611"],
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
