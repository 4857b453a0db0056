import {
  AuthSummary,
  ClientCredentialsSource,
  ConnectorSecrets,
  ConnectorSettings,
  DatabricksAuth,
  Kubernetes,
  NamespaceSecrets,
  PatSource,
  ProjectedToken,
  ServiceAccountTokens,
  TokenEndpoint
} from "@flyte-databricks/databricks-auth"
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import { assert, describe, it } from "@effect/vitest"
import { ByteSize, Effect, Exit, FileSystem, Layer, Option, Path, PlatformError, Redacted, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { environment, instance } from "./support/environment.ts"
import { type Answer, answer, makeHttp, networkFault } from "./support/http.ts"
import { makeLogs } from "./support/logs.ts"
import { assertNoSecret, makeSpans, outcomeShownAs, secrets, shownAs } from "./support/secrecy.ts"
import { credentialOf, makeCache, token } from "./support/tokens.ts"

const jwt = (secret: string) =>
  [{ alg: "RS256" }, { iss: "https://issuer", sub: "system:serviceaccount:team-a:spark", aud: ["databricks"] }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .concat(secret.replaceAll(/[^\w-]/g, "_"))
    .join(".")

interface World {
  readonly env: Record<string, string>
  readonly cluster?: Record<string, Record<string, string>>
  readonly answers?: ReadonlyArray<Answer>
  readonly files?: Record<string, string>
  /** An HTTP client ends its own span with its own error, whatever that says. */
  readonly ignoreSpans?: boolean
}

/** A connector on real sources and the real token endpoint, with everything it says and leaves behind on record. */
const observe = (
  world: World,
  run: Effect.Effect<unknown, unknown, DatabricksAuth.DatabricksAuth | Kubernetes.KubernetesMemory>
) =>
  Effect.gen(function* () {
    const logs = yield* makeLogs
    const { tracer, spans } = yield* makeSpans
    const http = yield* makeHttp(...(world.answers ?? [answer(503)]))
    const notFound = (path: string) =>
      PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "read", pathOrDescriptor: path })
    const files = FileSystem.layerNoop({
      readFileString: (path) => {
        const content = world.files?.[path]
        return content === undefined ? Effect.fail(notFound(path)) : Effect.succeed(content)
      },
      realPath: (path) => Effect.succeed(path),
      stat: (path) =>
        world.files?.[path] === undefined
          ? Effect.fail(notFound(path))
          : Effect.succeed({ type: "File", size: ByteSize.bytes(100) } as FileSystem.File.Info)
    })
    const services = Layer.mergeAll(DatabricksAuth.layer, AuthSummary.layer).pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          PatSource.layer,
          ClientCredentialsSource.layer,
          ProjectedToken.layer,
          ServiceAccountTokens.layer,
          TokenEndpoint.layer
        )
      ),
      Layer.provideMerge(Layer.mergeAll(NamespaceSecrets.layer, ConnectorSecrets.layer)),
      Layer.provideMerge(ConnectorSettings.layerConfig),
      Layer.provideMerge(
        Kubernetes.layerMemory(world.cluster, {
          "team-jwt/spark": {
            labels: { "flyte.org/databricks-enabled": "true" },
            annotations: { "flyte.org/databricks-client-id": "app-a" }
          }
        })
      ),
      Layer.provide([http.layer, files, Path.layer]),
      Layer.provide(environment({ FLYTE_DATABRICKS_INSTANCE: instance, ...world.env }))
    )
    const texts: Array<readonly [string, ReadonlyArray<string>]> = []
    const exit = yield* Effect.gen(function* () {
      const exit = yield* Effect.exit(run)
      const held = [
        yield* DatabricksAuth.DatabricksAuth,
        yield* ConnectorSettings.ConnectorSettings,
        yield* ConnectorSecrets.ConnectorSecrets,
        yield* NamespaceSecrets.NamespaceSecrets,
        yield* PatSource.PatSource,
        yield* ClientCredentialsSource.ClientCredentialsSource,
        yield* ProjectedToken.ProjectedToken,
        yield* ServiceAccountTokens.ServiceAccountTokens,
        yield* TokenEndpoint.TokenEndpoint,
        yield* Kubernetes.Kubernetes,
        yield* AuthSummary.AuthSummary,
        yield* AuthSummary.AuthSummary.use(({ describe }) => describe)
      ]
      for (const service of held) texts.push(["a service", shownAs(service)])
      return exit
    }).pipe(Effect.provide(services), Effect.provide(logs.layer), Effect.provideService(Tracer.Tracer, tracer))
    const seenSpans = yield* spans
    texts.push(["the outcome", outcomeShownAs(exit)])
    texts.push(["the logs", (yield* logs.lines).map(({ text }) => text)])
    if (world.ignoreSpans !== true) texts.push(["the spans", seenSpans.flatMap((span) => shownAs(span))])
    for (const [where, all] of texts) assertNoSecret(where, ...all)
    return { exit, spans: seenSpans.length, sent: yield* http.sent }
  })

const auth = DatabricksAuth.DatabricksAuth

/** A whole life: submit, header, refusal, record, recall, header again. Everything it comes by is in the outcome. */
const live = (namespace: string) =>
  Effect.gen(function* () {
    const boundary = yield* auth
    const resolved = yield* boundary.resolve({ namespace })
    const header = yield* boundary.getHeader(resolved)
    const recorded = boundary.record(resolved)
    const credential = yield* boundary.recall(recorded)
    const again = yield* boundary.getHeader(credential)
    yield* boundary.invalidate(credential, again)
    return { resolved, header, recorded, credential, again, hit: boundary.getHeader(credential) }
  })

const runs = { arbitrary: { runs: 15 }, timeout: 60_000 }
const pair = (secret: string) => ({ FLYTE_DATABRICKS_CLIENT_ID: "app-0", FLYTE_DATABRICKS_CLIENT_SECRET: secret })
const granted = answer(200, { access_token: "S3cr3tM4rk3r-token", expires_in: 3600 })

describe("a life without failure shows no secret", () => {
  it.effect.prop(
    "of a PAT, the namespace's or the connector's",
    { text: secrets },
    ({ text }) =>
      Effect.gen(function* () {
        const secret = text.replaceAll(/[^\x21-\x7e]/g, "_")
        const cluster = { "team-a/databricks-token": { token: secret } }
        for (const namespace of ["team-a", "team-b"]) {
          const { exit } = yield* observe({ env: { FLYTE_DATABRICKS_ACCESS_TOKEN: secret }, cluster }, live(namespace))
          assert.isTrue(Exit.isSuccess(exit))
        }
      }),
    runs
  )

  it.effect.prop(
    "of client credentials, the namespace's or the connector's, nor of the token they give",
    { secret: secrets },
    ({ secret }) =>
      Effect.gen(function* () {
        const cluster = { "team-a/databricks-oauth": { client_id: "app-a", client_secret: secret } }
        for (const namespace of ["team-a", "team-b"]) {
          const { exit, spans, sent } = yield* observe(
            { env: pair(secret), cluster, answers: [granted] },
            live(namespace)
          )
          assert.isTrue(Exit.isSuccess(exit))
          assert.isAbove(spans, 0, "spans were seen")
          assert.include(sent[0]!.headers["authorization"], "Basic ", "the secret was sent")
        }
      }),
    runs
  )

  it.effect.prop(
    "of a JWT, projected or minted",
    { secret: secrets },
    ({ secret }) =>
      Effect.gen(function* () {
        const world = {
          env: { FLYTE_DATABRICKS_CLIENT_ID: "app-0" },
          files: { "/var/run/secrets/databricks/token": jwt(secret) },
          answers: [granted]
        }
        for (const namespace of ["team-jwt", "team-b"]) {
          const minted = Effect.flatMap(Kubernetes.KubernetesMemory, ({ onTokenRequest }) =>
            onTokenRequest(() => Effect.succeedSome(Redacted.make(jwt(secret))))
          )
          const { exit, sent } = yield* observe(world, Effect.andThen(minted, live(namespace)))
          assert.isTrue(Exit.isSuccess(exit))
          assert.include(sent[0]!.body, "S3cr3tM4rk3r", "the JWT was sent")
        }
      }),
    runs
  )
})

describe("no way to fail shows a secret", () => {
  const header = (namespace: string) =>
    auth.use((boundary) => Effect.flatMap(boundary.resolve({ namespace }), boundary.getHeader))

  /** Lets time pass for retries and timeouts while it runs. */
  const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.raceFirst(effect, Effect.andThen(TestClock.adjust("1 hour"), Effect.never))

  const fails = Effect.fnUntraced(function* (world: World, run = header("team-a")) {
    const { exit } = yield* observe(world, inTime(run))
    assert.isTrue(Exit.isFailure(exit), "it was to fail")
  })

  it.effect.prop(
    "of a source: half a pair, a Secret with other keys, two pairs that contradict each other",
    { secret: secrets },
    ({ secret }) =>
      Effect.gen(function* () {
        const oauth = (data: Record<string, string>) => ({ "team-a/databricks-oauth": data })
        yield* fails({ env: { FLYTE_DATABRICKS_CLIENT_SECRET: secret } })
        yield* fails({
          env: { FLYTE_DATABRICKS_CLIENT_ID: "app-0", DATABRICKS_CLIENT_ID: "app-1", DATABRICKS_CLIENT_SECRET: secret }
        })
        yield* fails({ env: { ...pair(secret), DATABRICKS_CLIENT_ID: " " }, cluster: oauth({ client_secret: secret }) })
        yield* fails({ env: {}, cluster: oauth({ client_id: "", client_secret: secret }) })
        yield* fails({ env: {}, cluster: oauth({ token: secret, "client-secret": secret }) })
        yield* fails({ env: {}, cluster: { "team-a/databricks-token": { access_token: secret } } })
        yield* fails({ env: { FLYTE_DATABRICKS_ACCESS_TOKEN: `${secret}\n${secret}` } })
        yield* fails({ env: {}, cluster: { "team-a/databricks-token": { token: `${secret}\r\nX-Evil: 1` } } })
        const file = "/var/run/secrets/databricks/token"
        yield* fails({ env: { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }, files: { [file]: secret } })
      }),
    runs
  )

  it.effect.prop(
    "of the token endpoint: whatever it answers, and however it repeats what it was sent",
    { secret: secrets },
    ({ secret }) =>
      Effect.gen(function* () {
        const basic = Buffer.from(`app-0:${new URLSearchParams({ v: secret }).toString().slice(2)}`).toString("base64")
        const echoes = [
          secret,
          basic,
          encodeURIComponent(secret.toWellFormed()),
          Buffer.from(secret).toString("base64")
        ]
        for (const echo of echoes) {
          const answers = [
            answer(401, { error: "invalid_client", error_description: `wrong: ${echo}`, error_id: echo }),
            answer(400, { error: echo }),
            answer(403, { error_code: "X", message: echo }),
            answer(400, { error: { detail: echo } }),
            answer(200, `<html>${echo}</html>`),
            answer(200, { note: echo }),
            answer(200, { access_token: `${secret} \n`, expires_in: 60 }),
            answer(200, { access_token: secret, expires_in: -1 }),
            answer(200, { access_token: secret, token_type: "mac" }),
            answer(307, echo, { location: "https://evil.com" }),
            answer(503, echo)
          ]
          for (const given of answers) yield* fails({ env: pair(secret), answers: [given] })
          const faults = [
            networkFault(new Error(`cannot send ${echo}`)),
            networkFault(new TypeError("fetch failed", { cause: new Error(`authorization: Basic ${echo}`) }))
          ]
          for (const given of faults) yield* fails({ env: pair(secret), answers: [given], ignoreSpans: true })
        }
      }),
    { ...runs, arbitrary: { runs: 5 } }
  )

  it.effect.prop(
    "of an exchange",
    { secret: secrets },
    ({ secret }) =>
      Effect.gen(function* () {
        const world = {
          env: { FLYTE_DATABRICKS_CLIENT_ID: "app-0" },
          files: { "/var/run/secrets/databricks/token": jwt(secret) }
        }
        for (const echo of [jwt(secret), encodeURIComponent(jwt(secret))]) {
          yield* fails({
            ...world,
            answers: [answer(400, { error: "invalid_grant", error_description: `bad ${echo}` })]
          })
          yield* fails({ ...world, answers: [networkFault(new Error(`cannot send ${echo}`))], ignoreSpans: true })
        }
      }),
    runs
  )

  it.effect.prop(
    "of a run: a Secret that is gone, forbidden, unavailable, or another principal's",
    { secret: secrets },
    ({ secret }) =>
      Effect.gen(function* () {
        const world = {
          env: {},
          cluster: { "team-a/databricks-oauth": { client_id: "app-a", client_secret: secret } },
          answers: [granted]
        }
        const after = (change: (cluster: Kubernetes.KubernetesMemory["Service"]) => Effect.Effect<void>) =>
          Effect.gen(function* () {
            const boundary = yield* auth
            const resolved = yield* boundary.resolve({ namespace: "team-a" })
            const refused = yield* boundary.getHeader(resolved)
            yield* change(yield* Kubernetes.KubernetesMemory)
            yield* boundary.invalidate(resolved, refused)
            return yield* boundary.getHeader(resolved)
          })
        const [namespace, name] = ["team-a", "databricks-oauth"]
        yield* fails(
          world,
          after(({ deleteSecret }) => deleteSecret(namespace, name))
        )
        yield* fails(
          world,
          after(({ setSecret }) => setSecret(namespace, name, { client_id: "app-b", client_secret: secret }))
        )
        yield* fails(
          world,
          after(({ setSecret }) => setSecret(namespace, name, { client_secret: secret }))
        )
        yield* fails(
          world,
          after(({ failSecret }) => failSecret(namespace, name, new Kubernetes.Forbidden({ detail: "no" })))
        )
        yield* fails(
          world,
          after(({ failSecret }) => failSecret(namespace, name, new Kubernetes.Unavailable({ detail: "no" })))
        )
      }),
    runs
  )
})

describe("the state of the cache", () => {
  it.effect.prop(
    "shows no token, no stored token and no credential",
    { secret: secrets },
    ({ secret }) =>
      Effect.gen(function* () {
        const cache = yield* makeCache(() => Effect.succeed(token(secret, "1 hour", secret)))
        const header = yield* cache.get(credentialOf("team-a"))
        yield* cache.get(credentialOf("team-a", secret))
        const entries = yield* TokenEntries.TokenEntries
        assert.strictEqual(TokenEntries.size(entries), 2)
        const shown = [cache, header, entries, TokenEntries.all(entries), yield* cache.status]
        assertNoSecret("the cache", ...shown.flatMap((value) => shownAs(value)))
      }).pipe(Effect.scoped, Effect.provide(TokenEntries.layer)),
    runs
  )
})

describe("what this file looks for", () => {
  it.effect.prop(
    "is found where it is shown, in each spelling",
    { secret: secrets },
    ({ secret }) =>
      Effect.sync(() => {
        const ways: ReadonlyArray<ReadonlyArray<string>> = [
          [`a ${secret} b`],
          [encodeURIComponent(secret.toWellFormed())],
          ...["", "a", "ab", "app-0:"].map((before) => [Buffer.from(before + secret).toString("base64")]),
          ...["", "a", "ab"].map((before) => [Buffer.from(before + secret).toString("base64url")]),
          shownAs({ inside: { of: [secret] } }),
          shownAs(new Map([["key", secret]])),
          shownAs(new Error("outer", { cause: { inner: secret } })),
          outcomeShownAs(Exit.fail(new Error(secret))),
          outcomeShownAs(Exit.die({ defect: secret })),
          outcomeShownAs(Exit.succeed(Option.some(secret)))
        ]
        for (const texts of ways) assert.throws(() => assertNoSecret("", ...texts))
        assertNoSecret("", ...shownAs(Redacted.make(secret)))
      }),
    { arbitrary: { runs: 50 } }
  )
})
