/**
 * A run goes on as who it was submitted as. Each test submits on one connector, and polls on another one that the
 * operator has changed since.
 */
import {
  DatabricksAuth,
  type Kubernetes,
  type IdentityRecord,
  type Credential,
  type TaskSettings
} from "@flyte-databricks/databricks-auth"
import { Effect, Option, Redacted } from "effect"
import * as Oidc from "../support/oidc.ts"

export interface World extends Oidc.World {
  /** What is done to the cluster before anything else. */
  readonly change?: (memory: Kubernetes.KubernetesMemory["Service"]) => Effect.Effect<void>
}

export const app = { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }

/** Runs on a connector in this world; and what was asked of Kubernetes and of the file system. */
export const on = <A, E>({ change, ...world }: World, body: Effect.Effect<A, E, DatabricksAuth.DatabricksAuth>) =>
  Oidc.inside(world, ({ memory, calls, files }) =>
    Effect.gen(function* () {
      if (change !== undefined) yield* change(memory)
      return { value: yield* body, calls: yield* calls, touched: yield* files.touched }
    })
  )

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

export const offers = { "team-a/spark": Oidc.offered("app-a", "account-id") }
