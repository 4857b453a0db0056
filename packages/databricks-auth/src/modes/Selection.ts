/**
 * Who: the one rule by which a request gets its identity. The places of the modes in question are looked at in order,
 * and what each answers decides:
 *
 * | answer                        | explicit auth type | auto-detect                                      |
 * | ----------------------------- | ------------------ | ------------------------------------------------ |
 * | absent                        | next place         | next place                                       |
 * | present and whole             | it is the identity | it is the identity                               |
 * | present but broken            | error              | error                                            |
 * | forbidden by Kubernetes       | error              | next place; warns once per namespace and place   |
 * | unavailable                   | error, retryable   | error, retryable                                 |
 *
 * So a request never ends up with a weaker or a shared identity because a stronger one of its own could not be read.
 */
import * as Cache from "effect/Cache"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AuthError, CredentialsMissing, type Finding, ModeUnavailable } from "../AuthError.ts"
import type { Identity } from "../Identity.ts"
import type { AuthRequest } from "../request/AuthRequest.ts"
import type { Look, Place, ReadyMode, Resolved } from "./AuthMode.ts"

/**
 * Decides who a request is.
 */
export type Select = (request: AuthRequest) => Effect.Effect<Resolved, AuthError>

// More namespaces than this do not fit into a cluster; past it a warning may be repeated.
const warningsRemembered = 10_000

/**
 * Selection among these modes, strongest first. The auth type that the request says is explicit, and so is the only one
 * that there is; otherwise the strongest mode that is reachable is taken.
 */
export const make = Effect.fnUntraced(function* (modes: ReadonlyArray<ReadyMode>): Effect.fn.Return<Select> {
  const served = [...new Set(modes.map(({ authType }) => authType))]
  const [only, ...others] = served
  const warnings = yield* Cache.make({
    capacity: warningsRemembered,
    lookup: (message: string) => Effect.logWarning(message)
  })
  return Effect.fnUntraced(function* (asked) {
    const request =
      Option.isNone(asked.authType) && only !== undefined && others.length === 0
        ? { ...asked, authType: Option.some({ value: only, from: "This service" }) }
        : asked
    if (Option.isNone(request.authType)) {
      const places = modes.flatMap((mode) => mode.places)
      return yield* walk(request, places, "any auth type (auto-detect)", ({ message }) => Cache.get(warnings, message))
    }
    const { value: authType, from } = request.authType.value
    if (!served.includes(authType)) {
      return yield* new AuthError({ reason: new ModeUnavailable({ wanted: authType, from, served }) })
    }
    const places = modes.flatMap((mode) => (mode.authType === authType ? mode.places : []))
    return yield* walk(request, places, `auth type ${authType}`, Effect.fail)
  })
})

const walk = Effect.fnUntraced(function* (
  request: AuthRequest,
  places: ReadonlyArray<Place<Identity>>,
  wanted: string,
  onForbidden: (error: AuthError) => Effect.Effect<void, AuthError>
): Effect.fn.Return<Resolved, AuthError> {
  const explanation: Array<Finding> = []
  const remedies: Array<string> = []
  for (const place of places) {
    const turn = turnOf(place, request)
    if (turn === undefined) continue
    if ("skipped" in turn) {
      explanation.push({ source: turn.source, outcome: "skipped", detail: turn.skipped })
      continue
    }
    const { source, remedy, look } = turn
    const answer = yield* look.pipe(
      Effect.catchReason("AuthError", "AccessForbidden", (_, error) =>
        Effect.as(onForbidden(error), { _tag: "Forbidden" as const })
      )
    )
    if (answer._tag === "Found") {
      const { credential, builtFrom, detail } = answer
      explanation.push({ source, outcome: "used", ...(detail === undefined ? {} : { detail }) })
      return { ...credential, namespace: request.namespace, explanation, builtFrom }
    }
    explanation.push(
      answer._tag === "Absent"
        ? { source, outcome: "absent", detail: answer.detail }
        : { source, outcome: "forbidden", detail: "the connector has no right to read it" }
    )
    remedies.push(remedy)
  }
  return yield* new AuthError({
    reason: new CredentialsMissing({ wanted, looked: explanation, remedy: remedyOf(remedies) })
  })
})

/** What a place has to do with a request: nothing, not to be looked at, or what to look at. */
type Turn =
  | undefined
  | { readonly source: string; readonly skipped: string }
  | { readonly source: string; readonly remedy: string; readonly look: Look<Identity> }

const turnOf = (place: Place<Identity>, request: AuthRequest): Turn => {
  switch (place.tenancy) {
    case "request": {
      // Requests of Flyte 1 have no connection, and its absence says nothing about the task.
      const { connection } = request
      const { describe: source, remedy } = place
      return Option.isNone(connection) ? undefined : { source, remedy, look: place.look(request, connection.value) }
    }
    case "namespace": {
      const namespace = Option.getOrElse(request.namespace, () => "(none)")
      const source = place.describe(request, namespace)
      if (request.namespaceIdentity === "ignore") {
        return { source, skipped: "FLYTE_DATABRICKS_NAMESPACE_IDENTITY is ignore" }
      }
      if (Option.isNone(request.namespace)) return { source, skipped: "the request has no namespace" }
      return { source, remedy: place.remedy(request, namespace), look: place.look(request, namespace) }
    }
    case "connector": {
      const { describe: source, remedy } = place
      return request.namespaceIdentity === "require"
        ? { source, skipped: "shared by namespaces, and FLYTE_DATABRICKS_NAMESPACE_IDENTITY is require" }
        : { source, remedy, look: place.look(request) }
    }
  }
}

const remedyOf = (remedies: ReadonlyArray<string>): string =>
  remedies.length === 0
    ? "Only a namespace may bring one here, and the request has none: submit it in a namespace, or set FLYTE_DATABRICKS_NAMESPACE_IDENTITY=allow."
    : `To mend it, do one of these:\n${remedies.map((remedy) => `  - ${remedy}`).join("\n")}`
