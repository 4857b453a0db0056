/** What deploy/ has for an operator to apply, as objects. */
import type { PolicyRule } from "@flyte-databricks/kubernetes/testing/controlPlane/Rbac"
import { readdirSync, readFileSync } from "node:fs"
import { parseAllDocuments } from "yaml"

const deploy = new URL("../../../../../deploy/", import.meta.url)
const read = (file: string) => readFileSync(new URL(file, deploy), "utf8")

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly rules?: ReadonlyArray<PolicyRule>
  readonly [field: string]: unknown
}

/** Words in capitals that the reader is to replace. */
export type Words = Readonly<Record<string, string>>

const fill = (text: string, words: Words) =>
  Object.entries(words).reduce((filled, [word, value]) => filled.replaceAll(word, value), text)

/** A manifest's objects, as `kubectl apply --namespace` takes them. */
export const objects = (file: string, namespace: string | undefined, words: Words = {}): ReadonlyArray<Manifest> =>
  parseAllDocuments(fill(read(file), words)).map((document) => {
    const object: Manifest = document.toJS()
    return namespace === undefined ? object : { ...object, metadata: { ...object.metadata, namespace } }
  })

/** A federation policy of the examples. */
export const federationPolicy = (model: "oidc-connector" | "oidc-namespace", words: Words) => {
  const { oidc_policy: policy } = JSON.parse(fill(read(`examples/${model}/federation-policy.json`), words))
  return policy as { readonly issuer: string; readonly audiences: ReadonlyArray<string>; readonly subject: string }
}

/** The ways to give the rights: once for the cluster, or in each namespace. */
export const variants = ["cluster-wide", "per-namespace"] as const
export type Variant = (typeof variants)[number]

/** The modes that need rights. */
export const modesWithRights = readdirSync(new URL("rbac/", deploy), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

/** The objects that give a mode its rights in these namespaces. */
export const rbac = (mode: string, variant: Variant, namespaces: ReadonlyArray<string>): ReadonlyArray<Manifest> =>
  (variant === "cluster-wide" ? [undefined] : namespaces).flatMap((namespace) =>
    objects(`rbac/${mode}/${variant}.yaml`, namespace)
  )

/** Rules of one verb on one resource, by one name at the most. */
const single = (rules: ReadonlyArray<PolicyRule>): ReadonlyArray<PolicyRule> =>
  rules.flatMap(({ apiGroups, resourceNames = [undefined], resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        verbs.flatMap((verb) =>
          resourceNames.map((name) => ({
            apiGroups: [group],
            resources: [resource],
            verbs: [verb],
            ...(name === undefined ? {} : { resourceNames: [name] })
          }))
        )
      )
    )
  )

/** Every right that a mode's manifest gives. */
export const rightsOf = (mode: string, variant: Variant): ReadonlyArray<PolicyRule> =>
  single(rbac(mode, variant, ["any"]).flatMap(({ rules = [] }) => rules))

/** An object without one of the rights that it gives. */
export const without = (object: Manifest, right: PolicyRule): Manifest =>
  object.rules === undefined
    ? object
    : { ...object, rules: single(object.rules).filter((rule) => spoken(rule) !== spoken(right)) }

/** A rule as people say it. */
export const spoken = ({ resourceNames, resources, verbs }: PolicyRule): string =>
  [...verbs, ...resources, ...(resourceNames ?? [])].join(" ")
