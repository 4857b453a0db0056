/** Compares what was seen of a combination with what the contract says of it. */
import { bySecret, clientIdOf, connector, patOf, secretMark, tokenOf } from "./Credentials.ts"
import type { Header, Observation, Seen } from "./observe.ts"
import { type Expectation, oracle, type Outcome } from "./Oracle.ts"

export const list = (items: ReadonlyArray<string>): string => (items.length === 0 ? "nothing" : items.join(" then "))

const describeError = ({ reason, retryable }: { readonly reason: string; readonly retryable: boolean }): string =>
  `error ${reason}${retryable ? ", to be retried" : ""}`

/** What an oracle's outcome looks like, given the namespace it is about. */
export const expected = (outcome: Outcome, namespace: string): string => {
  if (outcome.is === "error") return describeError(outcome)
  if (outcome.federation !== undefined) {
    const { clientId, source, pinned } = outcome.federation
    return `${outcome.authType} as ${clientId(namespace)} from ${source(namespace)}${describePinned(pinned(namespace))}`
  }
  const owner = outcome.at === "namespace" ? namespace : connector
  const principal = outcome.authType === "pat" ? "owner of the PAT" : clientIdOf(owner)
  const secret = outcome.authType === "pat" ? "databricks-token" : "databricks-oauth"
  return `${outcome.authType} as ${principal} from ${outcome.at === "namespace" ? `Secret ${namespace}/${secret}` : "connector"}`
}

const describePinned = (pinned: Readonly<Record<string, string>>): string =>
  Object.entries(pinned)
    .map(([name, value]) => `, ${name} ${value}`)
    .join("")

const actual = (seen: Seen): string =>
  seen.is === "error"
    ? describeError(seen)
    : `${seen.authType} as ${seen.principal} from ${seen.source}${describePinned(seen.pinned)}`

/** The client, its proof and the workspace, as the token endpoint has to see them; none where no token is asked for or given. */
const requestOf = (
  outcome: Outcome,
  namespace: string,
  workspace: string
): readonly [clientId: string, proof: string, workspace: string] | undefined => {
  if (outcome.is === "error" || outcome.authType === "pat") return undefined
  const { federation, at } = outcome
  if (federation === undefined) return [clientIdOf(at === "namespace" ? namespace : connector), bySecret, workspace]
  return federation.refusal === undefined
    ? [federation.clientId(namespace), federation.subject(namespace), workspace]
    : undefined
}

const expectedHeader = (outcome: Outcome, { namespace, workspace }: Observation): string => {
  if (outcome.is === "error") return "none"
  if (outcome.federation?.refusal !== undefined) return describeError(outcome.federation.refusal)
  const request = requestOf(outcome, namespace, workspace)
  return `Bearer ${request === undefined ? patOf(outcome.at === "namespace" ? namespace : connector) : tokenOf(...request)}`
}

const actualHeader = (header: Header): string =>
  header === undefined ? "none" : "bearer" in header ? header.bearer : describeError(header)

/** Everything in which one combination differs from what the contract says of it. */
export const differences = (
  { outcome, explicit, reads, wentPast, skipped }: Expectation,
  observation: Observation
): ReadonlyArray<string> => {
  const { namespace, outcome: seen } = observation
  const found: Array<string> = []
  const check = (ok: boolean, difference: () => string) => {
    if (!ok) found.push(difference())
  }
  const same = (what: string, want: string, got: string) =>
    check(want === got, () => `${what}: expected ${want}, got ${got}`)
  const sameOutcome = (what: string, got: Seen) => {
    const isOther = outcome.is === "error" && got.is === "error" && got.reason === outcome.orReason
    same(what, expected(isOther ? { ...outcome, reason: got.reason } : outcome, namespace), actual(got))
  }
  const saysAll = (what: string, words: ReadonlyArray<string>, text: string) => {
    const unsaid = words.filter((word) => !text.includes(word))
    check(unsaid.length === 0, () => `${what} does not say ${unsaid.join(", ")}: ${text}`)
  }

  sameOutcome("outcome", seen)
  sameOutcome("the same request again", observation.again)
  if (explicit !== undefined && seen.is === "identity") same("identity under an explicit type", explicit, seen.authType)

  const ownSecret = (name: string) => `${namespace}/${name}`
  same("Secrets read", list(reads.map(ownSecret)), list(observation.reads))

  if (outcome.is === "identity") {
    same("header", expectedHeader(outcome, observation), actualHeader(observation.header))
    same("header later", expectedHeader(outcome, observation), actualHeader(observation.headerLater))
    if (seen.is === "identity") same("workspace", observation.workspace, seen.instance)
    same("sources used", "1", String(observation.used.length))
    const own = seen.is === "identity" ? seen.source : ""
    check(
      observation.readsForHeader.every((read) => own === `Secret ${read}`),
      () => `the header of ${own} read ${list(observation.readsForHeader)}`
    )
    const { header } = observation
    if (outcome.federation?.refusal !== undefined && header !== undefined && "message" in header) {
      saysAll("the error in place of a token", [...outcome.federation.refusal.says, namespace], header.message)
    }
  }

  if (outcome.is === "error" && seen.is === "error") {
    const isAboutNamespace = outcome.says.some((word) => word.startsWith("databricks-") || word === "ServiceAccount")
    saysAll("the message", [...outcome.says, ...(isAboutNamespace ? [namespace] : [])], seen.message)
    saysAll("the advice", outcome.advises ?? [], seen.remedy)
    const places = (outcome.sorted ?? []).map((name) => seen.message.indexOf(name))
    check(
      places.every((place, index) => index === 0 || place > (places[index - 1] ?? 0)),
      () => `the message does not sort ${list(outcome.sorted ?? [])}: ${seen.message}`
    )
  }

  const warnings = `${observation.warnings.length} warnings`
  check(wentPast.length === 0 || observation.warnings.length > 0, () => `went past ${list(wentPast)} without a warning`)
  check(observation.warnings.length <= wentPast.length, () => `${warnings} about ${list(wentPast)}`)
  check(
    observation.warnings.every((warning) => warning.includes(namespace)),
    () => `a warning does not name the namespace: ${list(observation.warnings)}`
  )
  check(observation.warningsAgain.length === 0, () => `warned again: ${list(observation.warningsAgain)}`)
  if (outcome.is === "identity" || outcome.reason === "CredentialsMissing") {
    check(
      observation.forbidden.length === wentPast.length &&
        wentPast.every((name, index) => observation.forbidden[index]?.includes(name)),
      () => `listed as forbidden: expected ${list(wentPast)}, got ${list(observation.forbidden)}`
    )
    saysAll("the explanation, or the error in its place,", skipped, observation.told)
  }

  check(!observation.shown.includes(secretMark), () => `a secret is shown: ${observation.shown}`)
  return found
}

/** What a connector has to ask the endpoint for, each once: a token is shared only with its identity, which is one in one workspace. */
export const requestsOf = (observations: ReadonlyArray<Observation>): ReadonlyArray<string> => {
  const requests = observations.flatMap(({ combination, namespace, workspace }) => {
    const request = requestOf(oracle(combination).outcome, namespace, workspace)
    if (request === undefined) return []
    const [clientId, proof] = request
    return `${clientId} by ${proof} for ${workspace}`
  })
  return [...new Set(requests)]
}
