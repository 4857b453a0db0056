/**
 * Objects by their manifests, as `kubectl apply --server-side` treats them.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { parseAllDocuments } from "yaml"
import type { ApiClient } from "./ApiClient.ts"
import { ControlPlaneError, InvalidManifest } from "./ControlPlaneError.ts"

/** An object of the Kubernetes API. */
export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown }
  readonly [field: string]: unknown
}

const ResourceList = Schema.Struct({
  resources: Schema.Array(Schema.Struct({ name: Schema.String, kind: Schema.String, namespaced: Schema.Boolean }))
})

const isObject = Schema.is(
  Schema.Struct({
    apiVersion: Schema.NonEmptyString,
    kind: Schema.NonEmptyString,
    metadata: Schema.Struct({ name: Schema.NonEmptyString, namespace: Schema.optional(Schema.NonEmptyString) })
  })
)

const invalid = (problem: string) => new ControlPlaneError({ reason: new InvalidManifest({ problem }) })

/** Reads the objects of a YAML text with one or more documents; empty ones, as templates leave them, are passed over. */
export const parseYaml = Effect.fnUntraced(function* (text: string) {
  const documents = parseAllDocuments(text)
  const objects: Array<KubernetesObject> = []
  for (const [index, document] of documents.entries()) {
    const where = `document ${index + 1} of ${documents.length}`
    const [error] = document.errors
    if (error !== undefined) return yield* invalid(`${where} is not YAML: ${error.message}`)
    const value: unknown = document.toJS()
    if (value === null) continue
    if (!isObject(value)) return yield* invalid(`${where} has no apiVersion, kind or metadata.name`)
    objects.push(value as KubernetesObject)
  }
  return objects
})

/** Makes the operations on objects. */
export const make = (client: ApiClient) => {
  const pathOf = Effect.fnUntraced(function* ({ apiVersion, kind, metadata }: KubernetesObject) {
    const group = `${apiVersion.includes("/") ? "/apis" : "/api"}/${apiVersion}`
    const { resources } = yield* client.ask({ method: "GET", path: group }, ResourceList)
    // A slash is a subresource's, such as serviceaccounts/token of the kind TokenRequest.
    const resource = resources.find((one) => one.kind === kind && !one.name.includes("/"))
    if (resource === undefined) return yield* invalid(`the API server knows no ${kind} in ${apiVersion}`)
    if (resource.namespaced && metadata.namespace === undefined) {
      return yield* invalid(`${kind} ${metadata.name} has no metadata.namespace`)
    }
    const namespace = resource.namespaced ? `/namespaces/${metadata.namespace}` : ""
    return `${group}${namespace}/${resource.name}/${encodeURIComponent(metadata.name)}`
  })

  /** Creates or changes the object. A field that the API server does not know is an error. */
  const apply = Effect.fnUntraced(function* (object: KubernetesObject) {
    const path = yield* pathOf(object)
    yield* client.call({
      method: "PATCH",
      path: `${path}?fieldManager=tests&force=true`,
      // JSON is YAML.
      contentType: "application/apply-patch+yaml",
      body: object
    })
  })

  /** Deletes the object; says whether it was there. */
  const remove = Effect.fnUntraced(function* (object: KubernetesObject) {
    const { status } = yield* client.call({ method: "DELETE", path: yield* pathOf(object) }, 404)
    return status !== 404
  })

  return { apply, remove }
}
