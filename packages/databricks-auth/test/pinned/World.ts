/**
 * A run goes on as who it was submitted as. Each test submits on one connector, and polls on another one that the
 * operator has changed since.
 */
import {
  DatabricksAuth,
  Kubernetes,
  type IdentityRecord,
  type Credential,
  type TaskSettings
} from "@flyte-databricks/databricks-auth"
import { Effect, Option, Redacted } from "effect"
import { connector, makeCluster, makeTokenFiles, offered, type Entry } from "../support/oidc.ts"

export interface World {
  readonly env?: Record<string, string>
  readonly serviceAccounts?: Parameters<typeof makeCluster>[0]
  readonly secrets?: Parameters<typeof makeCluster>[1]
  readonly files?: Record<string, Entry>
  /** What is done to the cluster before anything else. */
  readonly change?: (memory: Kubernetes.KubernetesMemory["Service"]) => Effect.Effect<void>
}

export const defaultPath = "/var/run/secrets/databricks/token"
export const oidc = { FLYTE_DATABRICKS_AUTH_TYPE: "oidc_federation" }
export const app = { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }

/** Runs on a connector in this world; and what was asked of Kubernetes and of the file system. */
export const on = <A, E>(
  { env = {}, serviceAccounts, secrets, files = {}, change }: World,
  body: Effect.Effect<A, E, DatabricksAuth.DatabricksAuth>
) =>
  Effect.gen(function* () {
    const cluster = yield* makeCluster(serviceAccounts, secrets)
    const disk = yield* makeTokenFiles(files)
    const value = yield* Effect.andThen(
      change === undefined ? Effect.void : Kubernetes.KubernetesMemory.use(change),
      body
    ).pipe(Effect.provide(connector({ env, files: disk, cluster })))
    return { value, calls: yield* cluster.calls, touched: yield* disk.touched }
  })

export const submitted = (world: World, settings: TaskSettings.TaskSettings = {}) =>
  on(
    world,
    DatabricksAuth.DatabricksAuth.use((auth) =>
      Effect.gen(function* () {
        const resolved = yield* auth.resolve({ namespace: "team-a", settings })
        return { identity: resolved.identity, recorded: auth.record(resolved) }
      })
    )
  ).pipe(Effect.map(({ value }) => value))

export const poll = (recorded: IdentityRecord.IdentityRecord) =>
  DatabricksAuth.DatabricksAuth.use((auth) =>
    Effect.gen(function* () {
      const credential: Credential.Credential = yield* auth.recall(recorded)
      const { authorization } = yield* auth.getHeader(credential)
      return { identity: credential.identity, header: Redacted.value(authorization) }
    })
  )

/** The fields that are there, as metadata has them. */
export const fields = (recorded: IdentityRecord.IdentityRecord): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(recorded).flatMap(([key, value]: [string, unknown]) =>
      Option.isOption(value) ? (Option.isSome(value) ? [[key, value.value]] : []) : [[key, value]]
    )
  )

export const offers = { "team-a/spark": offered("app-a", "account-id") }
