/**
 * The resource `secrets` of the core group.
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Redacted from "effect/Redacted"
import * as ObjectMeta from "./ObjectMeta.ts"
import { type Access, resourceRoute, type Target } from "./Resource.ts"
import { notFound } from "./Status.ts"

/** What `setSecret` takes. */
export interface SecretOptions extends ObjectMeta.ObjectOptions {
  /** The values as they are; the API gives them in base64. */
  readonly data: Readonly<Record<string, string | Uint8Array | Redacted.Redacted>>
  readonly type?: string | undefined
}

const resource = "secrets"

// The characters a file name may have.
const keyRule = /^[-._a-zA-Z0-9]{1,253}$/

const encode = (value: string | Uint8Array | Redacted.Redacted) =>
  Base64.encode(Redacted.isRedacted(value) ? Redacted.value(value) : value)

/** Makes an empty store of Secrets. */
export const make = (metas: ObjectMeta.ObjectMetas) => {
  const secrets = new Map<string, object>()

  const set = Effect.fnUntraced(function* (options: SecretOptions) {
    const entries = Object.entries(options.data)
    const badKey = entries.map(([key]) => key).find((key) => !keyRule.test(key))
    yield* ObjectMeta.check("Secret", options, badKey === undefined ? undefined : `"${badKey}" is not a valid key`)
    secrets.set(ObjectMeta.key(options), {
      kind: "Secret",
      apiVersion: "v1",
      metadata: yield* metas.next(options),
      // The API server leaves `data` out when there is none.
      ...(entries.length === 0 ? {} : { data: Object.fromEntries(entries.map(([k, value]) => [k, encode(value)])) }),
      type: options.type ?? "Opaque"
    })
  })

  return {
    set,
    delete: (target: Target) => Effect.sync(() => secrets.delete(ObjectMeta.key(target))),
    names: Effect.sync(() => [...secrets.keys()]),
    routes: (access: Access) => [
      resourceRoute(access, {
        method: "GET",
        path: "/api/v1/namespaces/:namespace/secrets/:name",
        verb: "get",
        apiGroup: "",
        resource,
        handle: (target) =>
          Effect.suspend(() => {
            const secret = secrets.get(ObjectMeta.key(target))
            return secret === undefined ? Effect.fail(notFound(resource, target.name)) : Effect.succeed(secret)
          })
      })
    ]
  }
}
