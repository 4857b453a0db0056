/**
 * The resource `secrets` of the core group.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Redacted from "effect/Redacted"
import { EmulatorError, InvalidInput } from "../EmulatorError.ts"
import { uuid } from "../internal/randomText.ts"
import type { Rbac } from "./Rbac.ts"
import { resourceRoute, type Target } from "./Resource.ts"
import { notFound } from "./Status.ts"
import type { Users } from "./Users.ts"

/** What `setSecret` takes. */
export interface SecretOptions {
  readonly namespace: string
  readonly name: string
  /** The values as they are; the API gives them in base64. */
  readonly data: Readonly<Record<string, string | Uint8Array | Redacted.Redacted>>
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly type?: string | undefined
}

const resource = "secrets"

// What the API server accepts: RFC 1123 subdomains as names, and for keys the characters a file name may have.
const nameRule = /^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/
const namespaceRule = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const keyRule = /^[-._a-zA-Z0-9]{1,253}$/

const problemOf = ({ data, name, namespace }: SecretOptions) =>
  !namespaceRule.test(namespace)
    ? `"${namespace}" is not a valid namespace`
    : !nameRule.test(name)
      ? `"${name}" is not a valid name`
      : Object.keys(data)
          .filter((key) => !keyRule.test(key))
          .map((key) => `"${key}" is not a valid key`)[0]

const key = ({ name, namespace }: Target) => `${namespace}/${name}`

const encode = (value: string | Uint8Array | Redacted.Redacted) =>
  Base64.encode(Redacted.isRedacted(value) ? Redacted.value(value) : value)

/** Makes an empty store of Secrets. */
export const make = () => {
  const secrets = new Map<string, object>()
  let revision = 1000

  const set = Effect.fnUntraced(function* (options: SecretOptions) {
    const problem = problemOf(options)
    if (problem !== undefined) {
      return yield* new EmulatorError({ reason: new InvalidInput({ what: "Secret", problem }) })
    }
    const { annotations, data, labels, name, namespace, type = "Opaque" } = options
    const now = new Date(yield* Clock.currentTimeMillis)
    const entries = Object.entries(data)
    secrets.set(key(options), {
      kind: "Secret",
      apiVersion: "v1",
      metadata: {
        name,
        namespace,
        uid: yield* uuid,
        resourceVersion: `${++revision}`,
        creationTimestamp: now.toISOString().replace(/\.\d+Z$/, "Z"),
        ...(labels === undefined ? {} : { labels }),
        ...(annotations === undefined ? {} : { annotations })
      },
      // The API server leaves `data` out when there is none.
      ...(entries.length === 0 ? {} : { data: Object.fromEntries(entries.map(([k, value]) => [k, encode(value)])) }),
      type
    })
  })

  return {
    set,
    delete: (target: Target) => Effect.sync(() => secrets.delete(key(target))),
    names: Effect.sync(() => [...secrets.keys()]),
    routes: (access: { readonly users: Users; readonly rbac: Rbac }) => [
      resourceRoute(access, {
        method: "GET",
        path: "/api/v1/namespaces/:namespace/secrets/:name",
        verb: "get",
        apiGroup: "",
        resource,
        handle: (target) =>
          Effect.suspend(() => {
            const secret = secrets.get(key(target))
            return secret === undefined ? Effect.fail(notFound(resource, target.name)) : Effect.succeed(secret)
          })
      })
    ]
  }
}
