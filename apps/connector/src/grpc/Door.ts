/**
 * Who may come in, and how: as the environment says it, which is wrong aloud or not at all.
 */
import { PodAddresses } from "@flyte-databricks/kubernetes"
import type { KubernetesConfigError } from "@flyte-databricks/kubernetes/KubernetesConfigError"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { commaSeparated, shown } from "@flyte-databricks/databricks-auth/request/Variable"
import * as Settings from "../Settings.ts"
import * as Address from "./Address.ts"
import * as Callers from "./Callers.ts"
import { DoorSettingInvalid } from "./DoorSettingInvalid.ts"
import * as ServerTls from "./ServerTls.ts"

export interface Door {
  readonly tls: Option.Option<ServerTls.ServerTls>
  readonly callers: Effect.Success<ReturnType<typeof Callers.make>>
  /** What is said at start of a door that stands open. */
  readonly warning: (address: Address.Address) => Effect.Effect<void>
}

/** Where pods are looked up, if anybody has to be. */
export type Pods = Layer.Layer<
  PodAddresses.PodAddresses,
  KubernetesConfigError | Config.ConfigError,
  FileSystem.FileSystem | Path.Path
>

/**
 * The door of the environment, for as long as the scope is open.
 */
export const make = Effect.fnUntraced(function* (
  pods: Pods
): Effect.fn.Return<
  Door,
  DoorSettingInvalid | KubernetesConfigError | Config.ConfigError,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const files = yield* tlsFiles
  const rules = {
    clients: yield* allowedClients(files),
    serviceAccounts: yield* Effect.fromResult(readCallers(yield* Settings.callers))
  }
  const tls = Option.isNone(files) ? Option.none() : Option.some(yield* ServerTls.make(files.value))
  const lookUp = yield* Layer.build(Option.isNone(rules.serviceAccounts) ? PodAddresses.layerNone : pods)
  return {
    tls,
    callers: yield* Effect.provide(Callers.make(rules), lookUp),
    warning: (address) =>
      Address.isLocal(address) || Callers.keepOut(rules) ? Effect.void : Effect.logWarning(open(address))
  }
})

const open = (address: Address.Address): string =>
  `Whoever reaches ${Address.show(address)} may submit, read and cancel runs as every namespace: nothing in Flyte says who ` +
  "calls. Let in Flyte alone: by a NetworkPolicy or a mesh's policy, by a socket beside propeller " +
  "(FLYTE_DATABRICKS_LISTEN=unix:/PATH), by client certificates (FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE), or by its pods " +
  "(FLYTE_DATABRICKS_CALLERS=flyte/flytepropeller). docs/security.md says what each is good for."

const tlsFiles = Effect.gen(function* () {
  const certificate = yield* Settings.tlsCertFile
  const key = yield* Settings.tlsKeyFile
  const clientCa = yield* Settings.tlsClientCaFile
  if (Option.isSome(certificate) && Option.isSome(key)) {
    return Option.some({ certificate: certificate.value, key: key.value, clientCa })
  }
  const files = {
    FLYTE_DATABRICKS_TLS_CERT_FILE: certificate,
    FLYTE_DATABRICKS_TLS_KEY_FILE: key,
    FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE: clientCa
  }
  const [setting] = Record.keys(Record.filter(files, Option.isSome))
  if (setting === undefined) return Option.none()
  const missing = Option.isNone(certificate) ? "FLYTE_DATABRICKS_TLS_CERT_FILE" : "FLYTE_DATABRICKS_TLS_KEY_FILE"
  return yield* new DoorSettingInvalid({
    setting,
    problem: `is set, and ${missing} is not`,
    expected: "FLYTE_DATABRICKS_TLS_CERT_FILE and FLYTE_DATABRICKS_TLS_KEY_FILE, both or none"
  })
})

const allowedClients = Effect.fnUntraced(function* (files: Option.Option<ServerTls.Files>) {
  const setting = "FLYTE_DATABRICKS_TLS_ALLOWED_CLIENTS"
  const allowed = yield* Settings.tlsAllowedClients
  const hasAuthority = Option.exists(files, ({ clientCa }) => Option.isSome(clientCa))
  if (Option.isNone(allowed)) return hasAuthority ? Option.some<ReadonlyArray<string>>([]) : Option.none()
  if (!hasAuthority) {
    return yield* new DoorSettingInvalid({
      setting,
      problem: "is set, and nothing says whose certificates count",
      expected: "FLYTE_DATABRICKS_TLS_CLIENT_CA_FILE beside it"
    })
  }
  const names = commaSeparated(allowed.value)
  const odd = names.find((name) => !isClientName(name))
  if (odd === undefined && names.length > 0) {
    return Option.some(names.map((name) => (name.includes("://") ? name : name.toLowerCase())))
  }
  return yield* new DoorSettingInvalid({
    setting,
    problem: odd === undefined ? "lists no name" : `lists "${shown(odd)}"`,
    expected: "DNS names as propeller.flyte.svc and SPIFFE ids as spiffe://cluster.local/ns/flyte/sa/flytepropeller"
  })
})

const isClientName = (name: string): boolean =>
  /^spiffe:\/\/[a-z0-9._-]+(\/[\w.-]+)+$/i.test(name) ||
  /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(name)

const readCallers = (
  setting: Option.Option<string>
): Result.Result<Option.Option<ReadonlyArray<Callers.ServiceAccount>>, DoorSettingInvalid> => {
  if (Option.isNone(setting)) return Result.succeed(Option.none())
  const words = commaSeparated(setting.value)
  const serviceAccounts = words.map((word) => {
    const [, namespace, name] = /^([a-z0-9-]{1,63})\/([a-z0-9.-]{1,253})$/.exec(word) ?? []
    return namespace === undefined || name === undefined ? word : { namespace, name }
  })
  const odd = serviceAccounts.find((one) => typeof one === "string")
  return odd === undefined && serviceAccounts.length > 0
    ? Result.succeed(Option.some(serviceAccounts.filter((one) => typeof one !== "string")))
    : Result.fail(
        new DoorSettingInvalid({
          setting: "FLYTE_DATABRICKS_CALLERS",
          problem: odd === undefined ? "lists no ServiceAccount" : `lists "${shown(odd)}"`,
          expected: "ServiceAccounts as namespace/name, as in flyte/flytepropeller"
        })
      )
}
