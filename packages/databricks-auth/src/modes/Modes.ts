/**
 * The modes that there are, strongest claim first: the order in which auto-detection looks.
 */
import * as OAuthM2M from "./OAuthM2M.ts"
import * as OidcConnector from "./OidcConnector.ts"
import * as OidcNamespace from "./OidcNamespace.ts"
import * as Pat from "./Pat.ts"

/** OIDC federation: the namespace's ServiceAccount and, where there is none, the connector's pod. */
export const oidcFederation = [OidcNamespace.mode, OidcConnector.mode] as const

/**
 * The modes of a Flyte connector, strongest first.
 */
export const all = [...oidcFederation, OAuthM2M.mode, Pat.mode] as const

/** The settings by which a task chooses its own credentials, its auth type included. */
export const taskSettings = [...new Set(["authType" as const, ...all.flatMap((mode) => mode.taskSettings)])]
