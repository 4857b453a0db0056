import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  clientIdOf,
  type Combination,
  combinations,
  connector,
  describeCombination,
  secretMark
} from "./Combination.ts"
import { type Observation, observeConnector, type Seen } from "./observe.ts"
import { type Expectation, oracle, type Outcome } from "./Oracle.ts"
import { headerOf } from "./World.ts"

/** What an oracle's outcome looks like, given the namespace it is about. */
const expected = (outcome: Outcome, namespace: string): string => {
  if (outcome.is === "error") return `error ${outcome.reason}${outcome.retryable ? ", to be retried" : ""}`
  const owner = outcome.at === "namespace" ? namespace : connector
  const principal = outcome.authType === "pat" ? "owner of the PAT" : clientIdOf(owner)
  const secret = outcome.authType === "pat" ? "databricks-token" : "databricks-oauth"
  return `${outcome.authType} as ${principal} from ${outcome.at === "namespace" ? `Secret ${namespace}/${secret}` : "connector"}`
}

const actual = (seen: Seen): string =>
  seen.is === "error"
    ? `error ${seen.reason}${seen.retryable ? ", to be retried" : ""}`
    : `${seen.authType} as ${seen.principal} from ${seen.source}`

const list = (items: ReadonlyArray<string>): string => (items.length === 0 ? "nothing" : items.join(" then "))

/** Everything in which one combination differs from what the contract says of it. */
const differences = (expectation: Expectation, observation: Observation): ReadonlyArray<string> => {
  const { outcome, explicit, reads, wentPast } = expectation
  const { namespace, outcome: seen } = observation
  const found: Array<string> = []
  const check = (ok: boolean, difference: () => string) => {
    if (!ok) found.push(difference())
  }
  const same = (what: string, want: string, got: string) =>
    check(want === got, () => `${what}: expected ${want}, got ${got}`)

  same("outcome", expected(outcome, namespace), actual(seen))
  same("the same request again", expected(outcome, namespace), actual(observation.again))
  if (explicit !== undefined && seen.is === "identity") same("identity under an explicit type", explicit, seen.authType)

  const ownSecret = (name: string) => `${namespace}/${name}`
  same("Secrets read", list(reads.map(ownSecret)), list(observation.reads))

  if (outcome.is === "identity") {
    const owner = outcome.at === "namespace" ? namespace : connector
    same("header", headerOf(outcome.authType, owner), observation.header ?? "none")
    same("header later", headerOf(outcome.authType, owner), observation.headerLater ?? "none")
    same("sources used", "1", String(observation.used.length))
    const own = seen.is === "identity" ? seen.source : ""
    check(
      observation.readsForHeader.every((read) => own === `Secret ${read}`),
      () => `the header of ${own} read ${list(observation.readsForHeader)}`
    )
  }

  if (outcome.is === "error" && seen.is === "error") {
    const says = [...outcome.says, ...(outcome.says.some((word) => word.startsWith("databricks-")) ? [namespace] : [])]
    const unsaid = says.filter((word) => !seen.message.includes(word))
    check(unsaid.length === 0, () => `the message does not say ${unsaid.join(", ")}: ${seen.message}`)
    const unadvised = (outcome.advises ?? []).filter((word) => !seen.remedy.includes(word))
    check(unadvised.length === 0, () => `the advice does not say ${unadvised.join(", ")}: ${seen.remedy}`)
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
  }

  check(!observation.shown.includes(secretMark), () => `a secret is shown: ${observation.shown}`)
  return found
}

/** The client ids that a connector has to ask the endpoint for, each once: a token is shared only with its identity. */
const clientsOf = (observations: ReadonlyArray<Observation>): ReadonlyArray<string> => {
  const clients = observations.flatMap(({ combination, namespace }) => {
    const { outcome } = oracle(combination)
    if (outcome.is === "error" || outcome.authType === "pat") return []
    return clientIdOf(outcome.at === "namespace" ? namespace : connector)
  })
  return [...new Set(clients)]
}

/** Combinations that one connector can meet: all that is configured once is the same. */
const byConnector = (all: ReadonlyArray<Combination>): ReadonlyArray<ReadonlyArray<Combination>> => [
  ...Map.groupBy(all, ({ namespaceIdentity, environmentAuthType, kubernetes, connectorPair, connectorPat }) =>
    [namespaceIdentity, environmentAuthType, kubernetes, connectorPair, connectorPat].join()
  ).values()
]

/** What a reader would call the situation: what is explicit, who says so, and the operator's rule for namespaces. */
const situation = (combination: Combination): string => {
  const { explicit } = oracle(combination)
  const by = combination.taskAuthType !== "unset" ? "by the task" : "by the environment"
  const said = explicit === undefined ? "auto-detect" : `explicit ${explicit} ${by}`
  return `${said}, FLYTE_DATABRICKS_NAMESPACE_IDENTITY=${combination.namespaceIdentity}`
}

/** Each takes a second or less; a machine with much else to do may need many times that. */
const patience = 120_000

describe("who a task is, in every combination of what exists and what is explicit", () => {
  for (const [name, members] of Map.groupBy(combinations, situation)) {
    it.effect(
      `${name}: as the contract says, ${members.length} times`,
      () =>
        Effect.gen(function* () {
          const all: Array<string> = []
          for (const sharing of byConnector(members)) {
            const { observations, tokenRequests } = yield* observeConnector(sharing)
            for (const observation of observations) {
              for (const difference of differences(oracle(observation.combination), observation)) {
                all.push(`${difference}\n    where ${describeCombination(observation.combination)}`)
              }
            }
            const clients = clientsOf(observations)
            if (list(clients) !== list(tokenRequests)) {
              all.push(`the endpoint was asked for ${list(tokenRequests)}, expected ${list(clients)}`)
            }
          }
          if (all.length > 0) assert.fail(`${all.length} differences, the first:\n- ${all.slice(0, 10).join("\n- ")}`)
        }),
      patience
    )
  }

  it.effect(
    "where a namespace must bring an identity and there is no namespace, the advice is about the namespace",
    () =>
      Effect.gen(function* () {
        const without = combinations.filter(
          (one) => one.namespaceIdentity === "require" && one.namespace === "not given"
        )
        for (const sharing of byConnector(without)) {
          for (const { outcome } of (yield* observeConnector(sharing)).observations) {
            assert.include(outcome.is === "error" ? outcome.remedy : "none, it succeeded", "namespace")
          }
        }
      })
  )

  it("reaches every kind of outcome, so that none of this holds because nothing was tried", () => {
    const kinds = new Set(combinations.map((one) => expected(oracle(one).outcome, "the-namespace")))
    assert.sameMembers(
      [...kinds],
      [
        "oauth_m2m as client-of-the-namespace from Secret the-namespace/databricks-oauth",
        "oauth_m2m as client-of-the-connector from connector",
        "pat as owner of the PAT from Secret the-namespace/databricks-token",
        "pat as owner of the PAT from connector",
        "error CredentialsMissing",
        "error CredentialsBroken",
        "error AccessForbidden",
        "error KubernetesUnavailable, to be retried"
      ]
    )
    // Secrets of 9 and 7 kinds where there is a namespace to look into, and three ways to have none; times connector
    // pair and PAT, auth types and namespace identities. Then those that say OIDC somewhere.
    assert.strictEqual(combinations.length, (9 * 7 + 3) * 4 * 2 * 3 * 3 * 3 + 4 * 7 * 3)
  })
})
