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
import * as Result from "effect/Result"
import { AuthError, CredentialsMissing, type Finding, ModeUnavailable } from "../AuthError.ts"
import type { Identity } from "../Identity.ts"
import type { AuthRequest } from "../request/AuthRequest.ts"
import type { ConnectorSettings } from "../request/ConnectorSettings.ts"
import * as TaskSettings from "../request/TaskSettings.ts"
import * as Spans from "../telemetry/Spans.ts"
import { type Absent, authTypes, type Found, type Look, type Place, type ReadyMode, type Resolved } from "./AuthMode.ts"
import { requirePrincipal, whyNotShared } from "./Policy.ts"

type Settings = ConnectorSettings["Service"]
type Answer = Absent | Found<Identity>

/**
 * What was looked at for a request, in order, and what came of it.
 */
export interface Selected {
  readonly looked: ReadonlyArray<Finding>
  readonly outcome: Result.Result<Resolved, AuthError>
}

// More namespaces than this do not fit into a cluster; past it a warning may be repeated.
const warningsRemembered = 10_000

/**
 * Selection among these modes, strongest first. The auth type that the request says is explicit, and so is the only one
 * that there is; otherwise the strongest mode that is reachable is taken.
 */
export const make = Effect.fnUntraced(function* (
  settings: Settings,
  modes: ReadonlyArray<ReadyMode>
): Effect.fn.Return<(request: AuthRequest) => Effect.Effect<Selected>> {
  const served = authTypes(modes)
  const [only, ...others] = served
  const warnings = yield* Cache.make({
    capacity: warningsRemembered,
    lookup: (message: string) => Effect.annotateLogs(Effect.logWarning(message), { reason: "AccessForbidden" })
  })
  const passedOver = ({ message }: AuthError) => Cache.get(warnings, message)
  return (asked) => {
    const request =
      Option.isNone(asked.authType) && only !== undefined && others.length === 0
        ? { ...asked, authType: Option.some({ value: only, from: "This service" }) }
        : asked
    if (Option.isNone(request.authType)) {
      return walk(settings, request, modes, "any auth type (auto-detect)", passedOver)
    }
    const { value: authType, from } = request.authType.value
    if (!served.includes(authType)) {
      const reason = new ModeUnavailable({ wanted: authType, from, served })
      return Effect.succeed({ looked: [], outcome: Result.fail(new AuthError({ reason })) })
    }
    const ofType = modes.filter((mode) => mode.authType === authType)
    return walk(settings, request, ofType, `auth type ${authType}`)
  }
})

const walk = Effect.fnUntraced(function* (
  settings: Settings,
  request: AuthRequest,
  modes: ReadonlyArray<ReadyMode>,
  wanted: string,
  passedOver?: (forbidden: AuthError) => Effect.Effect<void>
): Effect.fn.Return<Selected> {
  const looked: Array<Finding> = []
  const remedies: Array<() => string> = []
  const named = namedPlaces(request, modes)
  for (const mode of modes) {
    for (const place of mode.places) {
      const turn = turnOf(settings, place, request)
      if (turn === undefined) continue
      const { source } = turn
      const skipped = named(mode, place) ?? turn.skipped
      if (skipped !== undefined) {
        yield* note(looked, { source, outcome: "skipped", detail: skipped })
        continue
      }
      const answer = Result.flatMap(yield* Effect.result(turn.look), (answer) => asNamed(request, mode, source, answer))
      if (Result.isFailure(answer)) {
        const error = answer.failure
        if (error.reason._tag !== "AccessForbidden" || passedOver === undefined) {
          yield* note(looked, { source, outcome: "failed", detail: error.message })
          return { looked, outcome: Result.fail(error) }
        }
        yield* passedOver(error)
        yield* note(looked, { source, outcome: "forbidden", detail: "the connector has no right to read it" })
      } else if (answer.success._tag === "Absent") {
        yield* note(looked, { source, outcome: "absent", detail: answer.success.detail })
      } else {
        const { credential, builtFrom, detail } = answer.success
        yield* note(looked, { source, outcome: "used", ...(detail === undefined ? {} : { detail }) })
        const resolved = { ...credential, namespace: request.namespace, explanation: looked, builtFrom }
        return { looked, outcome: Result.succeed(resolved) }
      }
      remedies.push(turn.remedy)
    }
  }
  const reason = new CredentialsMissing({ wanted, looked, remedy: remedyOf(remedies) })
  return { looked, outcome: Result.fail(new AuthError({ reason })) }
})

/** Notes what was found at a place, also in the trace of the decision. */
const note = (looked: Array<Finding>, finding: Finding): Effect.Effect<void> => {
  looked.push(finding)
  const { source: place, outcome, detail } = finding
  return Spans.event("place", { place, outcome, ...(detail === undefined ? {} : { detail }) })
}

/** What a place answers, unless it is another principal than the one that the task names by its client id. */
const asNamed = (
  { clientId }: AuthRequest,
  mode: ReadyMode,
  source: string,
  answer: Answer
): Result.Result<Answer, AuthError> =>
  answer._tag === "Found" && Option.isSome(clientId) && hasClientId(mode)
    ? Result.map(requirePrincipal(source, clientId.value, answer.credential.identity.principal), () => answer)
    : Result.succeed(answer)

/**
 * Why a place is not the one that the task names, where it names one. What it names is that one or an error: no other
 * place is looked at, and no credential without a client id stands in for one that is named by its client id.
 */
const namedPlaces = (request: AuthRequest, modes: ReadonlyArray<ReadyMode>) => {
  const isNamed = ({ namedBy }: Place<Identity>) => namedBy !== undefined && request.named.includes(namedBy)
  const places = modes.flatMap((mode) => mode.places.filter(isNamed))
  const settings = places.map(({ namedBy }) => TaskSettings.describe(namedBy!))
  const isPrincipalNamed = request.named.includes("clientId") && modes.some(hasClientId)
  return (mode: ReadyMode, place: Place<Identity>): string | undefined => {
    if (places.length > 0 && !places.includes(place)) return `${settings.join(" and ")} names another`
    return isPrincipalNamed && !hasClientId(mode)
      ? `it has no client id, and ${TaskSettings.describe("clientId")} names one`
      : undefined
  }
}

/** Whether a mode's identities have client ids. */
const hasClientId = ({ taskSettings }: ReadyMode): boolean => taskSettings.includes("clientId")

/** What a place has to do with a request: what to look at, unless it is to be skipped. */
interface Turn {
  readonly source: string
  readonly remedy: () => string
  readonly skipped: string | undefined
  readonly look: Look<Identity>
}

const turnOf = (settings: Settings, place: Place<Identity>, request: AuthRequest): Turn | undefined => {
  switch (place.tenancy) {
    case "request": {
      // Requests of Flyte 1 have no connection, and its absence says nothing about the task.
      if (Option.isNone(request.connection)) return undefined
      const look = place.look(request, request.connection.value)
      return { source: place.describe, remedy: () => place.remedy, skipped: undefined, look }
    }
    case "namespace": {
      const namespace = Option.getOrElse(request.namespace, () => "(none)")
      const skipped =
        request.namespaceIdentity === "ignore"
          ? "FLYTE_DATABRICKS_NAMESPACE_IDENTITY is ignore"
          : Option.isNone(request.namespace)
            ? "the request has no namespace"
            : undefined
      const look = place.look(request, namespace)
      const remedy = () => place.remedy(request, namespace)
      return { source: place.describe(request, namespace), remedy, skipped, look }
    }
    case "connector": {
      const skipped = whyNotShared(settings, request.instance)?.why
      return { source: place.describe, remedy: () => place.remedy, skipped, look: place.look(request) }
    }
  }
}

const remedyOf = (remedies: ReadonlyArray<() => string>): string =>
  remedies.length === 0
    ? "Only a namespace may bring one here, and the request has none: submit it in a namespace, or set FLYTE_DATABRICKS_NAMESPACE_IDENTITY=allow."
    : `To mend it, do one of these:\n${remedies.map((remedy) => `  - ${remedy()}`).join("\n")}`
