/**
 * A connector that belongs to a real cluster: kube-apiserver with RBAC, in which the connector is a ServiceAccount
 * without rights until it is given some; and a workspace that verifies the cluster's tokens by the cluster's own
 * discovery document and keys.
 */
import { NodeServices } from "@effect/platform-node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { TokenPolicy } from "@flyte-databricks/databricks-auth"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import { ControlPlane, isAvailable, layer } from "@flyte-databricks/kubernetes/testing/ControlPlane"
import { type PolicyRule, rightsOf } from "@flyte-databricks/kubernetes/testing/controlPlane/Rbac"
import {
  ConfigProvider,
  Context,
  Duration,
  Effect,
  FileSystem,
  Layer,
  Logger,
  ManagedRuntime,
  Redacted,
  Schema,
  type Scope
} from "effect"
import { parse } from "yaml"
import * as ConnectorServer from "../../../src/cli/ConnectorServer.ts"
import * as Server from "../../../src/grpc/Server.ts"
import * as FlyteClient from "../../support/FlyteClient.ts"
import * as Log from "@flyte-databricks/emulators/testing/Log"
import * as manifests from "./manifests.ts"

/** Failures are not kept for a moment: what is mended counts at once. */
export const readyToForgive = Layer.succeed(TokenPolicy.TokenPolicy, {
  ...TokenPolicy.defaults,
  failureTimeToLive: { unavailable: Duration.zero, refused: Duration.zero }
})

/** The connector's ServiceAccount, by the names in deploy/. */
export const connectorAccount = { namespace: "flyte", name: "flyteconnector" }

/** What the connector has of its own, for every mode: none of it may stand in for what a namespace brings. */
export const connectorPrincipal = { id: "sp-of-connector", secret: "secret of connector" }
export const connectorPat = { user: "shared@example.com", token: "pat-of-connector" }

/** Which rights the connector is given. */
type Rights = {
  readonly variant: manifests.Variant
  readonly namespaces: ReadonlyArray<string>
  /** The modes whose manifests are applied; all of them, if it is not said. */
  readonly modes?: ReadonlyArray<string>
  /** A right that is left out. */
  readonly without?: PolicyRule
}

const Claims = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({ iss: Schema.String, aud: Schema.Array(Schema.String), sub: Schema.String, jti: Schema.String })
  )
)

let namespaces = 0

const make = Effect.gen(function* () {
  const controlPlane = yield* ControlPlane
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped()
  const said: Array<string> = []
  const logs: Array<Log.Log> = []

  yield* controlPlane.createNamespace(connectorAccount.namespace)
  yield* controlPlane.createServiceAccount(connectorAccount.namespace, connectorAccount.name)
  const KUBECONFIG = yield* controlPlane.kubeconfigFor(connectorAccount)
  const ISSUER = controlPlane.url.replace("https://", "")
  const workspace = yield* DatabricksWorkspace.make({
    trustedCas: [controlPlane.caPem],
    users: [{ userName: connectorPat.user, pats: [connectorPat.token] }],
    servicePrincipals: [
      {
        applicationId: connectorPrincipal.id,
        secrets: [connectorPrincipal.secret],
        federationPolicies: [manifests.federationPolicy("oidc-connector", { ISSUER })]
      }
    ],
    // Runs go on only when a test says so.
    runPlan: { phases: [{ lifeCycleState: "PENDING" }] }
  })

  // A node's kubelet would write it.
  const tokenFile = `${directory}/token`
  const projectToken = Effect.fnUntraced(function* ({
    audience = "databricks",
    change = (token: string) => token,
    who = connectorAccount
  } = {}) {
    const token = yield* controlPlane.tokenFor(who, { audiences: [audience], expirationSeconds: 3600 })
    yield* files.writeFileString(tokenFile, change(Redacted.value(token)))
  })
  yield* projectToken()

  const newNamespace = Effect.fnUntraced(function* () {
    const name = `team-${++namespaces}`
    yield* controlPlane.createNamespace(name)
    return name
  })

  const apply = (file: string, namespace: string, words: manifests.Words) =>
    Effect.forEach(manifests.objects(file, namespace, words), controlPlane.apply, { discard: true })

  /** Waits until the API server says of each rule whether it holds in these namespaces. */
  const untilHeld = (rules: ReadonlyArray<PolicyRule>, inNamespaces: ReadonlyArray<string>, expected: boolean) =>
    Effect.forEach(
      inNamespaces.flatMap((namespace) => rules.flatMap((rule) => rightsOf(rule, namespace))),
      (right) => controlPlane.untilAllowed(connectorAccount, right, expected),
      { discard: true }
    )

  /** Gives the connector what the manifests of deploy/rbac/ have, and takes it back when the scope closes. */
  const give = Effect.fnUntraced(function* (rights: Rights) {
    const { modes = manifests.modesWithRights, variant } = rights
    const objects = modes
      .flatMap((mode) => manifests.rbac(mode, variant, rights.namespaces))
      .map((object) => (rights.without === undefined ? object : manifests.without(object, rights.without)))
    const held = objects.flatMap(({ rules = [] }) => rules)
    yield* Effect.acquireRelease(Effect.forEach(objects, controlPlane.apply), () =>
      Effect.orDie(
        Effect.andThen(Effect.forEach(objects, controlPlane.delete), untilHeld(held, rights.namespaces, false))
      )
    )
    yield* untilHeld(held, rights.namespaces, true)
  })

  const serve = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>, references: Layer.Layer<never>) {
    const log = Log.make()
    logs.push(log)
    const environment = ConfigProvider.fromEnv({
      env: {
        FLYTE_DATABRICKS_INSTANCE: workspace.url,
        FLYTE_SECRETS_DEFAULT_DIR: `${directory}/mounted`,
        KUBECONFIG,
        ...env
      }
    })
    const layer = ConnectorServer.layer({
      host: "127.0.0.1",
      port: 0,
      maxMessageBytes: 4 * 1024 * 1024,
      maxConcurrentStreams: 1000,
      maxConnectionAge: Duration.minutes(5),
      drainDelay: Duration.zero,
      drainTimeout: Duration.seconds(5)
    }).pipe(Layer.provide([ConfigProvider.layer(environment), Logger.layer([log.logger]), Log.everyLine, references]))
    // A connector that starts again shares nothing with the one before.
    const context = yield* Layer.buildWithMemoMap(layer, Layer.makeMemoMapUnsafe(), yield* Effect.scope)
    const { port } = Context.get(context, Server.Server)
    return { log, flyte: yield* FlyteClient.make(`127.0.0.1:${port}`, said) }
  })

  return {
    controlPlane,
    /** How the connector reaches the cluster, as its ServiceAccount. */
    kubeconfig: KUBECONFIG,
    directory,
    /** Adds what a command said to what is searched for secrets. */
    say: (text: string) => Effect.sync(() => said.push(text)),
    workspace,
    ISSUER,
    tokenFile,
    /** Writes a token to `tokenFile`; by default what the connector's pod would have there. */
    projectToken,
    /** Sets everything that a connector can have of its own. */
    withEverything: {
      FLYTE_DATABRICKS_CLIENT_ID: connectorPrincipal.id,
      FLYTE_DATABRICKS_CLIENT_SECRET: connectorPrincipal.secret,
      FLYTE_DATABRICKS_ACCESS_TOKEN: connectorPat.token,
      FLYTE_DATABRICKS_OIDC_TOKEN_FILE: tokenFile
    },
    /** Model 1 and nothing else. */
    withModel1: {
      FLYTE_DATABRICKS_CLIENT_ID: connectorPrincipal.id,
      FLYTE_DATABRICKS_OIDC_TOKEN_FILE: tokenFile
    },
    newNamespace,
    apply,
    give,
    untilHeld,
    /** Starts a connector with these variables, and stops it at the end. */
    serving: <A, E, R>(
      env: Readonly<Record<string, string>>,
      use: (connector: Connector) => Effect.Effect<A, E, R>,
      references: Layer.Layer<never> = Layer.empty
    ) => Effect.scoped(Effect.flatMap(serve(env, references), use)),
    /** The token requests with which a JWT was exchanged, oldest first: for which client, and the JWT's claims. */
    exchanges: Effect.map(workspace.requests.all({ path: "/oidc/v1/token" }), (requests) =>
      requests.flatMap(({ body }) => {
        const form = new URLSearchParams(body)
        const [, payload] = (form.get("subject_token") ?? "").split(".")
        if (payload === undefined) return []
        const claims = Claims(Buffer.from(payload, "base64url").toString())
        return [{ clientId: form.get("client_id"), claims }]
      })
    ),
    /** Everything that connectors said to people, and every credential that must not be in it. */
    shown: () => [...said, ...logs.flatMap(({ texts }) => texts)].join("\n"),
    credentials: Effect.gen(function* () {
      const requests = yield* workspace.requests.all()
      const form = requests.map(({ body }) => new URLSearchParams(body))
      const kubeconfig = yield* files.readFileString(KUBECONFIG)
      return new Set(
        [
          connectorPrincipal.secret,
          connectorPat.token,
          parse(kubeconfig).users[0].user.token,
          ...requests.map(({ headers }) => headers["authorization"]?.replace(/^\w+ /, "")),
          ...form.flatMap((fields) => [fields.get("subject_token"), fields.get("client_secret")])
        ].filter((secret) => typeof secret === "string" && secret !== "") as Array<string>
      )
    })
  }
})

export type Cluster = Effect.Success<typeof make>

export interface Connector {
  readonly log: Log.Log
  readonly flyte: FlyteClient.FlyteClient
}

type Scenario = (name: string, run: (cluster: Cluster) => Effect.Effect<void, unknown, Scope.Scope>) => void

const available = await Effect.runPromise(Effect.provide(isAvailable, NodeServices.layer))

/**
 * Tests that share a control plane. Each has a workspace and namespaces of its own, begins with a connector that has no
 * rights, and ends by looking for secrets in what was said.
 */
export const inCluster = (name: string, tests: (scenario: Scenario) => void) =>
  describe.skipIf(!available)(`${name}`, () => {
    const runtime = ManagedRuntime.make(Layer.provide(layer, NodeServices.layer))
    beforeAll(() => runtime.context(), 150_000)
    afterAll(() => runtime.dispose(), 30_000)
    const layerShared = Layer.merge(Layer.effectContext(runtime.contextEffect), NodeServices.layer)

    tests((name, run) =>
      it.live(
        name,
        () =>
          Effect.gen(function* () {
            const cluster = yield* make
            yield* Effect.scoped(run(cluster))
            const shown = cluster.shown()
            assert.isNotEmpty(shown)
            for (const secret of yield* cluster.credentials) assert.notInclude(shown, secret)
          }).pipe(Effect.provide(layerShared)),
        60_000
      )
    )
  })
