import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Redacted, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import { basic, bearer, form, formHeaders, get, post } from "./support/http.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const command = (...args: ReadonlyArray<string>) => ChildProcess.make(process.execPath, [main, ...args])

/** Runs a command to its end. */
const finished = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const handle = yield* command(...args)
  const output = yield* handle.all.pipe(Stream.decodeText(), Stream.mkString)
  return { output, exitCode: Number(yield* handle.exitCode) }
})

/** Starts an emulator and waits for the last line of what it says of itself. */
const started = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const handle = yield* command(...args)
  const lines = yield* handle.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.takeUntil((line) => line.includes("stop with Ctrl-C")),
    Stream.runCollect
  )
  const output = lines.join("\n")
  return { handle, output, url: / at (\S+)/.exec(output)?.[1] ?? "" }
})

const withSeed = Effect.fnUntraced(function* (content: unknown) {
  const files = yield* FileSystem.FileSystem
  const path = `${yield* files.makeTempDirectoryScoped()}/seed.json`
  yield* files.writeFileString(path, typeof content === "string" ? content : JSON.stringify(content))
  return path
})

const tokenOf = (url: string, applicationId: string, secret: string) =>
  post(`${url}/oidc/v1/token`, form({ grant_type: "client_credentials", scope: "all-apis" }), {
    ...formHeaders,
    ...basic(applicationId, Redacted.make(secret))
  })

const slow = 30_000

describe("emulators databricks", () => {
  it.live(
    "is what the package's one bin starts, which npx takes",
    () =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const manifest = fileURLToPath(new URL("../package.json", import.meta.url))
        const { bin } = JSON.parse(yield* files.readFileString(manifest))
        assert.deepStrictEqual(Object.values(bin), ["./src/main.ts"])
        assert.match(yield* files.readFileString(main), /^#!\/usr\/bin\/env node\n/)
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )

  it.live(
    "makes up a service principal and a user, and says how to log in as them",
    () =>
      Effect.gen(function* () {
        const { output, url } = yield* started("databricks")
        const [, id = "", secret = ""] = /client id (\S+), client secret (\S+)/.exec(output) ?? []
        assert.strictEqual((yield* tokenOf(url, id, secret)).status, 200)
        const [, name, pat = ""] = /token of (\S+) (\S+)/.exec(output) ?? []
        assert.strictEqual((yield* get(`${url}/api/2.0/preview/scim/v2/Me`, bearer(pat))).json.userName, name)
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )

  it.live(
    "holds what the seed says, and shows none of its secrets",
    () =>
      Effect.gen(function* () {
        const policy = { issuer: "https://oidc.example.com", subject: "s", audiences: ["a"], jwksJson: '{"keys":[]}' }
        const seed = yield* withSeed({
          servicePrincipals: [
            {
              applicationId: "sp-a",
              displayName: "team a",
              secrets: ["s3cret"],
              admin: true,
              federationPolicies: [policy]
            }
          ],
          users: [{ userName: "ann", pats: ["dapi-ann"] }],
          tokenLifetime: "5 minutes",
          runPlan: { outcome: "succeeds", pending: "0 seconds", running: "0 seconds" },
          federationPolicies: [{ issuer: "https://oidc.example.com", subjectClaim: "email" }],
          runPlans: { doomed: { outcome: "fails", pending: "0 seconds", running: "0 seconds" } },
          faults: [{ path: "/api/2.1/jobs/runs/get", times: 1, action: { type: "status", status: 503 } }]
        })
        const { output, url } = yield* started("databricks", "--config", seed)
        const { json: shown } = yield* get(`${url}/_emulator/federation-policies`)
        assert.deepStrictEqual(
          shown.federationPolicies.map((policy: Record<string, unknown>) => policy["servicePrincipal"]).toSorted(),
          ["sp-a", undefined]
        )
        assert.include(output, "service principal sp-a (team a), admin")
        assert.include(output, "user ann")
        assert.include(output, "1 fault rule in force")
        assert.notMatch(output, /s3cret|dapi-ann|Made up/)
        assert.strictEqual((yield* tokenOf(url, "sp-a", "s3cret")).json.expires_in, 300)

        const api = `${url}/api/2.1/jobs/runs`
        const submitted = yield* post(
          `${api}/submit`,
          { run_name: "doomed", existing_cluster_id: "c", notebook_task: { notebook_path: "/x" } },
          bearer("dapi-ann")
        )
        const runId = /\d+/.exec(submitted.text)?.[0]
        assert.strictEqual((yield* get(`${api}/get?run_id=${runId}`, bearer("dapi-ann"))).status, 503)
        const { json } = yield* get(`${api}/get?run_id=${runId}`, bearer("dapi-ann"))
        assert.strictEqual(json.state.result_state, "FAILED")
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )

  it.live(
    "takes the token's lifetime from the command line before the seed",
    () =>
      Effect.gen(function* () {
        const seed = yield* withSeed({
          servicePrincipals: [{ applicationId: "sp", secrets: ["s"] }],
          tokenLifetime: "1 day"
        })
        const { url } = yield* started("databricks", "--config", seed, "--token-lifetime", "90 seconds")
        assert.strictEqual((yield* tokenOf(url, "sp", "s")).json.expires_in, 90)
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )

  it.live.each(["SIGINT", "SIGTERM"] as const)(
    "ends on %s, with a client in the middle of an answer",
    (signal) =>
      Effect.gen(function* () {
        const { handle, url } = yield* started("databricks")
        yield* post(`${url}/_emulator/faults`, { action: { type: "endless-body" } })
        const answer = yield* Effect.promise(() => fetch(`${url}/api/x`))
        yield* handle.kill({ killSignal: signal })
        assert.isFalse(yield* handle.isRunning)
        const cut = yield* Effect.promise(() =>
          answer.text().then(
            () => "whole",
            () => "cut off"
          )
        )
        assert.strictEqual(cut, "cut off")
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )
})

describe("emulators kubernetes", () => {
  it.live(
    "writes a kubeconfig and a CA, and holds what the seed says",
    () =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const dir = yield* files.makeTempDirectoryScoped()
        const seed = yield* withSeed({
          users: [{ username: "ann", token: "ann-token" }],
          rules: [{ effect: "allow", namespaces: ["team-a"] }],
          secrets: [{ namespace: "team-a", name: "databricks-token", data: { token: "dapi-secret" } }],
          serviceAccounts: [{ namespace: "team-a", name: "spark", labels: { team: "a" } }],
          issuer: "https://oidc.example.com",
          apiAudiences: ["api"],
          signingAlgorithm: "ES256",
          maxTokenLifetime: "1 hour"
        })
        const { output, url } = yield* started(
          "kubernetes",
          "--config",
          seed,
          "--kubeconfig",
          `${dir}/kubeconfig`,
          "--ca-file",
          `${dir}/ca.pem`
        )
        assert.match(url, /^https:/)
        for (const line of [
          "Secret team-a/databricks-token",
          "ServiceAccount team-a/spark",
          "issuer of ServiceAccount tokens: https://oidc.example.com",
          "user ann",
          `${dir}/kubeconfig`,
          `${dir}/ca.pem`
        ]) {
          assert.include(output, line)
        }
        assert.notMatch(output, /ann-token|dapi-secret/)
        const { clusters } = JSON.parse(yield* files.readFileString(`${dir}/kubeconfig`))
        assert.strictEqual(clusters[0].cluster.server, url)
        assert.include(yield* files.readFileString(`${dir}/ca.pem`), "BEGIN CERTIFICATE")
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )

  it.live(
    "says how to log in where there is no kubeconfig",
    () =>
      Effect.gen(function* () {
        const { output, url } = yield* started("kubernetes")
        const [, username, token = ""] = /token of (\S+): (\S+)/.exec(output) ?? []
        assert.strictEqual(username, "system:serviceaccount:flyte:flyteconnector")
        assert.strictEqual((yield* get(`${url}/api/v1/namespaces/n/secrets/s`, bearer(token))).status, 404)
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )
})

describe("a command that cannot run", () => {
  const cases: ReadonlyArray<readonly [name: string, args: ReadonlyArray<string>, output: RegExp]> = [
    ["an unknown command", ["postgres"], /postgres/],
    ["a port that is none", ["databricks", "--port", "70000"], /--port.*70000.*between 0 and 65535/s],
    ["a lifetime that is none", ["databricks", "--token-lifetime", "soon"], /--token-lifetime/],
    ["a file that is not there", ["kubernetes", "--config", "/nowhere.json"], /\/nowhere\.json/],
    [
      "a kubeconfig that cannot be written",
      ["kubernetes", "--kubeconfig", "/nowhere/k"],
      /Cannot write the kubeconfig to/
    ]
  ]

  it.live.each(cases)(
    "says so and fails: %s",
    ([, args, expected]) =>
      Effect.gen(function* () {
        const { exitCode, output } = yield* finished(...args)
        assert.match(output, expected)
        assert.strictEqual(exitCode, 1)
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )

  it.live(
    "names every place where a seed is wrong, and none of its values",
    () =>
      Effect.gen(function* () {
        const seed = yield* withSeed({ users: [{ userNam: "ann" }], servicePrincipals: [{ secrets: "s3cret" }] })
        const { exitCode, output } = yield* finished("databricks", "--config", seed)
        assert.strictEqual(exitCode, 1)
        assert.match(output, /not a valid seed/)
        for (const place of [
          '["users"][0]["userNam"]',
          '["users"][0]["userName"]',
          '["servicePrincipals"][0]["secrets"]'
        ]) {
          assert.include(output, place)
        }
        assert.notInclude(output, "s3cret")
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )

  it.live.each([[[]], [["databricks"]], [["kubernetes"]]])(
    "is helped by --help: %s",
    ([args]) =>
      Effect.gen(function* () {
        const { exitCode, output } = yield* finished(...(args ?? []), "--help")
        assert.strictEqual(exitCode, 0)
        assert.match(output, /USAGE/)
      }).pipe(Effect.provide(NodeServices.layer)),
    slow
  )
})
