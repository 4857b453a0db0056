/**
 * Rights by the rules of RBAC.
 */
import type { KubernetesObject } from "./Objects.ts"

/** A ServiceAccount by its name. */
export interface ServiceAccountName {
  readonly namespace: string
  readonly name: string
}

/** A right, as a SubjectAccessReview names it. Without a namespace it is a right in all, or on no namespaced resource. */
export interface ResourceAttributes {
  readonly verb: string
  readonly resource: string
  readonly subresource?: string
  readonly group?: string
  readonly namespace?: string
  readonly name?: string
}

/** A rule of a Role or ClusterRole. */
export interface PolicyRule {
  readonly apiGroups: ReadonlyArray<string>
  readonly resources: ReadonlyArray<string>
  readonly resourceNames?: ReadonlyArray<string>
  readonly verbs: ReadonlyArray<string>
}

/** Every right that a rule without wildcards grants. */
export const rightsOf = (rule: PolicyRule, namespace: string | undefined): ReadonlyArray<ResourceAttributes> =>
  rule.apiGroups.flatMap((group) =>
    rule.resources.flatMap((path) =>
      rule.verbs.flatMap((verb) =>
        (rule.resourceNames ?? [undefined]).map((name) => {
          const [resource = "", subresource] = path.split("/")
          return {
            verb,
            group,
            resource,
            ...(subresource === undefined ? {} : { subresource }),
            ...(namespace === undefined ? {} : { namespace }),
            ...(name === undefined ? {} : { name })
          }
        })
      )
    )
  )

/** A cluster shows its issuer to who is authenticated; this shows it to everybody. */
export const publicIssuer: KubernetesObject = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: { name: "public-service-account-issuer-discovery" },
  roleRef: {
    apiGroup: "rbac.authorization.k8s.io",
    kind: "ClusterRole",
    name: "system:service-account-issuer-discovery"
  },
  subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "system:unauthenticated" }]
}

/** A role with these rules, and its binding to the ServiceAccount: in one namespace, or else in all. */
export const roleFor = (who: ServiceAccountName, rules: ReadonlyArray<PolicyRule>, namespace: string | undefined) => {
  const apiGroup = "rbac.authorization.k8s.io"
  const [roleKind, bindingKind] =
    namespace === undefined ? ["ClusterRole", "ClusterRoleBinding"] : ["Role", "RoleBinding"]
  const name = `${who.namespace}.${who.name}`
  const metadata = namespace === undefined ? { name } : { name, namespace }
  const apiVersion = `${apiGroup}/v1`
  return {
    role: { apiVersion, kind: roleKind, metadata, rules },
    binding: {
      apiVersion,
      kind: bindingKind,
      metadata,
      roleRef: { apiGroup, kind: roleKind, name },
      subjects: [{ kind: "ServiceAccount", ...who }]
    }
  }
}
