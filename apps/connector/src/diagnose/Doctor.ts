/**
 * Whether a deployment is sound: checks side by side, each on its ground and within its time.
 */
import { ConnectorSettings, DatabricksAuth } from "@flyte-databricks/databricks-auth"
import { SelfReview } from "@flyte-databricks/kubernetes"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as HttpClient from "effect/http/HttpClient"
import * as Settings from "../Settings.ts"
import { check, type Checked, Finding, firm, type Passed } from "./Check.ts"
import * as Cluster from "./checks/cluster.ts"
import * as Issuer from "./checks/issuer.ts"
import * as Runtime from "./checks/runtime.ts"
import * as SettingsCheck from "./checks/settings.ts"
import type { Environment } from "./Environment.ts"
import * as Explanation from "./Explanation.ts"
import type * as Report from "./Report.ts"

export interface Asked {
  /** What holds before the connector is installed. */
  readonly pre: boolean
  readonly namespaces: ReadonlyArray<string>
  readonly allNamespaces: boolean
  readonly listen: { readonly host: string; readonly port: number }
}

type Found = Pick<Report.Report, "checks" | "explanations">
type Services = Environment | SelfReview.SelfReviews | HttpClient.HttpClient | FileSystem.FileSystem

/** How many namespaces are explained at a time. */
const width = 8

/** Runs the checks. */
export const examine = Effect.fnUntraced(function* (asked: Asked): Effect.fn.Return<Found, never, Services> {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const reviews = yield* SelfReview.SelfReviews
  const described = yield* Effect.orDie(ConnectorSettings.describeConfig)
  // The layer of authentication was built of them without fault.
  const settings = yield* Effect.orDie(ConnectorSettings.fromConfig)

  const ofSettings = yield* check("settings", firm, () => examineSettings(described))
  const cluster = yield* check("cluster", firm, () => Effect.flatMap(reviewOf(reviews), Cluster.reach), {
    timeout: "10 seconds",
    orElse: new Finding({ code: "FDC102", detail: "It gave no answer in 10 seconds." })
  })
  const served = asked.allNamespaces
    ? yield* check("namespaces", cluster.ground, (review) => Cluster.servedNamespaces(review, settings))
    : undefined
  const namespaces = [
    ...asked.namespaces,
    ...(served === undefined ? [] : Result.getOrElse(served.ground, (): ReadonlyArray<string> => []))
  ]

  const authType = Option.getOrElse(settings.authType, () => "")
  const rules = Cluster.needed({ ...settings, authType })
  const ways = yield* Explanation.makeWays
  const workspace = yield* Option.match(settings.instance, {
    onNone: () => Effect.succeed(undefined),
    onSome: ways.reach
  })
  // The issuer is asked over the same way out.
  const wayOut = workspace === undefined ? cluster.ground : Result.flatMap(workspace.ground, () => cluster.ground)
  const [rights, issuer, explanations, runtime, port] = yield* Effect.all(
    [
      asked.pre
        ? Effect.succeed(undefined)
        : check("rights", cluster.ground, (review) => Cluster.rights(review, rules, namespaces, authType === "")),
      check("issuer", wayOut, (review) => examineIssuer(review, settings, ways)),
      asked.pre ? Effect.succeed([]) : explainAll(auth, namespaces, ways),
      check("runtime", firm, Runtime.runtime),
      asked.pre
        ? Effect.succeed(undefined)
        : check("port", firm, () => Runtime.port(asked.listen.host, asked.listen.port))
    ],
    { concurrency: "unbounded" }
  )
  const shared = asked.pre ? undefined : yield* explainShared(auth, ways)
  const parts: ReadonlyArray<Checked<unknown> | undefined> = [
    ofSettings,
    cluster,
    served,
    rights,
    workspace,
    issuer,
    shared,
    port,
    runtime
  ]
  return { checks: parts.flatMap((part) => part?.entries ?? []), explanations }
})

const reviewOf = (reviews: Option.Option<SelfReview.SelfReview>): Effect.Effect<SelfReview.SelfReview, Finding> =>
  Option.match(reviews, {
    onNone: () =>
      Effect.fail(
        new Finding({ code: "FDC103", detail: "KUBECONFIG is unset, and this is no pod with a ServiceAccount." })
      ),
    onSome: Effect.succeed
  })

const examineSettings = Effect.fnUntraced(function* (
  described: ReadonlyArray<ConnectorSettings.Described>
): Effect.fn.Return<Passed<void>> {
  const proxy = yield* Effect.orElseSucceed(Settings.httpsProxy, () => Option.none())
  const set = described.filter(({ isSet }) => isSet)
  return {
    value: undefined,
    text: "serve would start with these settings.",
    facts: {
      ...Object.fromEntries(set.map(({ variable, value }) => [variable, value])),
      // It may hold a password: the host alone is shown.
      ...(Option.isNone(proxy) ? {} : { HTTPS_PROXY: hostOf(Redacted.value(proxy.value)) })
    },
    noticed: [
      ...(yield* SettingsCheck.unknown),
      ...SettingsCheck.contradictions(described),
      ...SettingsCheck.allowList(described)
    ]
  }
})

const hostOf = (proxy: string): string =>
  URL.parse(proxy.includes("://") ? proxy : `http://${proxy}`)?.host ?? "(not shown)"

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

const explainAll = (
  auth: DatabricksAuth.DatabricksAuth["Service"],
  namespaces: ReadonlyArray<string>,
  ways: Explanation.Ways
) =>
  Effect.forEach(
    namespaces,
    (namespace) =>
      Effect.map(
        Explanation.explain(auth, { context: { namespace }, task: {}, flags: {}, exchange: true }, ways),
        // What is so for all stands above.
        (explanation) => ({
          ...explanation,
          settings: [],
          checks: explanation.checks.filter(({ check }) => check !== "workspace")
        })
      ),
    { concurrency: width }
  )

/** The identity that the connector has of its own, proved; that it has none is no fault. */
const explainShared = Effect.fnUntraced(function* (
  auth: DatabricksAuth.DatabricksAuth["Service"],
  ways: Explanation.Ways
): Effect.fn.Return<Checked<void>, never, HttpClient.HttpClient> {
  const { outcome } = yield* auth.explain({})
  if (Result.isFailure(outcome) && outcome.failure.reason._tag === "CredentialsMissing") {
    return yield* check("connector", firm, () =>
      Effect.succeed({ value: undefined, text: "The connector has no identity of its own: namespaces bring theirs." })
    )
  }
  const asked = { context: {}, task: {}, flags: {}, exchange: true }
  const { checks, identity } = yield* Explanation.explain(auth, asked, ways)
  const rotated =
    Result.isSuccess(outcome) && identity?.mode === "oidc_connector"
      ? yield* check("token", firm, () => examineProjected(auth, outcome.success))
      : undefined
  const named = checks.filter(({ check }) => check !== "workspace")
  return {
    entries: [...named, ...(rotated?.entries ?? [])].map((entry) => ({ ...entry, check: `connector ${entry.check}` })),
    ground: firm
  }
})

// A kubelet rotates a token when four fifths of its time are over; the shortest time is ten minutes.
const rotationMargin = 2 * 60_000

const examineProjected = Effect.fnUntraced(function* (
  auth: DatabricksAuth.DatabricksAuth["Service"],
  resolved: DatabricksAuth.Resolved
): Effect.fn.Return<Passed<void>> {
  const described = yield* Effect.orElseSucceed(auth.subject(resolved), () => Option.none())
  if (Option.isNone(described) || resolved.identity._tag !== "oidc_connector") return { value: undefined, text: "" }
  const { exp, audiences } = described.value.claims
  const left = (exp ?? Number.POSITIVE_INFINITY) * 1000 - (yield* Clock.currentTimeMillis)
  const { audience, source } = resolved.identity
  return {
    value: undefined,
    text: "",
    noticed: [
      ...(audiences.includes(audience)
        ? []
        : [
            new Finding({
              code: "FDC307",
              detail: `${source} is for ${audiences.join(", ") || "nobody"}, not for ${audience}.`
            })
          ]),
      ...(left < rotationMargin
        ? [
            new Finding({
              code: "FDC308",
              detail: `${source} ends in ${Math.max(0, Math.round(left / 1000))} seconds.`
            })
          ]
        : [])
    ]
  }
})
