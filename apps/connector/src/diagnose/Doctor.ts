/**
 * Whether a deployment is sound: checks side by side, each on its ground and within its time.
 */
import { AuthSummary, ConnectorSettings, DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { SelfReview } from "@flyte-databricks/kubernetes"
import * as Chain from "@flyte-databricks/diagnosis/Chain"
import type { Code } from "@flyte-databricks/diagnosis/Catalogue"
import { check, type Checked, Finding, firm, type Passed } from "@flyte-databricks/diagnosis/Check"
import * as Issuer from "@flyte-databricks/diagnosis/checks/issuer"
import * as Explanation from "@flyte-databricks/diagnosis/Explanation"
import type * as Report from "@flyte-databricks/diagnosis/Report"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as HttpClient from "effect/http/HttpClient"
import type * as Address from "../grpc/Address.ts"
import * as Cluster from "./checks/cluster.ts"
import * as Connector from "./checks/connector.ts"
import * as Port from "./checks/port.ts"
import * as Runtime from "./checks/runtime.ts"
import * as SettingsCheck from "./checks/settings.ts"
import type { Environment } from "./Environment.ts"

export interface Asked {
  /** What holds before the connector is installed. */
  readonly pre: boolean
  readonly namespaces: ReadonlyArray<string>
  readonly allNamespaces: boolean
  /** Where the connector is asked for; without one where `serve` listens here. */
  readonly address: Option.Option<Address.Address>
  /** Reads what \`serve\` reads beside the settings of authentication. */
  readonly serving: Effect.Effect<unknown, { readonly message: string }>
}

type Found = Pick<Report.Report, "checks" | "explanations">
type Services = Environment | SelfReview.SelfReviews | HttpClient.HttpClient | FileSystem.FileSystem

/** How many namespaces are explained at a time. */
const width = 8

/** Runs the checks. */
export const examine = Effect.fnUntraced(function* (asked: Asked): Effect.fn.Return<Found, never, Services> {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const { warnings } = yield* AuthSummary.AuthSummary
  const chains = yield* Chain.Chains
  const reviews = yield* SelfReview.SelfReviews
  const described = yield* Effect.orDie(ConnectorSettings.describeConfig)
  // The layer of authentication was built of them without fault.
  const settings = yield* Effect.orDie(ConnectorSettings.fromConfig)

  const serving = yield* Effect.result(asked.serving)
  const ways = yield* Explanation.makeWays(chains.of)
  const [ofSettings, cluster, workspace, runtime] = yield* Effect.all(
    [
      check("settings", firm, () => SettingsCheck.examine(described, serving)),
      check("cluster", firm, () => Effect.flatMap(reviewOf(reviews), Cluster.reach), {
        timeout: "10 seconds",
        orElse: new Finding({ code: "FDC102", detail: "It gave no answer in 10 seconds." })
      }),
      Option.match(settings.instance, { onNone: () => noWorkspace, onSome: ways.reach }),
      check("runtime", firm, Runtime.runtime)
    ],
    beside
  )
  // The issuer is asked over the same way out.
  const wayOut = Result.flatMap(workspace.ground, () => cluster.ground)
  const ofIssuer = check("issuer", wayOut, (review) => examineIssuer(review, settings, ways))
  if (asked.pre) {
    const issuer = yield* ofIssuer
    return { checks: entriesOf(ofSettings, cluster, workspace, issuer, runtime), explanations: [] }
  }

  const served = asked.allNamespaces
    ? yield* check("namespaces", cluster.ground, (review) => Cluster.servedNamespaces(review, settings))
    : undefined
  const namespaces =
    served === undefined ? asked.namespaces : Result.getOrElse(served.ground, (): ReadonlyArray<string> => [])
  const [issuer, shared, port, { explanations, rights }] = yield* Effect.all(
    [
      ofIssuer,
      Option.isNone(settings.instance)
        ? check("connector", workspace.ground, () => Effect.die("there is a workspace"))
        : Connector.examine(auth, warnings, ways),
      check(
        "port",
        Result.mapError(serving, () => "FDC001" as const),
        () => Port.examine(asked.address)
      ),
      Effect.gen(function* () {
        const explanations = yield* explainAll(auth, namespaces, cluster.ground, ways)
        const places = placesOf(namespaces, explanations)
        const rights = yield* check("rights", cluster.ground, (review) => Cluster.rights(review, settings, places))
        return { explanations, rights }
      })
    ],
    beside
  )
  return {
    checks: entriesOf(ofSettings, cluster, served, rights, workspace, issuer, shared, port, runtime),
    explanations
  }
})

const beside = { concurrency: "unbounded" } as const

const entriesOf = (...checked: ReadonlyArray<Checked<unknown> | undefined>): ReadonlyArray<Report.Entry> =>
  checked.flatMap((part) => part?.entries ?? [])

const reviewOf = (reviews: Option.Option<SelfReview.SelfReview>): Effect.Effect<SelfReview.SelfReview, Finding> =>
  Option.match(reviews, {
    onNone: () =>
      Effect.fail(
        new Finding({ code: "FDC103", detail: "KUBECONFIG is unset, and this is no pod with a ServiceAccount." })
      ),
    onSome: Effect.succeed
  })

// The right to make tokens is one to tokens of the ServiceAccount that a namespace offers, whatever its name.
const placesOf = (
  namespaces: ReadonlyArray<string>,
  explanations: ReadonlyArray<Report.Explanation>
): ReadonlyArray<Cluster.Place> => {
  const offered = new Map(
    explanations.map(({ namespace, identity }) => [
      namespace,
      identity?.mode === "oidc_namespace" ? identity.source.split("/")[1] : undefined
    ])
  )
  return namespaces.map((namespace) => ({ namespace, serviceAccount: offered.get(namespace) }))
}

const noWorkspace = check("workspace", firm, () =>
  Effect.fail(
    new Finding({
      code: "FDC004",
      level: "warning",
      detail: "Each task has to name its own, and nothing that needs one was looked at."
    })
  )
)

// The issuer counts where namespaces or the connector log in by it.
const examineIssuer = Effect.fnUntraced(function* (
  review: SelfReview.SelfReview,
  { authType, instance }: ConnectorSettings.ConnectorSettings["Service"],
  { documentsOf }: Explanation.Ways
): Effect.fn.Return<Passed<void>, Finding> {
  const isFederated = Option.isNone(authType) || authType.value === "oidc_federation"
  if (!isFederated || Option.isNone(instance)) return { value: undefined, text: "" }
  const issuer = yield* Effect.orElseSucceed(review.issuer, () => Option.none<string>())
  // Who may not read it meets it in the JWT of an explanation.
  if (Option.isNone(issuer)) return { value: undefined, text: "" }
  return yield* Issuer.lookUp({ issuer: issuer.value, kid: undefined }, instance.value, documentsOf)
})

/** Explains each; where the cluster does not answer, that is said once. */
const explainAll = (
  auth: DatabricksAuth.DatabricksAuth["Service"],
  namespaces: ReadonlyArray<string>,
  cluster: Result.Result<unknown, Code>,
  ways: Explanation.Ways
) =>
  Effect.forEach(
    namespaces,
    Effect.fnUntraced(function* (namespace) {
      if (Result.isFailure(cluster) && cluster.failure === "FDC102") {
        const { entries } = yield* check("identity", cluster, () => Effect.die("it answers"))
        return { namespace, settings: [], looked: [], identity: null, checks: entries }
      }
      const asked = { context: { namespace }, task: {}, flags: {}, exchange: true }
      const explanation = yield* Explanation.explain(auth, asked, ways)
      // What is so for all stands above.
      return { ...explanation, settings: [], checks: explanation.checks.filter(({ check }) => check !== "workspace") }
    }),
    { concurrency: width }
  )
