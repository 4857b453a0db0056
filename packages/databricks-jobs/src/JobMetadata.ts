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
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Decode } from "./internal/apiAnswer.ts"
import { parse } from "./internal/losslessJson.ts"
import { JobMetadataInvalid, JobsError } from "./JobsError.ts"
import { RunId, RunIdFromJson } from "./RunId.ts"

/** Metadata larger than this was not written by a connector: the longest value in it is a PAT. */
export const maxBytes = 64 * 1024

const Instance = Schema.String.check(Schema.isPattern(/\S/, { expected: "a host name" }))

/** A run, the workspace it is in, and the identity that it is pinned to, as the core records it. */
export class JobMetadata extends Schema.Class<JobMetadata>("@flyte-databricks/databricks-jobs/JobMetadata")({
  instance: Instance,
  runId: Schema.toType(RunId),
  ...IdentityRecord.fields
}) {}

const refuse = (problem: string): Result.Result<never, JobsError> =>
  Result.fail(new JobsError({ reason: new JobMetadataInvalid({ problem }) }))

/** Reads what Flyte sent back. An error names keys and kinds, never what stands there: it may be a token. */
export const decode = (resourceMeta: Uint8Array): Result.Result<JobMetadata, JobsError> => {
  if (resourceMeta.length > maxBytes) return refuse(`it has ${resourceMeta.length} bytes, expected at most ${maxBytes}`)
  if (resourceMeta.length === 0) return refuse("it is empty")
  const json = Result.flatMap(utf8(resourceMeta), parse)
  if (Result.isFailure(json)) return refuse("it is not JSON, or only the beginning of it")
  return Result.orElse(read(json.success), (problem) => refuse(printable(problem, { maxLength: 1000 })))
}

type Read<A> = Result.Result<A, string>

/** The metadata, or what is wrong with it. It is read with every poll, and a schema of all the keys would cost twice as much. */
const read = (json: unknown): Read<JobMetadata> =>
  Result.gen(function* () {
    if (!Predicate.isObject(json)) return yield* Result.fail("Expected object")
    return new JobMetadata({
      instance: yield* required(json, "databricks_instance", readInstance),
      runId: yield* required(json, "run_id", readRunId),
      authToken: Option.map(yield* text(json, "auth_token"), (token) => Redacted.make(token)),
      authType: yield* Result.transposeMapOption(yield* text(json, "auth_type"), (word) =>
        at("auth_type", readAuthType(word))
      ),
      ...(yield* words(json)),
      parameters: yield* readParameters(json["parameters"])
    })
  })

type Keys = { readonly [key: string]: unknown }

const readInstance = Schema.decodeUnknownResult(Instance)
const readRunId = Schema.decodeUnknownResult(RunIdFromJson)
const readAuthType = Schema.decodeUnknownResult(AuthType)

const at = <A>(key: string, decoded: ReturnType<Decode<A>>): Read<A> =>
  Result.mapError(decoded, ({ message }) => `${message} at ["${key}"]`)

const required = <A>(json: Keys, key: string, decode: Decode<A>): Read<A> =>
  json[key] === undefined ? Result.fail(`Missing key at ["${key}"]`) : at(key, decode(json[key]))

// Who a run is, is kept for as long as its token, and anybody may write metadata. Of an instance, the allow-list has the say.
const maxLengths = {
  auth_token: maxBytes,
  auth_type: maxBytes,
  client_id: 500,
  oauth_secret_name: 500,
  oidc_token_file: 4096,
  oidc_service_account: 500,
  oidc_audience: 500,
  namespace: 500,
  token_secret_name: 500,
  mode: 100
}

/** Blank is absent: protocol buffers say "" for a namespace that is not set, and Python writes what they say. */
const text = (json: Keys, key: keyof typeof maxLengths): Read<Option.Option<string>> => {
  const value = json[key] ?? ""
  if (!Predicate.isString(value)) return Result.fail(`Expected string | null | undefined at ["${key}"]`)
  if (value.length > maxLengths[key]) return Result.fail(`${key} has more than ${maxLengths[key]} characters`)
  return Result.succeed(Option.as(nonBlank(value), value))
}

const wordKeys = {
  clientId: "client_id",
  oauthSecretName: "oauth_secret_name",
  oidcTokenFile: "oidc_token_file",
  oidcServiceAccount: "oidc_service_account",
  oidcAudience: "oidc_audience",
  namespace: "namespace",
  tokenSecretName: "token_secret_name",
  mode: "mode"
} as const

/** What is kept as it is written. */
const words = (json: Keys) => Result.all(Record.map(wordKeys, (key) => text(json, key)))

// What a mode of another package pins: as many words as a mode may have, each as long as the fields above.
const maxParameters = 20
const parameterName = /^[A-Za-z]\w{0,99}$/

const readParameters = (given: unknown): Read<Option.Option<Readonly<Record<string, string>>>> => {
  if (given === undefined || given === null) return Result.succeed(Option.none())
  if (!Predicate.isObject(given)) return Result.fail('Expected object | null | undefined at ["parameters"]')
  const entries = Object.entries(given)
  if (entries.length > maxParameters) return Result.fail(`parameters has more than ${maxParameters} members`)
  const parameters: Record<string, string> = {}
  for (const [name, value] of entries) {
    if (!parameterName.test(name)) return Result.fail("parameters has a name that is none")
    if (!Predicate.isString(value)) return Result.fail(`Expected string at ["parameters"]["${name}"]`)
    if (value.length > 500) return Result.fail("parameters has a value of more than 500 characters")
    parameters[name] = value
  }
  return Result.succeed(Option.some(parameters))
}

const decoder = new TextDecoder("utf-8", { fatal: true })
const encoder = new TextEncoder()

const utf8 = (bytes: Uint8Array): Result.Result<string, void> =>
  Result.try({ try: () => decoder.decode(bytes), catch: () => undefined })

/**
 * Writes what Flyte is to keep, with the keys of the oldest Python connector that knows what there is to say: all of them
 * know the run and its workspace, then came the token, then the rest, where absent values are `null`.
 */
export const encode = (metadata: JobMetadata): Result.Result<Uint8Array, JobsError> => {
  const parameters = readParameters(Option.getOrNull(metadata.parameters))
  if (Result.isFailure(parameters)) return refuse(parameters.failure)
  const run = { databricks_instance: metadata.instance, run_id: metadata.runId }
  const auth_token = Option.isSome(metadata.authToken) ? Redacted.value(metadata.authToken.value) : null
  const rest = {
    auth_type: Option.getOrNull(metadata.authType),
    client_id: Option.getOrNull(metadata.clientId),
    oauth_secret_name: Option.getOrNull(metadata.oauthSecretName),
    oidc_token_file: Option.getOrNull(metadata.oidcTokenFile),
    oidc_service_account: Option.getOrNull(metadata.oidcServiceAccount),
    oidc_audience: Option.getOrNull(metadata.oidcAudience),
    namespace: Option.getOrNull(metadata.namespace)
  }
  // Python has no such mode, and no run of it to go on with.
  if (Option.isSome(metadata.mode)) {
    const extension = { mode: metadata.mode.value, parameters: Option.getOrNull(parameters.success) }
    return toBytes({ ...run, auth_token, ...rest, ...extension })
  }
  if (Object.values(rest).some((value) => value !== null)) return toBytes({ ...run, auth_token, ...rest })
  return toBytes(auth_token === null ? run : { ...run, auth_token })
}

const toBytes = (keys: object): Result.Result<Uint8Array, JobsError> => {
  const bytes = encoder.encode(JSON.stringify(keys))
  return bytes.length <= maxBytes
    ? Result.succeed(bytes)
    : refuse(`it would have ${bytes.length} bytes, at most ${maxBytes} are read back`)
}
