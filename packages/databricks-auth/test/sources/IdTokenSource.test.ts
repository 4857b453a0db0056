/** One contract for whatever gives ID tokens: each source in memory and for real. */
import {
  type AuthError,
  ConnectorSecrets,
  ConnectorSettings,
  IdTokenSource,
  Kubernetes,
  ProjectedToken,
  RetryPolicy,
  ServiceAccountTokens
} from "@flyte-databricks/databricks-auth"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Effect, Fiber, FileSystem, Layer, Option, Path, Redacted, Schedule } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { environment } from "../support/environment.ts"
import { type Answer, answer, makeHttp, networkFault, silence } from "../support/http.ts"
import { jwtText, signature } from "../support/jwt.ts"
import { makeTokenFiles } from "../support/oidc.ts"
import { assertNoSecret, shownAs } from "../support/secrecy.ts"

/** One source, in a place that holds this text; none: nothing. */
interface Subject {
  readonly name: string
  readonly source: (text: string | undefined) => Effect.Effect<IdTokenSource.IdTokenSource["Service"], unknown>
  /** What the error of a text that is none is told by, where the source has words of its own. */
  readonly says?: string
  /** It always has something: nothing there is an error. */
  readonly isNamed?: boolean
}

const built = <E>(layer: Layer.Layer<IdTokenSource.IdTokenSource, E>) =>
  Effect.provide(IdTokenSource.IdTokenSource, layer)

const file = "/run/secrets/id-token"
const url = "https://actions.example/token?api-version=2.0"
const actions = { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner-token-1" }

const onGitHub = (env: Record<string, string>, ...answers: ReadonlyArray<Answer>) =>
  Effect.gen(function* () {
    const { layer, sent } = yield* makeHttp(...answers)
    const retries = Layer.succeed(RetryPolicy.RetryPolicy, Schedule.recurs(1))
    const source = yield* built(
      IdTokenSource.layerGitHubActions.pipe(Layer.provide([layer, environment(env), retries]), Layer.orDie)
    )
    return { source, sent }
  })

const cluster = (text: string | undefined) =>
  Layer.effectDiscard(
    Kubernetes.KubernetesMemory.use(({ onTokenRequest }) =>
      onTokenRequest(() => Effect.succeed(Option.map(Option.fromUndefinedOr(text), (minted) => Redacted.make(minted))))
    )
  ).pipe(Layer.provideMerge(Kubernetes.layerMemory({}, { "team-a/spark": {} })))

const subjects: ReadonlyArray<Subject> = [
  { name: "ID token in memory", source: (text) => built(IdTokenSource.layerMemory(text)) },
  {
    name: "environment variable DATABRICKS_OIDC_TOKEN",
    source: (text) =>
      built(
        Layer.provide(
          IdTokenSource.layerEnvironment(),
          environment(text === undefined ? {} : { DATABRICKS_OIDC_TOKEN: text })
        )
      )
  },
  {
    name: `JWT file ${file} (named by this program)`,
    source: (text) =>
      Effect.flatMap(makeTokenFiles(text === undefined ? {} : { [file]: text }), ({ layer }) =>
        built(IdTokenSource.layerFile(file).pipe(Layer.provide([layer, Path.layer])))
      )
  },
  {
    name: `OIDC provider of GitHub Actions`,
    source: (text) =>
      Effect.map(
        onGitHub(text === undefined ? {} : actions, answer(200, { value: text, count: 1 })),
        ({ source }) => source
      )
  },
  {
    name: "JWT file /var/run/secrets/databricks/token (the default path)",
    source: (text) =>
      Effect.flatMap(
        makeTokenFiles(text === undefined ? {} : { "/var/run/secrets/databricks/token": text }),
        ({ layer }) =>
          built(
            IdTokenSource.layerProjectedToken.pipe(
              Layer.provide(ProjectedToken.layer),
              Layer.provide([ConnectorSecrets.layerMemory(), Layer.orDie(ConnectorSettings.layer())]),
              Layer.provide([layer, Path.layer])
            )
          )
      )
  },
  {
    name: "ServiceAccount spark in namespace team-a",
    says: "gave a token that is empty or not a JWT",
    isNamed: true,
    source: (text) =>
      built(
        IdTokenSource.layerServiceAccount("team-a", "spark").pipe(
          Layer.provide(ServiceAccountTokens.layer),
          Layer.provide(cluster(text))
        )
      )
  }
]

const failed = (
  source: IdTokenSource.IdTokenSource["Service"],
  get: Effect.Effect<unknown, AuthError.AuthError>
): Effect.Effect<AuthError.AuthError> =>
  Effect.map(Effect.orDie(Effect.flip(get)), (error) => {
    assertNoSecret(source.name, ...shownAs(error))
    assert.notInclude(error.message, "eyJ")
    return error
  })

for (const { isNamed = false, name, says, source } of subjects) {
  describe(`the source ${name}`, () => {
    it.effect("says by its own name what it is", () =>
      Effect.gen(function* () {
        const made = yield* source(jwtText())
        assert.strictEqual(made.name, name)
        assert.match(made.remedy, /^[A-Z].*\.$/)
      })
    )

    it.effect("gives the token that is there, as it is, and shows none of it", () =>
      Effect.gen(function* () {
        const made = yield* source(jwtText())
        const jwt = Option.getOrThrow(yield* made.get("databricks"))
        assert.strictEqual(Redacted.value(jwt.token), jwtText())
        assertNoSecret("the token", ...shownAs(jwt).map((text) => text.replaceAll(signature, "S3cr3tM4rk3r")))
        assertEquals(yield* IdTokenSource.require(made, "databricks"), jwt)
      })
    )

    it.effect("leaves out the blanks around it", () =>
      Effect.gen(function* () {
        const jwt = Option.getOrThrow(yield* (yield* source(` \n${jwtText()}\n`)).get("databricks"))
        assert.strictEqual(Redacted.value(jwt.token), jwtText())
      })
    )

    if (!isNamed) {
      it.effect("has none where there is nothing, and says so where one was counted on", () =>
        Effect.gen(function* () {
          const made = yield* source(undefined)
          assertEquals(yield* made.get("databricks"), Option.none())
          const { message, reason } = yield* failed(made, IdTokenSource.require(made, "databricks"))
          assert.strictEqual(reason._tag, "CredentialsBroken")
          assert.include(message.toLowerCase(), `${made.name} ${made.absence}. ${made.remedy}`.toLowerCase())
        })
      )
    }

    it.effect.each<readonly [string, string, string]>([
      ["what is no JWT", "dapi0123456789abcdef0123456789abcdef", "does not hold a JWT"],
      ["half a JWT", jwtText().slice(0, 60), "does not hold a JWT"],
      ["a megabyte", `${jwtText()}${"x".repeat(1024 * 1024)}`, "which no JWT has"]
    ])("does not take %s for one", ([, text, problem]) =>
      Effect.gen(function* () {
        const made = yield* source(text)
        const { message, retryable } = yield* failed(made, made.get("databricks"))
        assert.isFalse(retryable)
        if (says === undefined && !message.includes("is larger than")) assert.include(message, problem)
        assert.include(message.toLowerCase(), name.replace(/ \(.*/, "").toLowerCase())
      })
    )

    it.effect("does not give one that ended", () =>
      Effect.gen(function* () {
        const made = yield* source(jwtText({ aud: ["databricks"], exp: -61 }))
        const { message, reason } = yield* failed(made, made.get("databricks"))
        assert.strictEqual(reason._tag, "CredentialsBroken")
        assert.include(message, "expired at 1969-12-31T23:58:59.000Z")
      })
    )
  })
}

describe("an environment variable", () => {
  const nameOf = (env: Record<string, string>, name?: string) =>
    Effect.map(built(Layer.provide(IdTokenSource.layerEnvironment(name), environment(env))), (source) => source.name)

  it.effect("is the one that the program names, else the one that the environment does", () =>
    Effect.gen(function* () {
      const env = { DATABRICKS_OIDC_TOKEN_ENV: "CI_JOB_JWT" }
      assert.strictEqual(yield* nameOf(env), "environment variable CI_JOB_JWT")
      assert.strictEqual(yield* nameOf(env, "MY_TOKEN"), "environment variable MY_TOKEN")
    })
  )

  it.effect("that is blank is not set", () =>
    Effect.gen(function* () {
      const source = yield* built(
        Layer.provide(IdTokenSource.layerEnvironment(), environment({ DATABRICKS_OIDC_TOKEN: " " }))
      )
      assertEquals(yield* source.get("databricks"), Option.none())
    })
  )
})

describe("a file on a real disk", () => {
  it.live("is read anew for each token, a link included", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      const path = `${directory}/token`
      const source = yield* Effect.provide(IdTokenSource.IdTokenSource, IdTokenSource.layerFile(path))
      const subject = Effect.map(
        source.get("databricks"),
        Option.map(({ claims }) => claims.sub)
      )
      assertEquals(yield* subject, Option.none())
      for (const sub of ["one", "two"]) {
        yield* files.writeFileString(`${directory}/${sub}`, jwtText({ sub }))
        yield* files.remove(path, { force: true })
        yield* files.symlink(`${directory}/${sub}`, path)
        assertEquals(yield* subject, Option.some(sub))
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("GitHub Actions", () => {
  it.effect("is asked for the audience, with the job's own token", () =>
    Effect.gen(function* () {
      const { sent, source } = yield* onGitHub(actions, answer(200, { value: jwtText() }))
      yield* source.get("https://dbc-a1b2.cloud.databricks.com/oidc?x=1&y")
      const [asked] = yield* sent
      const asUrl = new URL(asked!.url)
      assert.deepStrictEqual(
        [asked!.method, asUrl.origin, asUrl.pathname, Object.fromEntries(asUrl.searchParams)],
        [
          "GET",
          "https://actions.example",
          "/token",
          { "api-version": "2.0", audience: "https://dbc-a1b2.cloud.databricks.com/oidc?x=1&y" }
        ]
      )
      const { accept, authorization, "user-agent": userAgent } = asked!.headers
      assert.deepStrictEqual([authorization, accept], ["Bearer runner-token-1", "application/json"])
      assert.match(userAgent ?? "", /^flyte-databricks\/\S+ lang\/js node\/\S+ os\/\w+$/)
    })
  )

  it.effect("leads nobody elsewhere: no redirect is followed", () =>
    Effect.gen(function* () {
      const asked: Array<RequestInit | undefined> = []
      const fetch: typeof globalThis.fetch = async (_, init) => {
        asked.push(init)
        return new Response("", { status: 307, headers: { location: "https://evil.example/" } })
      }
      const client = Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.Fetch, fetch))
      const source = yield* built(
        IdTokenSource.layerGitHubActions.pipe(Layer.provide([client, environment(actions)]), Layer.orDie)
      )
      const { message } = yield* failed(source, source.get("a"))
      assert.include(message, "gave no token: it answered 307, and the body is empty. Give the job")
      assert.deepStrictEqual(
        asked.map((init) => init?.redirect),
        ["manual"]
      )
    })
  )

  it.effect("that answers with something else than a token says what is wrong with it", () =>
    Effect.gen(function* () {
      const answers = [
        [answer(200, { count: 1 }), "gave no token: its answer holds no token. Give the job permissions"],
        [answer(200, "<html>"), "gave no token: its answer holds no token. Give the job permissions"],
        [answer(201, { value: jwtText() }), "gave no token: it answered 201, and "],
        [answer(200, "x".repeat(2 * 64 * 1024 + 1)), "answered, but the body is larger than 131072 bytes. Give the job"]
      ] as const
      for (const [given, says] of answers) {
        const { sent, source } = yield* onGitHub(actions, given)
        const { message, retryable } = yield* failed(source, source.get("a"))
        assert.include(message, `The OIDC provider of GitHub Actions ${says}`)
        assert.isFalse(retryable)
        assert.lengthOf(yield* sent, 1)
      }
    })
  )

  it.effect("that says nothing is given up after a while, and may pass", () =>
    Effect.gen(function* () {
      const { source } = yield* onGitHub(actions, silence)
      const asked = yield* Effect.forkChild(failed(source, source.get("a")), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      const { message, retryable } = yield* Fiber.join(asked)
      assert.isTrue(retryable)
      assert.include(message, "gave no token; the last answer: nothing within 16s. Try again.")
    })
  )

  it.effect("that says no says so, with what it takes", () =>
    Effect.gen(function* () {
      const { source } = yield* onGitHub(actions, answer(401, `bad runner-token-1`))
      const { message } = yield* failed(source, source.get("a"))
      assert.strictEqual(
        message,
        "The OIDC provider of GitHub Actions gave no token: it answered 401, and the body is not JSON, or only the " +
          "beginning of it. Give the job permissions: id-token: write. No other credential is tried in its place."
      )
    })
  )

  it.effect("is half of something where one of its variables is missing", () =>
    Effect.gen(function* () {
      for (const [missing, set] of [Object.keys(actions), Object.keys(actions).toReversed()]) {
        const { [missing as keyof typeof actions]: _, ...env } = actions
        const { sent, source } = yield* onGitHub(env, answer(200))
        const { message } = yield* failed(source, source.get("a"))
        assert.include(message, `${set} is set, and ${missing} is not. Give the job permissions: id-token: write.`)
        assert.isEmpty(yield* sent)
      }
    })
  )

  it.effect("that does not answer is tried again, and then is an error that may pass, without the job's address", () =>
    Effect.gen(function* () {
      const faults = [answer(503), networkFault(new Error("ECONNRESET"))]
      const { sent, source } = yield* onGitHub(actions, ...faults)
      const { message, retryable } = yield* failed(source, source.get("a"))
      assert.isTrue(retryable)
      assert.lengthOf(yield* sent, 2)
      assert.strictEqual(
        message,
        "https://actions.example/token was tried 2 times and gave no token; the last answer: ECONNRESET. Try again."
      )
      const again = yield* onGitHub(actions, answer(503), answer(200, { value: jwtText() }))
      assert.isTrue(Option.isSome(yield* again.source.get("a")))
    })
  )

  it.effect("is not told the job's token over plain HTTP", () =>
    Effect.gen(function* () {
      const { sent, source } = yield* onGitHub({ ...actions, ACTIONS_ID_TOKEN_REQUEST_URL: "http://a.example/t" })
      assert.strictEqual((yield* failed(source, source.get("a"))).reason._tag, "SettingInvalid")
      assert.isEmpty(yield* sent)
    })
  )
})

describe("a ServiceAccount that does not exist", () => {
  it.effect("is an error that names it", () =>
    Effect.gen(function* () {
      const source = yield* built(
        IdTokenSource.layerServiceAccount("team-a", "gone").pipe(
          Layer.provide(ServiceAccountTokens.layer),
          Layer.provide(Kubernetes.layerMemory())
        )
      )
      const { message } = yield* failed(source, source.get("databricks"))
      assert.include(message, "ServiceAccount gone in namespace team-a")
    })
  )
})
