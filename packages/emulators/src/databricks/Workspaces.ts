/**
 * The workspaces behind the host: one, or several that share it and that requests choose from by a header.
 */
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import { credentialMissing, invalidParameter } from "./ApiError.ts"

/** Which workspaces the host serves. */
export interface WorkspacesOptions {
  /** The id of the one workspace. */
  readonly workspaceId?: string | undefined
  /** The ids of the workspaces that share the host, as they do behind an account-wide one. */
  readonly unifiedWorkspaces?: ReadonlyArray<string> | undefined
}

/** What says which workspace a request is for. */
export const header = "x-databricks-workspace-id"

/** Makes the choice. */
export const make = ({ unifiedWorkspaces, workspaceId = "1234567890123456" }: WorkspacesOptions) => {
  const isUnified = unifiedWorkspaces !== undefined
  const ids = unifiedWorkspaces ?? [workspaceId]
  return {
    isUnified,
    ids,
    /** The workspace of the current request. Without the header, a host of several answers as the account does. */
    ofRequest: Effect.gen(function* () {
      const { headers } = yield* HttpServerRequest.HttpServerRequest
      const id = headers[header] ?? (isUnified ? undefined : workspaceId)
      if (id === undefined) return yield* credentialMissing
      if (!ids.includes(id)) return yield* invalidParameter(`There is no workspace ${id} behind this host.`)
      return id
    })
  }
}

export type Workspaces = ReturnType<typeof make>
