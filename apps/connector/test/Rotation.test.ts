/**
 * Credentials that change while the connector runs: the next call goes on, or fails once with the right words. Nothing
 * restarts.
 */
import { assert, describe } from "@effect/vitest"
import { ServiceAccountTokens, TokenPolicy } from "@flyte-databricks/databricks-auth"
import { Duration, Effect, FileSystem, Layer, Redacted } from "effect"
import { NodeServices } from "@effect/platform-node"
import { phaseOf } from "./support/FlyteClient.ts"
import { jobsTokens, refusal, verdict } from "./support/outcomes.ts"
import * as tasks from "./support/tasks.ts"
import { connectorPrincipal, federated, scenario, teamPat, teamPrincipal, type World } from "./support/World.ts"

const tokenPath = "/oidc/v1/token"
const connectorSubject = "system:serviceaccount:flyte:flyteconnector"

// What was found counts for no time, and neither does a failure: a test does not wait.
const forgetful = Layer.merge(
  Layer.succeed(ServiceAccountTokens.DiscoveryTimeToLive, { present: "0 millis", absent: "0 millis" }),
  Layer.succeed(TokenPolicy.TokenPolicy, {
    ...TokenPolicy.defaults,
    failureTimeToLive: { unavailable: Duration.zero, refused: Duration.zero }
  })
)

const write = (path: string, content: string) =>
  FileSystem.FileSystem.use((files) => files.writeFileString(path, content)).pipe(Effect.provide(NodeServices.layer))
const makeDirectory = (path: string) =>
  FileSystem.FileSystem.use((files) => files.makeDirectory(path)).pipe(Effect.provide(NodeServices.layer))

const annotated = (applicationId: string) => ({
  namespace: "team-oidc",
  name: "spark",
  labels: { "flyte.org/databricks-enabled": "true" },
  annotations: { "flyte.org/databricks-client-id": applicationId }
})

const creators = ({ workspace }: World) => Effect.map(workspace.runs, (runs) => runs.map(({ creator }) => creator))

describe("a client secret", () => {
  scenario("is rotated in the namespace's Secret: runs under way and new ones go on", (world) =>
    world.serving({}, ({ flyte, log }) =>
      Effect.gen(function* () {
        const { workspace, kubernetes } = world
        const create = (node: string) => flyte.createTask(tasks.createTask({ namespace: "team-oauth", node }))
        const resourceMeta = yield* create("n0")
        yield* workspace.rotateSecret(teamPrincipal.id, "rotated")
        yield* kubernetes.setSecret({
          namespace: "team-oauth",
          name: "databricks-oauth",
          data: { client_id: teamPrincipal.id, client_secret: "rotated" }
        })
        yield* workspace.revokeTokens(teamPrincipal.id)

        assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
        yield* create("n1")
        yield* flyte.deleteTask(resourceMeta)
        assert.deepStrictEqual(yield* creators(world), [teamPrincipal.id, teamPrincipal.id])
        assert.strictEqual(yield* workspace.requests.count({ path: tokenPath }), 2)
        assert.deepStrictEqual([...new Set(log.calls().map(({ annotations }) => annotations["outcome"]))], ["ok"])
      })
    )
  )

  scenario("is rotated at Databricks alone: it says which secret to look at, and the new one counts at once", (world) =>
    world.serving(
      {},
      (connector) =>
        Effect.gen(function* () {
          const { workspace, kubernetes } = world
          const { flyte } = connector
          const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-oauth" }))
          yield* workspace.rotateSecret(teamPrincipal.id, "rotated")
          yield* workspace.revokeTokens(teamPrincipal.id)
          const { code, details } = yield* refusal(connector, flyte.deleteTask(resourceMeta))
          assert.strictEqual(code, "UNAUTHENTICATED")
          assert.include(details, "Secret databricks-oauth in namespace team-oauth: check that the secret is current")
          yield* kubernetes.setSecret({
            namespace: "team-oauth",
            name: "databricks-oauth",
            data: { client_id: teamPrincipal.id, client_secret: "rotated" }
          })
          yield* flyte.deleteTask(resourceMeta)
        }),
      { references: forgetful }
    )
  )

  scenario("is rotated in the connector's mounted file", (world) =>
    Effect.gen(function* () {
      const { workspace, directory } = world
      const file = `${directory}/mounted/flyte_databricks_client_secret`
      yield* makeDirectory(`${directory}/mounted`)
      yield* write(`${directory}/mounted/flyte_databricks_client_id`, connectorPrincipal.id)
      yield* write(file, connectorPrincipal.secret)
      yield* world.serving({ FLYTE_DATABRICKS_AUTH_TYPE: "oauth_m2m" }, ({ flyte }) =>
        Effect.gen(function* () {
          const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-without" }))
          yield* workspace.rotateSecret(connectorPrincipal.id, "rotated")
          yield* write(file, "rotated\n")
          yield* workspace.revokeTokens(connectorPrincipal.id)
          assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
          yield* flyte.createTask(tasks.createTask({ namespace: "team-without", node: "n1" }))
          assert.deepStrictEqual(yield* creators(world), [connectorPrincipal.id, connectorPrincipal.id])
        })
      )
    })
  )
})

describe("a PAT", () => {
  /** A new token in the Secret, and the old one revoked. */
  const rotate = ({ workspace, kubernetes }: World) =>
    Effect.gen(function* () {
      yield* workspace.addPat(teamPat.user, "rotated-pat")
      yield* kubernetes.setSecret({ namespace: "team-pat", name: "databricks-token", data: { token: "rotated-pat" } })
      yield* workspace.revokePat(teamPat.token)
      yield* workspace.requests.clear
    })

  scenario("is rotated: with FLYTE_DATABRICKS_PERSIST_PAT=false runs under way go on with the new one", (world) =>
    world.serving({ FLYTE_DATABRICKS_PERSIST_PAT: "false" }, ({ flyte }) =>
      Effect.gen(function* () {
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        yield* rotate(world)
        assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
        assert.deepStrictEqual(yield* jobsTokens(world.workspace, "get"), [teamPat.token, "rotated-pat"])
        yield* flyte.createTask(tasks.createTask({ node: "n1" }))
        yield* flyte.deleteTask(resourceMeta)
        assert.deepStrictEqual(yield* creators(world), [teamPat.user, teamPat.user])
      })
    )
  )

  scenario("is rotated: a run that has it in its metadata ends with it, and new ones take the new one", (world) =>
    world.serving({}, (connector) =>
      Effect.gen(function* () {
        const { flyte } = connector
        const resourceMeta = yield* flyte.createTask(tasks.createTask())
        yield* rotate(world)
        const { phase, message } = yield* verdict(connector, flyte.getTask(resourceMeta))
        assert.strictEqual(phase, "FAILED")
        assert.include(message, "refused the token")
        assert.deepStrictEqual([...new Set(yield* jobsTokens(world.workspace))], [teamPat.token])
        yield* flyte.createTask(tasks.createTask({ node: "n1" }))
        assert.deepStrictEqual(yield* creators(world), [teamPat.user, teamPat.user])
      })
    )
  )
})

describe("a token that Databricks revoked", () => {
  scenario("is replaced within the call that meets it: get, submit, cancel", (world) =>
    world.serving({}, ({ flyte, log }) =>
      Effect.gen(function* () {
        const { workspace } = world
        const namespace = "team-oauth"
        const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace }))
        for (const call of [
          Effect.asVoid(flyte.getTask(resourceMeta)),
          Effect.asVoid(flyte.createTask(tasks.createTask({ namespace, node: "n1" }))),
          Effect.asVoid(flyte.deleteTask(resourceMeta))
        ]) {
          yield* workspace.revokeTokens(teamPrincipal.id)
          yield* workspace.requests.clear
          yield* call
          assert.strictEqual(yield* workspace.requests.count({ path: tokenPath }), 1)
          assert.strictEqual(yield* workspace.requests.count({ path: "/api/*" }), 2)
        }
        assert.deepStrictEqual([...new Set(log.calls().map(({ annotations }) => annotations["outcome"]))], ["ok"])
      })
    )
  )
})

describe("the connector's JWT file", () => {
  scenario("is rotated, also after the issuer's signing key was: the next exchange takes what is there", (world) =>
    Effect.gen(function* () {
      const { workspace, kubernetes, directory } = world
      const file = `${directory}/jwt`
      const mint = Effect.map(kubernetes.mintToken({ sub: connectorSubject, aud: "databricks" }), Redacted.value)
      yield* federated(world, "sp-model-1", connectorSubject)
      const first = yield* mint
      yield* write(file, first)
      const env = { FLYTE_DATABRICKS_CLIENT_ID: "sp-model-1", FLYTE_DATABRICKS_OIDC_TOKEN_FILE: file }
      yield* world.serving(
        env,
        (connector) =>
          Effect.gen(function* () {
            const { flyte } = connector
            const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-without" }))
            yield* kubernetes.rotateSigningKey({ withdraw: true })
            yield* workspace.revokeTokens("sp-model-1")

            const refused = yield* refusal(connector, flyte.deleteTask(resourceMeta))
            assert.strictEqual(refused.code, "UNAUTHENTICATED")
            assert.include(refused.details, file)
            assert.include(refused.details, `sub: ${connectorSubject}`)

            const second = yield* mint
            yield* write(file, second)
            assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
            yield* flyte.createTask(tasks.createTask({ namespace: "team-without", node: "n1" }))
            const asked = yield* workspace.requests.all({ path: tokenPath })
            const sent = asked.map(({ body }) => new URLSearchParams(body).get("subject_token"))
            assert.strictEqual(sent[0], first)
            assert.strictEqual(sent.at(-1), second)
          }),
        { references: forgetful }
      )
    })
  )
})

describe("a namespace's ServiceAccount", () => {
  scenario("outlives the cluster's signing key: its JWTs are made when they are needed", (world) =>
    world.serving({}, ({ flyte }) =>
      Effect.gen(function* () {
        const { workspace, kubernetes } = world
        yield* federated(world, "sp-model-2", "system:serviceaccount:team-oidc:spark")
        yield* kubernetes.setServiceAccount(annotated("sp-model-2"))
        const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-oidc" }))
        yield* kubernetes.rotateSigningKey({ withdraw: true })
        yield* workspace.revokeTokens("sp-model-2")
        assert.strictEqual(phaseOf(yield* flyte.getTask(resourceMeta)), "INITIALIZING")
        yield* flyte.deleteTask(resourceMeta)
      })
    )
  )

  scenario("gets another service principal: new runs are that one's, those under way are refused it", (world) =>
    world.serving(
      {},
      ({ flyte, log }) =>
        Effect.gen(function* () {
          const { workspace, kubernetes } = world
          const subject = "system:serviceaccount:team-oidc:spark"
          yield* federated(world, "sp-before", subject)
          yield* federated(world, "sp-after", subject)
          yield* kubernetes.setServiceAccount(annotated("sp-before"))
          const resourceMeta = yield* flyte.createTask(tasks.createTask({ namespace: "team-oidc" }))
          yield* kubernetes.patchServiceAccount(annotated("sp-before"), {
            annotations: { "flyte.org/databricks-client-id": "sp-after" }
          })
          yield* flyte.createTask(tasks.createTask({ namespace: "team-oidc", node: "n1" }))
          assert.deepStrictEqual(yield* creators(world), ["sp-before", "sp-after"])

          yield* workspace.revokeTokens("sp-before")
          const { phase, message } = yield* verdict({ log }, flyte.getTask(resourceMeta))
          assert.strictEqual(phase, "FAILED")
          assert.include(message, "sp-after")
        }),
      { references: forgetful }
    )
  )
})
