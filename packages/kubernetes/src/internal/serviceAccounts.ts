/**
 * From ServiceAccounts and their tokens as the API server sends them to what the core knows.
 */
import type { ServiceAccount } from "@flyte-databricks/databricks-auth/Kubernetes"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** What a page says that is the last one. The library renames the word. */
export const LastPage = Schema.Struct({
  continue: Schema.optional(Schema.Literal("")),
  _continue: Schema.optional(Schema.Literal(""))
})

const ServiceAccountList = Schema.Struct({
  kind: Schema.Literal("ServiceAccountList"),
  // A page that is not the last one would hide a match; nobody asked for pages.
  metadata: Schema.optional(LastPage),
  items: Schema.Array(
    Schema.Struct({
      metadata: Schema.Struct({
        name: Schema.NonEmptyString,
        annotations: Schema.optional(Schema.Record(Schema.String, Schema.String))
      })
    })
  )
})

const decodeList = Schema.decodeUnknownOption(ServiceAccountList)

/** The ServiceAccounts of a list; none where the value is not such a list. */
export const decodeServiceAccounts = (value: unknown): Option.Option<ReadonlyArray<ServiceAccount>> =>
  Option.map(decodeList(value), ({ items }) =>
    items.map(({ metadata: { name, annotations = {} } }) => ({ name, annotations }))
  )

const TokenResponse = Schema.Struct({
  kind: Schema.Literal("TokenRequest"),
  status: Schema.Struct({
    token: Schema.RedactedFromValue(Schema.NonEmptyString, { label: "ServiceAccount token" })
  })
})

const decodeResponse = Schema.decodeUnknownOption(TokenResponse)

/** The token that was made; none where the value holds none. */
export const decodeToken = (value: unknown): Option.Option<Redacted.Redacted<string>> =>
  Option.map(decodeResponse(value), ({ status }) => status.token)
