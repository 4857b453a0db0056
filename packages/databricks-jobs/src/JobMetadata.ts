/**
 * What Flyte keeps for a run and sends back with every poll and cancel (`resource_meta`): JSON with the keys of the
 * Python connector's `DatabricksJobMetadata`, so that either connector polls and cancels what the other submitted.
 * Python raises on a key it does not know, and its versions know two, three or ten of them: what is written here has the
 * fewest keys that say it all. What is read may lack keys, or have more.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import { AuthType } from "@flyte-databricks/databricks-auth/Identity"
import { nonBlank } from "@flyte-databricks/databricks-auth/request/Variable"
import * as IdentityRecord from "@flyte-databricks/databricks-auth/IdentityRecord"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Struct from "effect/Struct"
import { parse } from "./internal/losslessJson.ts"
import { JobMetadataInvalid, JobsError } from "./JobsError.ts"
import { RunId, RunIdFromJson } from "./RunId.ts"

/** Metadata larger than this was not written by a connector: the longest value in it is a PAT. */
export const maxBytes = 64 * 1024

// Blank is absent: protocol buffers say "" for a namespace that is not set, and Python writes what they say.
const absentIfBlank = SchemaTransformation.transformOptional<string | null | undefined, string | null | undefined>({
  decode: Option.filter((value) => typeof value === "string" && Option.isSome(nonBlank(value))),
  encode: (value) => value
})

const optional = <A>(schema: Schema.Codec<A, string>) =>
  Schema.optional(Schema.NullOr(Schema.String)).pipe(
    Schema.decodeTo(Schema.OptionFromOptionalNullOr(schema, { onNoneEncoding: null }), absentIfBlank)
  )

const Instance = Schema.String.check(Schema.isPattern(/\S/, { expected: "a host name" }))

/** A run, the workspace it is in, and the identity that it is pinned to, as the core records it. */
export class JobMetadata extends Schema.Class<JobMetadata>("@flyte-databricks/databricks-jobs/JobMetadata")({
  instance: Instance,
  runId: Schema.toType(RunId),
  ...IdentityRecord.fields
}) {}

// What each field is on the wire, in the order in which Python writes them.
const wireFields = {
  instance: Instance,
  runId: RunIdFromJson,
  // Without a label: one here would be demanded of every token that is written.
  authToken: optional(Schema.RedactedFromValue(Schema.String)),
  authType: optional(AuthType),
  clientId: optional(Schema.String),
  oauthSecretName: optional(Schema.String),
  oidcTokenFile: optional(Schema.String),
  oidcServiceAccount: optional(Schema.String),
  oidcAudience: optional(Schema.String),
  namespace: optional(Schema.String),
  tokenSecretName: optional(Schema.String),
  mode: optional(Schema.String),
  parameters: Schema.OptionFromOptionalNullOr(Schema.Record(Schema.String, Schema.String), { onNoneEncoding: null })
} satisfies Record<keyof typeof JobMetadata.fields, unknown>

const wireNames = {
  instance: "databricks_instance",
  runId: "run_id",
  authToken: "auth_token",
  authType: "auth_type",
  clientId: "client_id",
  oauthSecretName: "oauth_secret_name",
  oidcTokenFile: "oidc_token_file",
  oidcServiceAccount: "oidc_service_account",
  oidcAudience: "oidc_audience",
  namespace: "namespace",
  tokenSecretName: "token_secret_name",
  mode: "mode",
  parameters: "parameters"
} as const satisfies Record<keyof typeof wireFields, string>

type Inverted<Names extends Record<string, string>> = {
  readonly [Field in keyof Names & string as Names[Field]]: Field
}
const fieldNames = Object.fromEntries(Object.entries(wireNames).map(([field, name]) => [name, field])) as Inverted<
  typeof wireNames
>

// A step of its own, after the values are read: an error then speaks of the keys that are on the wire.
const Resource = Schema.Struct(Struct.renameKeys(wireFields, wireNames)).pipe(
  Schema.decodeTo(
    JobMetadata,
    SchemaTransformation.transform({
      decode: Struct.renameKeys(fieldNames),
      encode: Struct.renameKeys(wireNames)
    })
  )
)

const decodeResource = Schema.decodeUnknownResult(Resource)

const refuse = (problem: string): Result.Result<never, JobsError> =>
  Result.fail(new JobsError({ reason: new JobMetadataInvalid({ problem }) }))

/** Reads what Flyte sent back. An error names keys and kinds, never what stands there: it may be a token. */
export const decode = (resourceMeta: Uint8Array): Result.Result<JobMetadata, JobsError> => {
  if (resourceMeta.length > maxBytes) return refuse(`it has ${resourceMeta.length} bytes, expected at most ${maxBytes}`)
  if (resourceMeta.length === 0) return refuse("it is empty")
  const json = Result.flatMap(utf8(resourceMeta), parse)
  if (Result.isFailure(json)) return refuse("it is not JSON, or only the beginning of it")
  const long = tooLong(json.success)
  if (long !== undefined) return refuse(`${long} has more than ${maxLengths[long]} characters`)
  const wrong = Predicate.hasProperty(json.success, "parameters") ? whatIsWrongWith(json.success.parameters) : undefined
  if (wrong !== undefined) return refuse(wrong)
  return decodeResource(json.success).pipe(
    Result.mapError((error) => printable(error.message, { maxLength: 1000 })),
    Result.orElse(refuse)
  )
}

// Who a run is, is kept for as long as its token, and anybody may write metadata. Of an instance, the allow-list has the say.
const maxLengths = {
  client_id: 500,
  oauth_secret_name: 500,
  oidc_token_file: 4096,
  oidc_service_account: 500,
  oidc_audience: 500,
  namespace: 500,
  token_secret_name: 500,
  mode: 100
}

// What a mode of another package pins: as many words as a mode may have, each as long as the fields above.
const maxParameters = 20
const parameterName = /^[A-Za-z]\w{0,99}$/

const whatIsWrongWith = (parameters: unknown): string | undefined => {
  if (!Predicate.isObject(parameters)) return undefined
  const entries = Object.entries(parameters)
  if (entries.length > maxParameters) return `parameters has more than ${maxParameters} members`
  if (entries.some(([name]) => !parameterName.test(name))) return "parameters has a name that is none"
  const isLong = entries.some(([, value]) => Predicate.isString(value) && value.length > 500)
  return isLong ? "parameters has a value of more than 500 characters" : undefined
}

const tooLong = (json: unknown): keyof typeof maxLengths | undefined => {
  const keys = Object.keys(maxLengths) as Array<keyof typeof maxLengths>
  return keys.find((key) => {
    const value = Predicate.hasProperty(json, key) ? json[key] : undefined
    return Predicate.isString(value) && value.length > maxLengths[key]
  })
}

const utf8 = (bytes: Uint8Array): Result.Result<string, void> =>
  Result.try({ try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes), catch: () => undefined })

/**
 * Writes what Flyte is to keep, with the keys of the oldest Python connector that knows what there is to say: all of them
 * know the run and its workspace, then came the token, then the rest, where absent values are `null`.
 */
export const encode = (metadata: JobMetadata): Result.Result<Uint8Array, JobsError> => {
  const wrong = whatIsWrongWith(Option.getOrUndefined(metadata.parameters))
  if (wrong !== undefined) return refuse(wrong)
  const run = { databricks_instance: metadata.instance, run_id: metadata.runId }
  const auth_token = Option.getOrNull(Option.map(metadata.authToken, Redacted.value))
  const rest: Record<string, string | null> = {}
  for (const field of written) rest[wireNames[field]] = Option.getOrNull<string>(metadata[field])
  // Python has no such mode, and no run of it to go on with.
  const extension = Option.match(metadata.mode, {
    onNone: () => undefined,
    onSome: (mode) => ({ mode, parameters: Option.getOrNull(metadata.parameters) })
  })
  if (extension !== undefined || Object.values(rest).some((value) => value !== null)) {
    return toBytes({ ...run, auth_token, ...rest, ...extension })
  }
  return toBytes(auth_token === null ? run : { ...run, auth_token })
}

const written = [
  "authType",
  "clientId",
  "oauthSecretName",
  "oidcTokenFile",
  "oidcServiceAccount",
  "oidcAudience",
  "namespace"
] as const

const toBytes = (keys: object): Result.Result<Uint8Array, JobsError> => {
  const bytes = new TextEncoder().encode(JSON.stringify(keys))
  return bytes.length <= maxBytes
    ? Result.succeed(bytes)
    : refuse(`it would have ${bytes.length} bytes, at most ${maxBytes} are read back`)
}
