/**
 * How a way to log in is made, for packages that bring one to the client: a boundary of the core, and what is asked of it.
 */
import type * as Config from "effect/Config"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as HttpClient from "effect/http/HttpClient"
import type { AuthError } from "../AuthError.ts"
import type { DatabricksAuth } from "../DatabricksAuth.ts"
import type { TaskContext } from "../request/AuthRequest.ts"
import * as ConnectorSettings from "../request/ConnectorSettings.ts"
import type { AllowedInstances } from "../WorkspaceHost.ts"
import type { Auth } from "./Databricks.ts"

/**
 * What a login is made of.
 */
export interface Setup {
  /** The boundary. An error of its own is one of configuration, by its message. */
  readonly layer: Layer.Layer<DatabricksAuth, Error, HttpClient.HttpClient>
  /** For whom a header is asked for. */
  readonly context: TaskContext
  /** What the credential is called, where there is one alone. */
  readonly source?: string
}

/** What a setup is made for: the workspace's address, as it was given. */
export type Make = (host: string) => Effect.Effect<Setup, Error>

// The secrets are in here, where nothing that prints an `Auth` sees them.
const ways = new WeakMap<Auth, Way>()

/** A way to log in, and where the workspace's address is read where `databricks()` was given none. */
export interface Way {
  /** Sets it up for a workspace. */
  readonly make: Make
  /** The workspace's address, as the same place says it. */
  readonly host?: Effect.Effect<string | undefined, Config.ConfigError>
}

/**
 * A way to log in, as `databricks()` takes it.
 */
export const auth = (type: string, way: Way): Auth => {
  const auth: Auth = Object.freeze({ type })
  ways.set(auth, way)
  return auth
}

/** How it is set up; none where the value is of another making. */
export const of = (auth: Auth): Way | undefined => ways.get(auth)

/**
 * The settings of a boundary that serves one workspace, for one identity.
 */
export const settings = (
  host: string,
  options: Omit<ConnectorSettings.Options, "instance" | "allowedInstances"> = {}
): Layer.Layer<ConnectorSettings.ConnectorSettings | AllowedInstances, AuthError> =>
  ConnectorSettings.layer({ namespaceIdentity: "ignore", ...options, instance: host, allowedInstances: [host] })
