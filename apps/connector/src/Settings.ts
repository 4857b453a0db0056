/**
 * The connector's own settings. As everywhere, a blank value counts as unset; one that is not valid is an error, so that
 * the connector does not start.
 */
import { commaSeparated, variable } from "@flyte-databricks/databricks-auth/request/Variable"
import type * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as SettingValue from "./SettingValue.ts"

/** The task types of Flyte's own connector, all of version 0. */
export const knownTaskTypes = ["spark", "databricks"] as const

const isKnown = (word: string): boolean => knownTaskTypes.some((known) => known === word)

const listOfTaskTypes: SettingValue.Kind<ReadonlyArray<string>> = {
  read: (text) => Option.filter(Option.some(commaSeparated(text)), (words) => words.length > 0 && words.every(isKnown)),
  expected: `${knownTaskTypes.join(", ")} or both, separated by a comma`,
  write: (words) => words.join(",")
}

/**
 * The task types that Flyte is told of and that are created here. `spark` may belong to Flyte's Kubernetes plugin.
 */
export const taskTypes: Config.Config<ReadonlyArray<string>> = SettingValue.setting(
  "FLYTE_DATABRICKS_TASK_TYPES",
  listOfTaskTypes,
  knownTaskTypes
)

/** The service credential of Unity Catalog that serverless tasks get unless they say otherwise. */
export const serviceCredentialProvider = variable("FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER")

/**
 * How long polls of a run may fail in a row, for reasons that may pass, before the task is given up. An outage is the
 * worst time for that: neither a cancel nor a new attempt would get through, each burns a retry, and the run itself
 * usually goes on. So it is longer than outages last; it ends at all so that a workspace that is gone for good does not
 * leave tasks RUNNING for ever.
 */
export const pollPatience = SettingValue.setting(
  "FLYTE_DATABRICKS_POLL_PATIENCE",
  SettingValue.duration,
  Duration.hours(12)
)

/** The label by which a request of Flyte 2 says its organization, where an operator takes a label's word for it. */
export const orgLabel = variable("FLYTE_DATABRICKS_ORG_LABEL")

export const metadataKeyFileName = "FLYTE_DATABRICKS_METADATA_KEY_FILE"

/** A file of the keys by which job metadata is signed, and idempotency tokens are made. */
export const metadataKeyFile = variable(metadataKeyFileName)

export const metadataSignaturesName = "FLYTE_DATABRICKS_METADATA_SIGNATURES"

const signatures = SettingValue.word("require", "write", "read")

/**
 * How far signatures are on their way in: `read` verifies those that there are and writes none, `write` writes them too, and
 * `require` takes no metadata without one.
 */
export type Signatures = "require" | "write" | "read"
export const metadataSignatures = SettingValue.setting(metadataSignaturesName, signatures, "require")
export const metadataSignaturesWritten = variable(metadataSignaturesName)

/**
 * How long a create rides out what may pass: as long as its caller waits, unless an operator sets less. A failed create
 * costs one of the task's retries, which Flyte uses up one after the other without a pause; but one that waits holds one
 * of propeller's workers.
 */
export const createPatience = SettingValue.setting(
  "FLYTE_DATABRICKS_CREATE_PATIENCE",
  SettingValue.duration,
  Duration.infinity
)

export const maxConcurrentRequestsName = "FLYTE_DATABRICKS_MAX_CONCURRENT_REQUESTS"

/**
 * How many requests to Databricks may be under way at once. It protects the processor and the connections, not
 * Databricks: one that waits for its answer costs neither, but all that are answered share the processor. In half a core
 * a request costs some 3 ms of it while the code is cold, so that 128 are through within a second, long before they
 * are late. One workspace alone has half of them, 64: as many as there are connections to a host, so that none waits for
 * one. One namespace of it has a third.
 */
export const maxConcurrentRequests = SettingValue.setting(
  maxConcurrentRequestsName,
  SettingValue.integer(1, 65_536),
  128
)

export const submitsPerSecondName = "FLYTE_DATABRICKS_SUBMITS_PER_SECOND"
export const getsPerSecondName = "FLYTE_DATABRICKS_GETS_PER_SECOND"

/** How many requests that change something (submit, cancel) a workspace is sent in a second: Databricks' own limit. */
export const submitsPerSecond = SettingValue.setting(submitsPerSecondName, SettingValue.integer(1, 1_000_000), 35)

/** How many that ask (polls, outputs). */
export const getsPerSecond = SettingValue.setting(getsPerSecondName, SettingValue.integer(1, 1_000_000), 100)

/** The server's certificate with its chain, and its key; and the authorities of clients that have a certificate. */
export const tlsCertFile = variable("FLYTE_DATABRICKS_TLS_CERT_FILE")
export const tlsKeyFile = variable("FLYTE_DATABRICKS_TLS_KEY_FILE")
export const tlsClientCaFile = variable("FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE")

/** The names (DNS, SPIFFE) of clients, one of which has to be in a certificate. */
export const tlsAllowedClients = variable("FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS")

/** The ServiceAccounts, as `namespace/name`, whose pods may call. */
export const callers = variable("FLYTE_DATABRICKS_CALLERS")

export const auditName = "FLYTE_DATABRICKS_AUDIT"

/** Where audit events go: `stdout`, `stderr` or `file:PATH`. */
export const audit = variable(auditName)

export const auditRequiredName = "FLYTE_DATABRICKS_AUDIT_REQUIRED"

/** Whether nothing is submitted that cannot be recorded. */
export const auditRequired = SettingValue.setting(auditRequiredName, SettingValue.boolean, false)
