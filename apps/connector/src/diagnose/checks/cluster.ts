/**
 * The cluster: whether it answers, who the connector is there, and whether its rights are those that the modes need.
 */
import type { ConnectorSettings } from "@flyte-databricks/databricks-auth"
import type { SelfReview } from "@flyte-databricks/kubernetes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { KubernetesError } from "@flyte-databricks/databricks-auth/Kubernetes"
import { Finding, type Passed } from "@flyte-databricks/diagnosis/Check"

type Review = SelfReview.SelfReview

const unavailable = ({ reason }: KubernetesError): Finding =>
  new Finding({ code: reason._tag === "Forbidden" ? "FDC101" : "FDC102", detail: `${reason.message}.` })

/** Asks the API server for its version, and who the caller is. */
export const reach = Effect.fnUntraced(function* (review: Review): Effect.fn.Return<Passed<Review>, Finding> {
  const version = yield* Effect.mapError(review.version, unavailable)
  const user = yield* Effect.mapError(review.whoAmI, unavailable)
  return { value: review, text: `Kubernetes ${version} answers.`, facts: { user } }
})

/** A rule of a manifest in deploy/rbac, and the line on which it begins. */
export interface Rule {
  readonly mode: "pat" | "oauth-m2m" | "oidc-namespace"
  readonly verb: string
  readonly resource: string
  readonly name?: string
  /** The same in the manifest for all namespaces and in that for one. */
  readonly line: number
}

const serviceAccount = "databricks"

/** The rules that these settings need. */
export const needed = ({
  authType,
  namespaceIdentity,
  tokenSecretName,
  oauthSecretName
}: Pick<
  ConnectorSettings.ConnectorSettings["Service"],
  "authType" | "namespaceIdentity" | "tokenSecretName" | "oauthSecretName"
>): ReadonlyArray<Rule> => {
  if (namespaceIdentity === "ignore") return []
  const serves = (wanted: string) => Option.match(authType, { onNone: () => true, onSome: (only) => only === wanted })
  const rules: ReadonlyArray<Rule & { readonly authType: string }> = [
    {
      authType: "oidc_federation",
      mode: "oidc-namespace",
      verb: "list",
      resource: "serviceaccounts",
      line: 12
    },
    {
      authType: "oidc_federation",
      mode: "oidc-namespace",
      verb: "create",
      resource: "serviceaccounts/token",
      name: serviceAccount,
      line: 17
    },
    {
      authType: "oauth_m2m",
      mode: "oauth-m2m",
      verb: "get",
      resource: "secrets",
      name: oauthSecretName,
      line: 11
    },
    {
      authType: "pat",
      mode: "pat",
      verb: "get",
      resource: "secrets",
      name: tokenSecretName,
      line: 11
    }
  ]
  return rules.filter((rule) => serves(rule.authType)).map(({ authType: _, ...rule }) => rule)
}

/** A rule as people say it. */
const spoken = ({ verb, resource, name }: Pick<Rule, "verb" | "resource" | "name">): string =>
  `${verb} ${resource}${name === undefined ? "" : ` named ${name}`}`

/** What nobody needs: every object of a kind, in place of the one that the rule names. */
const broad = [
  { verb: "get", resource: "secrets" },
  { verb: "create", resource: "serviceaccounts/token" }
] as const

/** A namespace, and the ServiceAccount that it offers by another name than usual. */
export interface Place {
  readonly namespace: string
  readonly serviceAccount?: string | undefined
}

/** Places with the rule as each needs it; of those without a name of their own, in one group. */
const byRule = (rule: Rule, places: ReadonlyArray<Place>) => {
  const named = (name: string | undefined): Rule => (name === undefined ? rule : { ...rule, name })
  const groups = Map.groupBy(places, ({ serviceAccount }) =>
    rule.resource === "serviceaccounts/token" ? serviceAccount : undefined
  )
  const usual = groups.get(undefined) ?? []
  groups.delete(undefined)
  return [
    ...(usual.length > 0 || places.length === 0 ? [{ rule, namespaces: usual }] : []),
    ...Array.from(groups, ([name, some]) => ({ rule: named(name), namespaces: some }))
  ].map(({ rule, namespaces }) => ({ rule, namespaces: namespaces.map(({ namespace }) => namespace) }))
}

/**
 * Asks for each rule whether it holds, in these namespaces or else in all; and for what nobody needs. A right that holds
 * in every namespace is asked for once: so a thousand namespaces cost no more than one.
 */
export const rights = Effect.fnUntraced(function* (
  review: Review,
  settings: ConnectorSettings.ConnectorSettings["Service"],
  places: ReadonlyArray<Place>
): Effect.fn.Return<Passed<void>, Finding> {
  const rules = needed(settings)
  // Auto-detection passes over what is forbidden.
  const isAuto = Option.isNone(settings.authType)
  const mayI = (right: SelfReview.Right) => Effect.mapError(review.mayI(right), unavailable)
  /** The namespaces where it holds, or all that there are. */
  const held = Effect.fnUntraced(function* (
    { verb, resource, name }: SelfReview.Right,
    namespaces: ReadonlyArray<string>
  ) {
    if (yield* mayI({ verb, resource, name })) return "everywhere" as const
    return yield* Effect.filter(namespaces, (namespace) => mayI({ verb, resource, name, namespace }), {
      concurrency: width
    })
  })
  const missing = yield* Effect.forEach(
    rules.flatMap((rule) => byRule(rule, places)),
    ({ rule, namespaces }) =>
      Effect.map(held(rule, namespaces), (where) => {
        if (where === "everywhere") return []
        if (namespaces.length === 0) return [missingRight(rule, undefined, isAuto)]
        const has = new Set(where)
        return namespaces.filter((name) => !has.has(name)).map((name) => missingRight(rule, name, isAuto))
      })
  )
  const all = places.map(({ namespace }) => namespace)
  const tooBroad = yield* Effect.forEach(broad, (right) =>
    Effect.map(held(right, all), (where) =>
      (where === "everywhere" ? [undefined] : where).map((namespace) => broadRight(right, namespace))
    )
  )
  const found = [...missing.flat(), ...tooBroad.flat()]
  return {
    value: undefined,
    text:
      rules.length === 0
        ? "No right is needed."
        : found.length > 0
          ? ""
          : `It may ${rules.map(spoken).join(", ")}, and no more than that.`,
    noticed: found
  }
})

const width = 8

const broadRight = ({ verb, resource }: (typeof broad)[number], namespace: string | undefined): Finding =>
  new Finding({ code: "FDC106", detail: `It may ${verb} ${resource} of any name in ${placeOf(namespace)}.` })

const placeOf = (namespace: string | undefined): string =>
  namespace === undefined ? "every namespace" : `namespace ${namespace}`

const missingRight = (rule: Rule, namespace: string | undefined, isAuto: boolean): Finding => {
  const variant = namespace === undefined ? "cluster-wide" : "per-namespace"
  const file = `deploy/rbac/${rule.mode}/${variant}.yaml`
  return new Finding({
    code: "FDC105",
    // Without a namespace to ask for, each may have a role of its own.
    ...(isAuto || namespace === undefined ? { level: "warning" as const } : {}),
    detail:
      `It may not ${spoken(rule)} in ${placeOf(namespace)}: ${file}, line ${rule.line}` +
      (rule.resource === "serviceaccounts/token" && rule.name !== serviceAccount
        ? `, with that name in place of ${serviceAccount}.`
        : ".") +
      (namespace === undefined ? " Ask with --namespace where each has a role of its own." : ""),
    command: `kubectl apply ${namespace === undefined ? "" : `--namespace ${namespace} `}-f ${file}`
  })
}

/** The namespaces of the cluster that this connector serves. */
export const servedNamespaces = Effect.fnUntraced(function* (
  review: Review,
  { namespaces }: ConnectorSettings.ConnectorSettings["Service"]
): Effect.fn.Return<Passed<ReadonlyArray<string>>, Finding> {
  const all = yield* Effect.mapError(review.listNamespaces, (error) =>
    error.reason._tag === "Forbidden"
      ? new Finding({ code: "FDC107", detail: `${error.reason.message}.` })
      : unavailable(error)
  )
  const served = all.filter(namespaces.includes)
  return { value: served, text: `${served.length} of ${all.length} namespaces are served.` }
})
