import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Combination, combinations, describeCombination } from "./Combination.ts"
import { differences, expected, list, requestsOf } from "./differences.ts"
import { observeConnector } from "./observe.ts"
import { oidcCombinations } from "./OidcCombination.ts"
import { oracle } from "./Oracle.ts"

/** Combinations that one connector can meet: all that is configured once is the same. */
const byConnector = (all: ReadonlyArray<Combination>): ReadonlyArray<ReadonlyArray<Combination>> => [
  ...Map.groupBy(all, (one) =>
    [
      one.namespaceIdentity,
      one.environmentAuthType,
      one.kubernetes,
      one.connectorPair,
      one.connectorPat,
      one.jwtFile,
      one.audience
    ].join()
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

const compareEach = (all: ReadonlyArray<Combination>) => {
  for (const [name, members] of Map.groupBy(all, situation)) {
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
            const wanted = requestsOf(observations)
            if (list(wanted) !== list(tokenRequests)) {
              all.push(`the endpoint was asked for ${list(tokenRequests)}, expected ${list(wanted)}`)
            }
          }
          if (all.length > 0) assert.fail(`${all.length} differences, the first:\n- ${all.slice(0, 10).join("\n- ")}`)
        }),
      patience
    )
  }
}

const kindsOf = (all: ReadonlyArray<Combination>): ReadonlyArray<string> => [
  ...new Set(all.map((one) => expected(oracle(one).outcome, "the-namespace")))
]

describe("who a task is, in every combination of what exists and what is explicit", () => {
  compareEach(combinations)

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
    assert.sameMembers(
      [...kindsOf(combinations)],
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

describe(`who a task is where something of OIDC exists, in ${oidcCombinations.length} combinations`, () => {
  compareEach(oidcCombinations)

  it("reaches every kind of outcome", () => {
    const ofServiceAccount = (audience: string) =>
      "oidc_federation as client-of-the-namespace-spark from ServiceAccount the-namespace/spark, " +
      `namespace the-namespace, serviceAccount spark, audience ${audience}`
    const ofFile = (path: string, audience: string) =>
      `oidc_federation as client-of-the-connector from JWT file ${path}, tokenFile ${path}, audience ${audience}`
    assert.sameMembers(
      [...kindsOf(oidcCombinations)],
      [
        ofServiceAccount("databricks"),
        ofServiceAccount("federation.example"),
        ofServiceAccount("audience-of-spark"),
        ...["/var/run/secrets/databricks/token", "/jwt/named", "/jwt/aws"].flatMap((path) => [
          ofFile(path, "databricks"),
          ofFile(path, "federation.example")
        ]),
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
    const refusals = oidcCombinations.flatMap((one) => {
      const { outcome } = oracle(one)
      return outcome.is === "identity" ? (outcome.federation?.refusal?.reason ?? []) : []
    })
    assert.sameMembers([...new Set(refusals)], ["AccessForbidden", "KubernetesUnavailable", "ExchangeRefused"])
  })

  it.effect("tells of a ServiceAccount that was seen and skipped, also where another one is used", () =>
    Effect.gen(function* () {
      const beside = oidcCombinations.filter(
        (one) =>
          one.serviceAccounts === "one beside a blank one" &&
          one.namespaceIdentity !== "ignore" &&
          oracle(one).outcome.is === "identity" &&
          oracle(one).explicit !== "pat" &&
          oracle(one).explicit !== "oauth_m2m"
      )
      assert.isNotEmpty(beside)
      for (const sharing of byConnector(beside)) {
        for (const { told } of (yield* observeConnector(sharing)).observations) assert.include(told, "lacking")
      }
    })
  )
})
