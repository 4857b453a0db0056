import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import * as IdentityRecord from "@flyte-databricks/databricks-auth/IdentityRecord"
import { decode, encode, JobMetadata, maxBytes } from "@flyte-databricks/databricks-jobs/JobMetadata"
import type { JobsError } from "@flyte-databricks/databricks-jobs/JobsError"
import { RunId } from "@flyte-databricks/databricks-jobs/RunId"
import { Option, Redacted, Result, Schema } from "effect"
import { readFileSync } from "node:fs"
import { inspect } from "node:util"

const keys = [
  "databricks_instance",
  "run_id",
  "auth_token",
  "auth_type",
  "client_id",
  "oauth_secret_name",
  "oidc_token_file",
  "oidc_service_account",
  "oidc_audience",
  "namespace"
]
const absent = Object.fromEntries(keys.map((key) => [key, null]))

const written: ReadonlyArray<{ readonly name: string; readonly resource_meta: string }> = JSON.parse(
  readFileSync(new URL("fixtures/python-job-metadata.json", import.meta.url), "utf8")
)

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const read = (text: string): JobMetadata => Result.getOrThrow(decode(bytes(text)))
const errorOf = (input: Uint8Array): JobsError => Result.getOrThrow(Result.flip(decode(input)))
const write = (metadata: JobMetadata) => new TextDecoder().decode(Result.getOrThrow(encode(metadata)))
const json = (values: object) => JSON.stringify({ databricks_instance: "i", run_id: "1", ...values })

describe("what a Python connector wrote", () => {
  it("is there to read", () => assert.strictEqual(written.length, 9))

  it.each(written)("$name is read, and written with its keys, in their order", ({ name, resource_meta }) => {
    const { token_secret_name: _, ...values } = JSON.parse(resource_meta)
    const ours = JSON.parse(write(read(resource_meta)))
    const known = name === "old-flyte-1" ? 2 : name === "multi-tenant-pat" ? 3 : 10
    assert.deepStrictEqual(Object.keys(ours), keys.slice(0, known))
    assert.deepStrictEqual({ ...absent, ...ours }, { ...absent, ...values })
  })

  it("tells which Secret a draft took the PAT from, which is read and never written", () => {
    const metadata = read(json({ auth_token: null, auth_type: "pat", token_secret_name: "team-token" }))
    assertEquals(metadata.tokenSecretName, Option.some("team-token"))
    assert.notInclude(write(metadata), "team-token")
  })
  it("says nothing where it is blank: a namespace that was not set is an empty string to Python", () => {
    assert.strictEqual(write(read(json({ namespace: "", oidc_audience: "  " }))), json({}))
  })
  it("is what the core records an identity as", () => {
    const recorded: IdentityRecord.IdentityRecord = read(json({}))
    assert.deepStrictEqual({ ...recorded }, { ...IdentityRecord.empty("i"), runId: "1" })
  })
  it("may have keys that are not known yet", () => {
    const ours = write(read(json({ namespace: "ns", cluster: { id: 1 }, ["__proto__"]: {} })))
    assert.deepStrictEqual(Object.keys(JSON.parse(ours)), keys)
  })
})

describe("the keys that are written are those of the oldest Python connector that knows what there is to say", () => {
  it.each([
    ["two, of no more than the run", {}, 2],
    ["three, of a token too", { auth_token: "dapi" }, 3],
    ...keys.slice(4).map((key) => [`ten, of ${key}`, { [key]: "x" }, 10] as const),
    ["ten, of an auth type", { auth_type: "pat" }, 10]
  ] as const)("%s", (_what, values, known) => {
    assert.deepStrictEqual(Object.keys(JSON.parse(write(read(json(values))))), keys.slice(0, known))
  })
})

describe("a mode that Python does not have", () => {
  const ofMode = { auth_type: "oauth_m2m", client_id: "app-1", mode: "entra_id", parameters: { tenant: "contoso" } }

  it("is written with what it pins, and read back", () => {
    const metadata = read(json(ofMode))
    assert.deepStrictEqual(Option.getOrThrow(metadata.mode), "entra_id")
    assert.deepStrictEqual(Option.getOrThrow(metadata.parameters), { tenant: "contoso" })
    const written = JSON.parse(write(metadata))
    assert.deepStrictEqual(written.parameters, { tenant: "contoso" })
    assert.deepStrictEqual(Object.keys(written).toSorted(), [...keys, "mode", "parameters"].toSorted())
  })

  it.each([
    ["a mode of 101 characters", { mode: "m".repeat(101) }, "mode has more than 100 characters"],
    [
      "too many parameters",
      { parameters: Object.fromEntries(keys.concat(keys, keys).map((_, n) => [`p${n}`, "x"])) },
      "parameters has more than 20 members"
    ],
    [
      "a parameter of 501 characters",
      { parameters: { tenant: "t".repeat(501) } },
      "parameters has a value of more than 500 characters"
    ],
    ["a parameter without a name", { parameters: { "": "t" } }, "parameters has a name that is none"],
    ["a parameter that is no text", { parameters: { tenant: 1 } }, 'at ["parameters"]["tenant"]'],
    ["parameters that are none", { parameters: "tenant" }, 'at ["parameters"]']
  ])("is not read with %s", (_what, values, says) => {
    assert.include(errorOf(bytes(json({ ...ofMode, ...values }))).message, says)
  })

  it("is not written with what would not be read", () => {
    const metadata = new JobMetadata({ ...read(json(ofMode)), parameters: Option.some({ "a b": "x" }) })
    const { message } = Result.getOrThrow(Result.flip(encode(metadata)))
    assert.include(message, "parameters has a name that is none")
  })

  it("is not read with a parameter that is an object's own prototype", () => {
    const text = json(ofMode).replace('"tenant":', '"__proto__":')
    assert.include(errorOf(bytes(text)).message, "parameters has a name that is none")
  })
})

describe("a run id", () => {
  it("is text, however large", () => {
    assert.strictEqual(read(json({ run_id: "9223372036854775807" })).runId, "9223372036854775807")
  })
  it.each(["1", "9007199254740993", "9223372036854775807"])("may be the number %s, whose digits are kept", (digits) => {
    const metadata = read(`{"databricks_instance":"i","run_id":${digits}}`)
    assert.strictEqual(metadata.runId, digits)
    assert.strictEqual(JSON.parse(write(metadata)).run_id, digits)
  })
})

describe("a PAT", () => {
  const pat = "dapi-0123456789abcdef"

  it("is redacted from the moment it is read, and written as it is", () => {
    const metadata = read(json({ auth_token: pat }))
    assert.strictEqual(Redacted.value(Option.getOrThrow(metadata.authToken)), pat)
    for (const shown of [String(metadata), JSON.stringify(metadata), inspect(metadata, { depth: 9 })]) {
      assert.notInclude(shown, pat)
    }
    assert.strictEqual(JSON.parse(write(metadata)).auth_token, pat)
  })
  it("is written whatever its label", () => {
    const authToken = Option.some(Redacted.make(pat, { label: "PAT" }))
    const metadata = new JobMetadata({ ...IdentityRecord.empty("i"), runId: RunId.make("1"), authToken })
    assert.strictEqual(JSON.parse(write(metadata)).auth_token, pat)
  })

  it.each([
    ["cut off inside the token", json({ auth_token: pat }).slice(0, -8)],
    ["with the token where the workspace belongs", JSON.stringify({ databricks_instance: [pat], run_id: "1" })],
    ["with the token where the run id belongs", json({ run_id: pat })],
    ["with the token where the auth type belongs", json({ auth_type: pat })],
    ["with a list of tokens", json({ auth_token: [pat] })],
    ["that is the token", pat],
    ["that is the token as JSON", JSON.stringify(pat)],
    ["with a key that is the token", `{"${pat}":1}`]
  ])("is not in the error of metadata %s", (_what, text) => {
    const error = errorOf(bytes(text))
    for (const shown of [error.message, JSON.stringify(error), inspect(error, { depth: 9 })]) {
      assert.notInclude(shown, pat.slice(0, 8))
    }
  })
})

describe("what is not job metadata is an error that says why", () => {
  it.each([
    ["nothing", "", "it is empty"],
    ["text", "run 1", "it is not JSON"],
    ["a beginning", '{"databricks_instance":"i","run', "only the beginning"],
    ["null", "null", "Expected object"],
    ["a list", "[]", "Expected object"],
    ["no workspace", '{"run_id":"1"}', 'Missing key at ["databricks_instance"]'],
    ["a blank workspace", json({ databricks_instance: " " }), 'Expected a host name at ["databricks_instance"]'],
    ["no run", '{"databricks_instance":"i"}', 'Missing key at ["run_id"]'],
    ["a run id that is a path", json({ run_id: "1/../2" }), '64-bit integer at ["run_id"]'],
    ["a run id with a sign", json({ run_id: -1 }), '64-bit integer at ["run_id"]'],
    ["a run id with a fraction", json({ run_id: 1.5 }), 'Expected an integer at ["run_id"]'],
    ["a run id with too many digits", json({ run_id: "1".repeat(20) }), '64-bit integer at ["run_id"]'],
    ["an auth type of its own", json({ auth_type: "kerberos" }), '"oidc_federation" at ["auth_type"]'],
    ["a number for a name", json({ oauth_secret_name: 1 }), 'at ["oauth_secret_name"]'],
    ["a client id of 501 characters", json({ client_id: "i".repeat(501) }), "client_id has more than 500 characters"],
    ["an audience of 501 characters", json({ oidc_audience: "i".repeat(501) }), "oidc_audience has more than 500"],
    ["a namespace of 501 characters", json({ namespace: "i".repeat(501) }), "namespace has more than 500 characters"],
    ["a path of 4097 characters", json({ oidc_token_file: "i".repeat(4097) }), "oidc_token_file has more than 4096"],
    ["101 lists in each other", `${"[".repeat(101)}`, "it is not JSON"]
  ])("%s", (_what, text, problem) => {
    const { reason, message, retryable } = errorOf(bytes(text))
    assert.strictEqual(reason._tag, "JobMetadataInvalid")
    assert.include(message, problem)
    assert.isFalse(retryable)
  })

  it("bytes that are not UTF-8", () => {
    assert.include(errorOf(Uint8Array.of(0x7b, 0xff, 0x7d)).message, "it is not JSON")
  })
  it("nesting that exhausts the stack", () => {
    const levels = 8000
    assert.include(errorOf(bytes(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`)).message, "it is not JSON")
  })
})

describe("metadata has a limit", () => {
  const padding = (text: string, size: number) => text.padEnd(size, " ")

  it("up to which it is read", () => {
    assert.strictEqual(read(padding(json({}), maxBytes)).instance, "i")
    assert.include(errorOf(bytes(padding(json({}), maxBytes + 1))).message, "65537 bytes, expected at most 65536")
  })
  it("past which it is not written, for it could not be read", () => {
    const metadata = new JobMetadata({
      ...IdentityRecord.empty("i"),
      runId: RunId.make("1"),
      oidcAudience: Option.some("a".repeat(maxBytes))
    })
    const error = Result.getOrThrow(Result.flip(encode(metadata)))
    assert.strictEqual(error.reason._tag, "JobMetadataInvalid")
  })
})

it.prop(
  "whatever is written is read back",
  { metadata: Schema.toType(JobMetadata) },
  ({ metadata: given }) => {
    // What a mode of another package pins has names and a mode: `mode that Python does not have` is about those.
    const names = Object.keys(Option.getOrElse(given.parameters, () => ({})))
    const metadata = new JobMetadata({
      ...given,
      parameters:
        Option.isSome(given.mode) && names.every((name) => /^[A-Za-z]\w*$/.test(name))
          ? given.parameters
          : Option.none()
    })
    const { tokenSecretName: _, ...kept } = metadata
    const unlessBlank = Option.filter((value: string) => value.trim() !== "")
    const expected = new JobMetadata({
      ...kept,
      tokenSecretName: Option.none(),
      authToken: Option.filter(kept.authToken, (token) => Redacted.value(token).trim() !== ""),
      clientId: unlessBlank(kept.clientId),
      oauthSecretName: unlessBlank(kept.oauthSecretName),
      oidcTokenFile: unlessBlank(kept.oidcTokenFile),
      oidcServiceAccount: unlessBlank(kept.oidcServiceAccount),
      oidcAudience: unlessBlank(kept.oidcAudience),
      namespace: unlessBlank(kept.namespace),
      mode: unlessBlank(kept.mode)
    })
    assertEquals(Result.flatMap(encode(metadata), decode), Result.succeed(expected))
  },
  { arbitrary: { seed: 20_260_801, runs: 200 } }
)
