/**
 * The resource `serviceaccounts` of the core group: one by name, and a namespace's by label selector, page by page.
 */
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { EmulatorError, NotFound } from "../EmulatorError.ts"
import * as LabelSelector from "./LabelSelector.ts"
import * as ObjectMeta from "./ObjectMeta.ts"
import { type Access, resourceRoute, type Target } from "./Resource.ts"
import { badRequest, notFound, type StatusError } from "./Status.ts"

/** What `setServiceAccount` takes. */
export interface ServiceAccountOptions extends ObjectMeta.ObjectOptions {}

type Changes = Readonly<Record<string, string | null>>

/** What `patchServiceAccount` changes: a value sets a label or an annotation, `null` removes it. */
export interface ServiceAccountPatch {
  readonly labels?: Changes | undefined
  readonly annotations?: Changes | undefined
}

const resource = "serviceaccounts"

/** Where a list goes on: the first key of the next page. */
const Continue = Schema.fromJsonString(
  Schema.Struct({ v: Schema.Literal("meta.k8s.io/v1"), rv: Schema.Finite, start: Schema.String })
)

const encodeContinue = (rv: string, after: string) =>
  Base64Url.encode(JSON.stringify({ v: "meta.k8s.io/v1", rv: Number(rv), start: `${after}\u0000` }))

const decodeContinue = (token: string) =>
  Effect.fromResult(Base64Url.decodeString(token)).pipe(
    Effect.flatMap(Schema.decodeEffect(Continue)),
    Effect.mapError(() => badRequest("continue key is not valid: it was not given out by this server"))
  )

const changed = (old: Readonly<Record<string, string>> = {}, changes: Changes = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries<string | null>({ ...old, ...changes }).filter(
      (entry): entry is [string, string] => entry[1] !== null
    )
  )

const listQuery = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  const query = new URLSearchParams(request.url.split("?")[1] ?? "")
  const selector = LabelSelector.parse(query.get("labelSelector") ?? "")
  if (Result.isFailure(selector)) return yield* badRequest(selector.failure)
  const limit = query.get("limit") ?? "0"
  if (!/^\d{1,9}$/.test(limit)) return yield* badRequest(`limit: Invalid value: "${limit}"`)
  if ((query.get("watch") ?? "false") !== "false") return yield* badRequest("this emulator does not watch")
  const fields = query.get("fieldSelector") ?? ""
  if (fields !== "") return yield* badRequest(`field label not supported: ${fields}`)
  const token = query.get("continue") ?? ""
  return {
    selects: selector.success,
    /** The service cannot count what is left once labels select. */
    countable: (query.get("labelSelector") ?? "") === "",
    limit: Number(limit) === 0 ? Infinity : Number(limit),
    from: token === "" ? undefined : yield* decodeContinue(token)
  }
})

/** Makes an empty store of ServiceAccounts. */
export const make = (metas: ObjectMeta.ObjectMetas) => {
  const accounts = new Map<string, ObjectMeta.ObjectMeta>()

  const put = Effect.fnUntraced(function* (options: ServiceAccountOptions) {
    const key = ObjectMeta.key(options)
    accounts.set(key, yield* metas.next(options, accounts.get(key)))
  })

  /** A namespace that has something in it exists, and Kubernetes gives each that exists a ServiceAccount. */
  const settle = Effect.fnUntraced(function* (namespace: string) {
    const own = { namespace, name: "default" }
    if (!accounts.has(ObjectMeta.key(own))) yield* put(own)
  })

  const set = Effect.fnUntraced(function* (options: ServiceAccountOptions) {
    yield* ObjectMeta.check("ServiceAccount", options)
    yield* put(options)
    yield* settle(options.namespace)
  })

  const patch = Effect.fnUntraced(function* (target: Target, { annotations, labels }: ServiceAccountPatch) {
    const old = accounts.get(ObjectMeta.key(target))
    if (old === undefined) {
      return yield* new EmulatorError({
        reason: new NotFound({ kind: "ServiceAccount", name: ObjectMeta.key(target), known: [...accounts.keys()] })
      })
    }
    yield* set({
      name: target.name,
      namespace: target.namespace,
      labels: changed(old.labels, labels),
      annotations: changed(old.annotations, annotations)
    })
  })

  /** The ServiceAccount's metadata, or the API server's 404. */
  const find = (target: Target): Effect.Effect<ObjectMeta.ObjectMeta, StatusError> =>
    Effect.suspend(() => {
      const found = accounts.get(ObjectMeta.key(target))
      return found === undefined ? Effect.fail(notFound(resource, target.name)) : Effect.succeed(found)
    })

  const list = Effect.fnUntraced(function* ({ namespace }: Target) {
    const { countable, from, limit, selects } = yield* listQuery
    const found = [...accounts.values()]
      .filter((account) => account.namespace === namespace && selects(account.labels ?? {}))
      .filter(({ name }) => from === undefined || name >= from.start)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const page = found.slice(0, limit)
    const last = page.at(-1)
    const resourceVersion = from === undefined ? metas.revision() : `${from.rv}`
    const more =
      last === undefined || page.length === found.length
        ? {}
        : {
            continue: encodeContinue(resourceVersion, last.name),
            ...(countable ? { remainingItemCount: found.length - page.length } : {})
          }
    return {
      kind: "ServiceAccountList",
      apiVersion: "v1",
      metadata: { resourceVersion, ...more },
      items: page.map((metadata) => ({ metadata }))
    }
  })

  const route = (access: Access, path: `/${string}`, verb: string, handle: typeof list | typeof get) =>
    resourceRoute(access, { method: "GET", path, verb, apiGroup: "", resource, handle })

  const get = (target: Target) =>
    Effect.map(find(target), (metadata) => ({ kind: "ServiceAccount", apiVersion: "v1", metadata }))

  return {
    set,
    settle,
    patch,
    find,
    delete: (target: Target) => Effect.sync(() => accounts.delete(ObjectMeta.key(target))),
    names: Effect.sync(() => [...accounts.keys()]),
    routes: (access: Access) => [
      route(access, "/api/v1/namespaces/:namespace/serviceaccounts", "list", list),
      route(access, "/api/v1/namespaces/:namespace/serviceaccounts/:name", "get", get)
    ]
  }
}

export type ServiceAccounts = ReturnType<typeof make>
