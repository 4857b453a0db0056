/** Job metadata that has to be signed: what nobody else can write, and how runs under way get there and back. */
import { create } from "@bufbuild/protobuf"
import { NodeServices } from "@effect/platform-node"
import { assert, describe } from "@effect/vitest"
import { Flyte1, Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Effect, FileSystem, Layer } from "effect"
import { KeyTimeToLive } from "../../src/runs/MetadataKey.ts"
import { type CallFailed, type FlyteClient } from "../support/FlyteClient.ts"
import { readMetadata, refusal, tampered } from "../support/outcomes.ts"
import { type Caller, type Version, versions } from "../support/versions.ts"
import { scenario, teamPrincipal, withConnectorPat, withConnectorPrincipal, type World } from "../support/World.ts"

const one = "first-key-of-at-least-32-characters"
const two = "second-key-of-at-least-32-characters"

/** A key file, read at each call. */
const keyFile = Effect.fnUntraced(function* ({ directory }: World) {
  const files = yield* FileSystem.FileSystem
  const path = `${directory}/metadata-keys`
  return { path, write: (...keys: ReadonlyArray<string>) => files.writeFileString(path, keys.join("\n")) }
})
const readEachTime = { references: Layer.succeed(KeyTimeToLive, 0) }

const withKeys = (
  name: string,
  run: (world: World, keys: Effect.Success<ReturnType<typeof keyFile>>) => Effect.Effect<void, unknown>
) =>
  scenario(name, (world) =>
    Effect.gen(function* () {
      const keys = yield* keyFile(world)
      yield* keys.write(one)
      yield* run(world, keys)
    }).pipe(Effect.provide(NodeServices.layer))
  )

const signing = (path: string, signatures?: string) => ({
  FLYTE_DATABRICKS_METADATA_KEY_FILE: path,
  ...(signatures === undefined ? {} : { FLYTE_DATABRICKS_METADATA_SIGNATURES: signatures })
})

const logs: Readonly<
  Record<string, (flyte: FlyteClient, resourceMeta: Uint8Array) => Effect.Effect<unknown, CallFailed>>
> = {
  "Flyte 1": (flyte, resourceMeta) =>
    flyte.stream(
      grpcServiceDefinition(Flyte1.AsyncAgentService).getTaskLogs,
      create(Flyte1.GetTaskLogsRequestSchema, { taskCategory: { name: "databricks" }, resourceMeta })
    ),
  "Flyte 2": (flyte, resourceMeta) =>
    flyte.stream(
      grpcServiceDefinition(Flyte2.AsyncConnectorService).getTaskLogs,
      create(Flyte2.GetTaskLogsRequestSchema, { taskCategory: { name: "databricks" }, resourceMeta })
    )
}

/** What was signed. */
const inner = (resourceMeta: Uint8Array) => new TextEncoder().encode(readMetadata(resourceMeta)["metadata"] ?? "")

/** The run's metadata changed under its signature. */
const changed = (resourceMeta: Uint8Array, changes: Record<string, unknown>) =>
  tampered(resourceMeta, { metadata: new TextDecoder().decode(tampered(inner(resourceMeta), changes)) })

const submit = (version: Version, caller: Caller, execution = 0) =>
  caller.createTask({ ...version.tenant("team-oauth"), execution: `f${execution}` })

const phaseOf = (caller: Caller, resourceMeta: Uint8Array) =>
  Effect.map(caller.getTask(resourceMeta), ({ phase }) => phase)

for (const version of versions) {
  describe(`${version.name}, with a metadata key`, () => {
    withKeys("is given signed metadata, which it polls, reads logs of and cancels", (world, { path }) =>
      world.serving({ ...version.env, ...signing(path) }, ({ flyte }) =>
        Effect.gen(function* () {
          const caller = version.connect(flyte)
          const resourceMeta = yield* submit(version, caller)
          assert.hasAllKeys(readMetadata(resourceMeta), ["metadata", "signature"])
          assert.deepInclude(readMetadata(inner(resourceMeta)), { client_id: teamPrincipal.id })
          assert.strictEqual(yield* phaseOf(caller, resourceMeta), "INITIALIZING")
          yield* logs[version.name]!(flyte, resourceMeta)
          yield* caller.deleteTask(resourceMeta)
          assert.strictEqual((yield* world.workspace.runs)[0]?.lifeCycleState, "TERMINATING")
        })
      )
    )

    withKeys("has refused whatever is forged, before anything of it is believed", (world, { path, write }) =>
      world.serving(
        { ...version.env, ...signing(path) },
        (connector) =>
          Effect.gen(function* () {
            const { flyte } = connector
            const caller = version.connect(flyte)
            const resourceMeta = yield* submit(version, caller)
            const other = yield* submit(version, caller, 1)
            yield* write(two)
            const foreign = yield* submit(version, caller, 2)
            yield* write(one)
            yield* world.workspace.requests.clear
            yield* world.kubernetes.requests.clear

            const keys = Object.keys(readMetadata(inner(resourceMeta)))
            assert.lengthOf(keys, 10)
            const forged: ReadonlyArray<readonly [what: string, Uint8Array]> = [
              ["unsigned", inner(resourceMeta)],
              ["signed by another key", foreign],
              ["with another run's signature", tampered(resourceMeta, { signature: readMetadata(other)["signature"] })],
              ["with a key more", changed(resourceMeta, { token_secret_name: "databricks-token" })],
              ...keys.map((key) => [`with another ${key}`, changed(resourceMeta, { [key]: "elsewhere" })] as const)
            ]
            for (const [what, bytes] of forged) {
              const { phase, message } = yield* caller.getTask(bytes)
              assert.strictEqual(phase, "FAILED", what)
              assert.include(message, "The job metadata of this task is refused", what)
              assert.strictEqual(connector.log.calls().at(-1)?.annotations["outcome"], "MetadataRefused")
              for (const call of [caller.deleteTask(bytes), logs[version.name]!(flyte, bytes)]) {
                const { code, line } = yield* refusal(connector, call)
                assert.strictEqual(code, "PERMISSION_DENIED", what)
                assert.deepInclude(line?.annotations, { outcome: "MetadataRefused", code: "FDC608" })
              }
            }
            assert.deepStrictEqual(yield* world.workspace.requests.all(), [])
            assert.deepStrictEqual(yield* world.kubernetes.requests.all(), [])
            assert.strictEqual(yield* phaseOf(caller, resourceMeta), "INITIALIZING")
          }),
        readEachTime
      )
    )

    withKeys("gets runs under way to another key, while replicas read the file one after the other", (world, keys) =>
      world.serving(
        { ...version.env, ...signing(keys.path) },
        ({ flyte }) =>
          Effect.gen(function* () {
            const caller = version.connect(flyte)
            const before = yield* submit(version, caller)
            yield* keys.write(one, two)
            const meanwhile = yield* submit(version, caller, 1)
            yield* keys.write(two, one)
            const after = yield* submit(version, caller, 2)
            for (const resourceMeta of [before, meanwhile, after]) {
              assert.strictEqual(yield* phaseOf(caller, resourceMeta), "INITIALIZING")
            }
            // A replica that has the new key as its second polls what the others sign.
            yield* keys.write(one, two)
            assert.strictEqual(yield* phaseOf(caller, after), "INITIALIZING")
            yield* keys.write(two)
            assert.strictEqual(yield* phaseOf(caller, after), "INITIALIZING")
            assert.strictEqual(yield* phaseOf(caller, before), "FAILED")
          }),
        readEachTime
      )
    )

    withKeys("gets runs under way to signatures and back: none is lost on the way", (world, { path }) =>
      Effect.gen(function* () {
        const there = [{}, signing(path, "read"), signing(path, "write"), signing(path)]
        const steps = [...there, ...there.toReversed().slice(1)]
        let before: Uint8Array | undefined
        for (const [index, step] of steps.entries()) {
          yield* world.serving({ ...version.env, ...step }, ({ flyte }) =>
            Effect.gen(function* () {
              const caller = version.connect(flyte)
              const resourceMeta = yield* submit(version, caller, index)
              // What the step before submitted, and what this one submits at a replica of the step before.
              if (before !== undefined)
                assert.strictEqual(yield* phaseOf(caller, before), "INITIALIZING", `at ${index}`)
              yield* world.serving({ ...version.env, ...steps[index - 1] }, (other) =>
                Effect.gen(function* () {
                  const phase = yield* phaseOf(version.connect(other.flyte), resourceMeta)
                  assert.strictEqual(phase, "INITIALIZING", `from ${index}`)
                })
              )
              before = resourceMeta
            })
          )
        }
        assert.lengthOf(yield* world.workspace.runs, 7)
      })
    )
  })

  describe(`${version.name}, without one`, () => {
    withKeys("hears which setting is missing where metadata is signed", (world, { path }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* world.serving({ ...version.env, ...signing(path) }, ({ flyte }) =>
          submit(version, version.connect(flyte))
        )
        yield* world.serving(version.env, ({ flyte }) =>
          Effect.gen(function* () {
            const { phase, message } = yield* version.connect(flyte).getTask(resourceMeta)
            assert.strictEqual(phase, "FAILED")
            assert.include(message, "set FLYTE_DATABRICKS_METADATA_KEY_FILE")
          })
        )
      })
    )
  })
}

describe("somebody who reaches the port and writes metadata", () => {
  const second = "second.example.com"
  const ofPod = { auth_type: "oidc_federation", oidc_token_file: "/var/run/secrets/databricks/token" }
  const ofAccount = { auth_type: "oidc_federation", client_id: "app-1", namespace: "team-oauth" }
  const m2m = { auth_type: "oauth_m2m", client_id: teamPrincipal.id }
  const forgeries: Readonly<Record<string, Record<string, string>>> = {
    "a JWT of the namespace's ServiceAccount, for any audience": {
      ...ofAccount,
      oidc_service_account: "spark",
      oidc_audience: "https://kubernetes.default.svc"
    },
    "a JWT of a ServiceAccount without a label": { ...ofAccount, oidc_service_account: "databricks" },
    "the connector's own JWT, with any client id": { ...ofPod, client_id: "app-2" },
    "the namespace's client credentials": { ...m2m, oauth_secret_name: "databricks-oauth", namespace: "team-oauth" },
    "the connector's client credentials": m2m,
    "the namespace's PAT": { auth_type: "pat", oauth_secret_name: "databricks-token", namespace: "team-pat" },
    "any Secret with a token in it": { auth_type: "pat", oauth_secret_name: "registry", namespace: "team-pat" },
    "the connector's PAT": {}
  }

  withKeys(
    "sends no credential to a second workspace, whichever it names, and nothing is asked of Kubernetes",
    (world, { path }) =>
      world.serving(
        {
          ...signing(path),
          ...withConnectorPat,
          ...withConnectorPrincipal,
          FLYTE_DATABRICKS_ALLOWED_INSTANCES: `${world.workspace.url},${second}`
        },
        (connector) =>
          Effect.gen(function* () {
            for (const [what, forged] of Object.entries(forgeries)) {
              const bytes = new TextEncoder().encode(
                JSON.stringify({ databricks_instance: second, run_id: "1", ...forged })
              )
              for (const version of versions) {
                const caller = version.connect(connector.flyte)
                assert.strictEqual(yield* phaseOf(caller, bytes), "FAILED", what)
                assert.strictEqual(
                  (yield* refusal(connector, caller.deleteTask(bytes))).code,
                  "PERMISSION_DENIED",
                  what
                )
              }
            }
            const outcomes = new Set(connector.log.calls().map(({ annotations }) => annotations["outcome"]))
            assert.deepStrictEqual(outcomes, new Set(["MetadataRefused"]))
            assert.deepStrictEqual(yield* world.workspace.requests.all(), [])
            assert.deepStrictEqual(yield* world.kubernetes.requests.all(), [])
          })
      )
  )
})

describe("an attempt that is created again", () => {
  withKeys("is the same run though the keys changed places, and its token cannot be guessed", (world, keys) =>
    world.serving(
      signing(keys.path),
      ({ flyte }) =>
        Effect.gen(function* () {
          const [version] = versions
          assert(version !== undefined)
          const caller = version.connect(flyte)
          const first = yield* submit(version, caller)
          // Flyte asks for it, and so the connector no longer holds it.
          yield* caller.getTask(first)
          yield* keys.write(one, two)
          yield* keys.write(two, one)
          const again = yield* submit(version, caller)
          assert.deepStrictEqual(readMetadata(inner(again)), readMetadata(inner(first)))
          const [run, ...more] = yield* world.workspace.runs
          assert.deepStrictEqual(more, [])
          const unkeyed = yield* world.serving({}, (plain) =>
            Effect.andThen(submit(version, version.connect(plain.flyte)), world.workspace.runs)
          )
          assert.notInclude([unkeyed.at(-1)?.idempotencyToken], run?.idempotencyToken)
        }),
      readEachTime
    )
  )
})
