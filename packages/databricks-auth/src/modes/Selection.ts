/**
 * Who: the one rule by which a request gets its identity. The sources of the modes in question are looked at in order,
 * and what each answers decides:
 *
 * | answer                        | explicit auth type | auto-detect                                      |
 * | ----------------------------- | ------------------ | ------------------------------------------------ |
 * | absent                        | next source        | next source                                      |
 * | present and whole             | it is the identity | it is the identity                               |
 * | present but broken            | error              | error                                            |
 * | forbidden by Kubernetes       | error              | next source; warns once per namespace and source |
 * | unavailable                   | error, retryable   | error, retryable                                 |
 *
 * So a request never ends up with a weaker or a shared identity because a stronger one of its own could not be read.
 */
import * as Cache from "effect/Cache"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { AuthError, CredentialsMissing, type Finding, ModeUnavailable } from "../AuthError.ts"
import type { CredentialSource } from "./AuthMode.ts"
import type { AuthRequest } from "../request/AuthRequest.ts"
import type { AuthType, Identity } from "../Identity.ts"
import { OAuthM2M } from "./OAuthM2M.ts"
import { OidcConnector } from "./OidcConnector.ts"
import { OidcNamespace } from "./OidcNamespace.ts"
import { Pat } from "./Pat.ts"

/**
 * Who a request is, and how that was found out.
 */
export interface Resolution {
  readonly identity: Identity
  readonly explanation: ReadonlyArray<Finding>
  readonly builtFrom: Option.Option<Redacted.Redacted<string>>
}

/**
 * Decides who a request is. There is one layer for each explicit auth type, which cannot reach another mode's
 * credentials because it does not require them; one that detects; and one that does as the request says.
 */
export class Selection extends Context.Service<
  Selection,
  {
    readonly select: (request: AuthRequest) => Effect.Effect<Resolution, AuthError>
  }
>()("@flyte-databricks/databricks-auth/modes/Selection") {}

type Sources = ReadonlyArray<CredentialSource<Identity>>

const walk = Effect.fnUntraced(function* (
  request: AuthRequest,
  sources: Sources,
  wanted: Option.Option<AuthType>,
  onForbidden: (error: AuthError) => Effect.Effect<void, AuthError>
): Effect.fn.Return<Resolution, AuthError> {
  // Where requests have no connection there is no word of it: its absence says nothing about the task.
  const offered = sources.filter(({ tenancy }) => tenancy !== "request" || request.connection !== undefined)
  const namespace = Option.getOrElse(request.namespace, () => "(none)")
  const findings: Array<Finding> = []
  for (const source of offered) {
    const name = source.describe(request, namespace)
    const skip = whySkipped(source, request)
    if (skip !== undefined) {
      findings.push({ source: name, outcome: "skipped", detail: skip })
      continue
    }
    const answer = yield* source
      .look(request, namespace)
      .pipe(
        Effect.catchReason("AuthError", "AccessForbidden", (_, error) =>
          Effect.as(onForbidden(error), { _tag: "Forbidden" as const })
        )
      )
    switch (answer._tag) {
      case "Found":
        return {
          identity: answer.identity,
          explanation: [
            ...findings,
            { source: name, outcome: "used", ...(answer.detail === undefined ? {} : { detail: answer.detail }) }
          ],
          builtFrom: answer.builtFrom
        }
      case "Absent":
        findings.push({ source: name, outcome: "absent", detail: answer.detail })
        break
      case "Forbidden":
        findings.push({ source: name, outcome: "forbidden", detail: "the connector has no right to read it" })
        break
    }
  }
  return yield* new AuthError({
    reason: new CredentialsMissing({
      wanted: Option.match(wanted, {
        onNone: () => "any auth type (auto-detect)",
        onSome: (authType) => `auth type ${authType}`
      }),
      looked: findings,
      remedy: remedyOf(
        offered
          .filter((source) => whySkipped(source, request) === undefined)
          .map((source) => source.remedy(request, namespace))
      )
    })
  })
})

const remedyOf = (remedies: ReadonlyArray<string>): string =>
  remedies.length === 0
    ? "Only a namespace may bring one here, and the request has none: submit it in a namespace, or set FLYTE_DATABRICKS_NAMESPACE_IDENTITY=allow."
    : `To mend it, do one of these:\n${remedies.map((remedy) => `  - ${remedy}`).join("\n")}`

const whySkipped = (source: CredentialSource<Identity>, request: AuthRequest): string | undefined => {
  if (source.tenancy === "request") return undefined
  if (source.tenancy === "connector") {
    return request.namespaceIdentity === "require"
      ? "shared by namespaces, and FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require"
      : undefined
  }
  if (request.namespaceIdentity === "ignore") return "FLYTE_DATABRICKS_NAMESPACE_IDENTITY is ignore"
  return Option.isNone(request.namespace) ? "the request has no namespace" : undefined
}

const makeExplicit = (authType: AuthType, sources: Sources): Selection["Service"] =>
  Selection.of({
    select: Effect.fnUntraced(function* (request) {
      if (Option.isSome(request.authType) && request.authType.value.value !== authType) {
        return yield* unserved(request.authType.value, [authType])
      }
      return yield* walk(request, sources, Option.some(authType), Effect.fail)
    })
  })

// More namespaces than this do not fit into a cluster; past it a warning may be repeated.
const warningsRemembered = 10_000

const makeAutoDetect = Effect.fnUntraced(function* (sources: Sources) {
  const warnings = yield* Cache.make({
    capacity: warningsRemembered,
    lookup: (message: string) => Effect.logWarning(message)
  })
  return Selection.of({
    select: (request) => walk(request, sources, Option.none(), ({ message }) => Cache.get(warnings, message))
  })
})

const unserved = (wanted: { readonly value: AuthType; readonly from: string }, served: ReadonlyArray<string>) =>
  new AuthError({ reason: new ModeUnavailable({ wanted: wanted.value, from: wanted.from, served }) })

/** PAT and nothing else. */
export const layerPat: Layer.Layer<Selection, never, Pat> = Layer.effect(
  Selection,
  Effect.map(Pat, (mode) => makeExplicit("pat", mode.sources))
)

/** OAuth M2M and nothing else. */
export const layerOAuthM2M: Layer.Layer<Selection, never, OAuthM2M> = Layer.effect(
  Selection,
  Effect.map(OAuthM2M, (mode) => makeExplicit("oauth_m2m", mode.sources))
)

/** OIDC federation and nothing else: the namespace's ServiceAccount, and where there is none, the connector's pod. */
export const layerOidcFederation: Layer.Layer<Selection, never, OidcConnector | OidcNamespace> = Layer.effect(
  Selection,
  Effect.gen(function* () {
    return makeExplicit("oidc_federation", [...(yield* OidcNamespace).sources, ...(yield* OidcConnector).sources])
  })
)

/**
 * What the request says: its auth type where one is set, else the strongest mode that is reachable.
 */
export const layer: Layer.Layer<Selection, never, Pat | OAuthM2M | OidcConnector | OidcNamespace> = Layer.effect(
  Selection,
  Effect.gen(function* () {
    const pat = (yield* Pat).sources
    const oauthM2M = (yield* OAuthM2M).sources
    const oidcFederation = [...(yield* OidcNamespace).sources, ...(yield* OidcConnector).sources]
    const explicit: Record<AuthType, Selection["Service"]> = {
      pat: makeExplicit("pat", pat),
      oauth_m2m: makeExplicit("oauth_m2m", oauthM2M),
      oidc_federation: makeExplicit("oidc_federation", oidcFederation)
    }
    const autoDetect = yield* makeAutoDetect([...oidcFederation, ...oauthM2M, ...pat])
    return Selection.of({
      select: (request) =>
        Option.match(request.authType, {
          onNone: () => autoDetect.select(request),
          onSome: ({ value }) => explicit[value].select(request)
        })
    })
  })
)
