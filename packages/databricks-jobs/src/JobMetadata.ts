/**
 * What Flyte keeps for a run and sends back with every poll and cancel (`resource_meta`): JSON with the keys of the
 * Python connector's `DatabricksJobMetadata`, so that either connector polls and cancels what the other submitted.
 * Python writes every key, absent ones as `null`, and raises on a key it does not know: what is written here has exactly
 * its keys. What is read may be older and lack keys, or newer and have more.
 */
import { AuthType } from "@flyte-databricks/databricks-auth/Identity"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { parse } from "./internal/losslessJson.ts"
import { JobMetadataInvalid, JobsError } from "./JobsError.ts"
import { RunId, RunIdFromJson } from "./RunId.ts"

/** Metadata larger than this was not written by a connector: the longest value in it is a PAT. */
export const maxBytes = 64 * 1024

// Blank is absent: protocol buffers say "" for a namespace that is not set, and Python writes what they say.
const absentIfBlank = SchemaTransformation.transformOptional<string | null | undefined, string | null | undefined>({
  decode: Option.filter((value) => typeof value === "string" && value.trim() !== ""),
  encode: (value) => value
})

const optional = <A>(schema: Schema.Codec<A, string>) =>
  Schema.optional(Schema.NullOr(Schema.String)).pipe(
    Schema.decodeTo(Schema.OptionFromOptionalNullOr(schema, { onNoneEncoding: null }), absentIfBlank)
  )

const Instance = Schema.String.check(Schema.isPattern(/\S/, { expected: "a host name" }))

// Written in this order, Python's.
const Wire = Schema.Struct({
  databricks_instance: Instance,
  run_id: RunIdFromJson,
  // Without a label: one here would be demanded of every token that is written.
  auth_token: optional(Schema.RedactedFromValue(Schema.String)),
  auth_type: optional(AuthType),
  client_id: optional(Schema.String),
  oauth_secret_name: optional(Schema.String),
  oidc_token_file: optional(Schema.String),
  oidc_service_account: optional(Schema.String),
  oidc_audience: optional(Schema.String),
  namespace: optional(Schema.String),
  token_secret_name: optional(Schema.String)
})

/** A run, the workspace it is in, and the identity that it is pinned to, as the core records it. */
export class JobMetadata extends Schema.Class<JobMetadata>("@flyte-databricks/databricks-jobs/JobMetadata")({
  instance: Instance,
  runId: Schema.toType(RunId),
  authToken: Schema.Option(Schema.Redacted(Schema.String)),
  authType: Schema.Option(AuthType),
  clientId: Schema.Option(Schema.String),
  oauthSecretName: Schema.Option(Schema.String),
  oidcTokenFile: Schema.Option(Schema.String),
  oidcServiceAccount: Schema.Option(Schema.String),
  oidcAudience: Schema.Option(Schema.String),
  namespace: Schema.Option(Schema.String),
  tokenSecretName: Schema.Option(Schema.String)
}) {}

// A step of its own, after the values are read: an error then speaks of the keys that are on the wire.
const Resource = Wire.pipe(
  Schema.decodeTo(
    JobMetadata,
    SchemaTransformation.transform({
      decode: (wire) => ({
        instance: wire.databricks_instance,
        runId: wire.run_id,
        authToken: wire.auth_token,
        authType: wire.auth_type,
        clientId: wire.client_id,
        oauthSecretName: wire.oauth_secret_name,
        oidcTokenFile: wire.oidc_token_file,
        oidcServiceAccount: wire.oidc_service_account,
        oidcAudience: wire.oidc_audience,
        namespace: wire.namespace,
        tokenSecretName: wire.token_secret_name
      }),
      encode: (metadata) => ({
        databricks_instance: metadata.instance,
        run_id: metadata.runId,
        auth_token: metadata.authToken,
        auth_type: metadata.authType,
        client_id: metadata.clientId,
        oauth_secret_name: metadata.oauthSecretName,
        oidc_token_file: metadata.oidcTokenFile,
        oidc_service_account: metadata.oidcServiceAccount,
        oidc_audience: metadata.oidcAudience,
        namespace: metadata.namespace,
        token_secret_name: metadata.tokenSecretName
      })
    })
  )
)

const decodeResource = Schema.decodeUnknownResult(Resource)
const encodeResource = Schema.encodeSync(Resource)

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
  return decodeResource(json.success).pipe(
    Result.mapError((error) => error.message.replaceAll(/\s*\n\s*/g, " ")),
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
  token_secret_name: 500
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

/** Writes what Flyte is to keep. */
export const encode = (metadata: JobMetadata): Result.Result<Uint8Array, JobsError> => {
  const { token_secret_name: _, ...keys } = encodeResource(metadata)
  return toBytes(keys)
}

/**
 * Writes no more than the run and its workspace: all that Flyte 2's own connector writes, and all that it can read.
 */
export const encodeRun = (metadata: JobMetadata): Result.Result<Uint8Array, JobsError> => {
  const { databricks_instance, run_id } = encodeResource(metadata)
  return toBytes({ databricks_instance, run_id })
}

const toBytes = (keys: object): Result.Result<Uint8Array, JobsError> => {
  const bytes = new TextEncoder().encode(JSON.stringify(keys))
  return bytes.length <= maxBytes
    ? Result.succeed(bytes)
    : refuse(`it would have ${bytes.length} bytes, at most ${maxBytes} are read back`)
}
