/**
 * A cluster in which the connector is deployed as operators do it: charts are installed by helm into a real
 * kube-apiserver, a stand-in kubelet runs what they render, and a workspace verifies the cluster's own tokens.
 */
import { NodeServices } from "@effect/platform-node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { DatabricksWorkspace } from "@flyte-databricks/emulators"
import * as Certificates from "@flyte-databricks/emulators/Certificates"
import {
  ControlPlane,
  isAvailable as hasControlPlane,
  layer as layerControlPlane
} from "@flyte-databricks/kubernetes/testing/ControlPlane"
import { Config, Console, Context, Effect, FileSystem, Layer, ManagedRuntime, Option, Scope } from "effect"
import * as Helm from "../../charts/support/helm.ts"
import { run } from "../../support/commands.ts"
import * as Docs from "../../support/docs.ts"
import * as FlyteClient from "../../support/FlyteClient.ts"
import * as PythonConnector from "../../support/PythonConnector.ts"
import * as Images from "./Images.ts"
import * as Kubelet from "./Kubelet.ts"
import * as Machine from "./Machine.ts"

export const pat = { user: "shared@example.com", token: "pat-of-connector" }
export const connector = { id: "sp-of-connector", namespace: "flyte", account: "flyteconnector" }

/** The image by the name that manifests have for it. */
const image = { repository: "registry.example.com/connector", tag: "test" }

/** What the reader of a values file is to replace. */
const words = {
  IMAGE: image.repository,
  TAG: image.tag,
  WORKSPACE: Machine.workspaceName,
  APPLICATION_ID: connector.id
}

export const set = (...values: ReadonlyArray<string>) => values.flatMap((value) => ["--set", value])
export const setJson = (name: string, value: unknown) => ["--set-json", `${name}=${JSON.stringify(value)}`]

/** Adds variables to `podEnv` of Flyte's charts, after the first `count`. */
export const podEnv = (count: number, env: Readonly<Record<string, string>>) =>
  Object.entries(env).flatMap(([name, value], index) => {
    const variable = `podEnv[${count + index}]`
    // A number would be one in YAML, and variables are text.
    return ["--set-string", `${variable}.name=${name},${variable}.value=${value}`]
  })

/** The Secret of Flyte's charts, mounted at /etc/secrets: the connector's PAT, and the authority of the workspace. */
export const secretOf = (caPem: string) =>
  setJson("connectorSecret.secretData", {
    stringData: { flyte_databricks_access_token: pat.token, "ca.pem": caPem }
  })

const make = Effect.gen(function* () {
  const controlPlane = yield* ControlPlane
  const files = yield* FileSystem.FileSystem
  const python = yield* PythonConnector.find(["1.15.4", PythonConnector.current])
  const built = yield* Images.build
  const directory = yield* files.makeTempDirectoryScoped()
  const certificate = yield* Certificates.certificateFor([Machine.workspaceName])
  const policy = (subject: string) => ({ issuer: controlPlane.url, audiences: ["databricks"], subject })
  const workspace = yield* DatabricksWorkspace.make({
    trustedCas: [controlPlane.caPem],
    users: [{ userName: pat.user, pats: [pat.token] }],
    servicePrincipals: [
      {
        applicationId: connector.id,
        secrets: [],
        federationPolicies: [policy(`system:serviceaccount:${connector.namespace}:${connector.account}`)]
      }
    ],
    // Runs go on only when a test says so.
    runPlan: { phases: [{ lifeCycleState: "PENDING" }] }
  })
  const machine = yield* Machine.make({ apiServer: controlPlane.url, workspace: workspace.url, certificate })
  const ofFlyte = Option.match(python, { onNone: () => () => undefined, onSome: Images.ofFlyte })
  const kubelet = yield* Kubelet.make(machine, (name) =>
    name === `${image.repository}:${image.tag}` ? built.image : ofFlyte(name)
  )
  yield* controlPlane.createNamespace(connector.namespace)

  const env = {
    KUBECONFIG: controlPlane.adminKubeconfig,
    HELM_PLUGINS: `${Helm.root}deploy/helm`,
    HELM_CACHE_HOME: `${directory}/cache`,
    HELM_CONFIG_HOME: `${directory}/config`,
    HELM_DATA_HOME: `${directory}/data`
  }
  const path = `${Helm.root}.deploy/bin:${yield* Config.String("PATH")}`
  const helm = (...args: ReadonlyArray<string>) => Helm.helm([...args, "--namespace", connector.namespace], env)
  return {
    controlPlane,
    workspace,
    machine,
    kubelet,
    image,
    built,
    policy,
    caPem: certificate.caPem,
    hasPython: Option.isSome(python),
    helm,
    /** Installs a release; it is gone when the scope closes. */
    install: (release: string, chart: string, args: ReadonlyArray<string>) =>
      Effect.acquireRelease(helm("install", release, chart, ...args), () => Effect.ignore(helm("uninstall", release))),
    /**
     * A values file of deploy/helm in which the reader's words are replaced, as its head says, and what the release has in
     * `podEnv` is added.
     */
    values: Effect.fnUntraced(function* (name: string, env: Readonly<Record<string, string>> = {}) {
      let text = yield* files.readFileString(`${Helm.root}deploy/helm/${name}`)
      for (const [word, value] of Object.entries(words)) text = text.replaceAll(new RegExp(`\\b${word}\\b`, "g"), value)
      const added = Object.entries(env).map(([name, value]) => `  - name: ${name}\n    value: "${value}"\n`)
      const file = `${directory}/deploy/helm/${name}`
      yield* files.makeDirectory(`${directory}/deploy/helm`, { recursive: true })
      yield* files.writeFileString(
        file,
        text.replace("\npodEnv:\n", (list) => list + added.join(""))
      )
      return ["--values", file]
    }),
    /** A command of the guide, in a shell, where its reader's values files are. */
    type: (command: string) => run("bash", ["-c", `cd ${directory} && ${command}`], { ...env, PATH: path })
  }
})

export class Box extends Context.Service<Box, Effect.Success<typeof make>>()("@flyte-databricks/connector/test/Box") {}

/** What the guide has its reader type for one of Flyte's charts, with the chart that they have. */
export const guide = (version: "Flyte 1" | "Flyte 2", chart: string, chartVersion: string) => {
  const text = Docs.section("deploy/README.md", "In place of Flyte's own connector").replaceAll(/^ +/gm, "")
  const [, swap = "", back = ""] = Docs.rows(text).find(([cell]) => cell?.startsWith(`${version} (`)) ?? []
  const typed = (cell: string) =>
    (Docs.spans(cell)[0] ?? assert.fail(cell)).replace("CHART", chart).replace("VERSION", chartVersion)
  const commands = Docs.fences(text, "sh").flatMap((code) => code.trim().split("\n"))
  const found = (start: string) => commands.find((command) => command.startsWith(start)) ?? assert.fail(start)
  return {
    lookAtRelease: found("helm list"),
    lookAtImage: found("kubectl get deployment"),
    lookAtValues: found("helm get values"),
    swap: typed(swap),
    rolledOut: found("kubectl rollout status"),
    back: typed(back)
  }
}

/** Flyte as a client of the Service: each call goes to the next pod that is ready. */
export const flyteOf = (ready: () => ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const clients = new Map<string, FlyteClient.FlyteClient>()
    let next = 0
    /** A call; which pods there are is asked anew each time. */
    return <A, E, R>(use: (client: FlyteClient.FlyteClient, address: string) => Effect.Effect<A, E, R>) =>
      Effect.gen(function* () {
        const addresses = ready()
        const address = addresses[next++ % addresses.length] ?? ""
        const known = clients.get(address)
        const client = known ?? (yield* FlyteClient.make(`${address}:8000`, []).pipe(Scope.provide(scope)))
        clients.set(address, client)
        return yield* use(client, address)
      })
  })

const available = await Effect.runPromise(
  Effect.all([hasControlPlane, Helm.isAvailable, Machine.isAvailable]).pipe(
    Effect.map((all) => all.every((each) => each)),
    Effect.provide(NodeServices.layer)
  )
)

type Scenario = (
  name: string,
  run: Effect.Effect<void, unknown, Box | NodeServices.NodeServices | Scope.Scope>,
  seconds?: number
) => void

/** Tests in one box, one after the other. */
export const inBox = (name: string, tests: (scenario: Scenario) => void) =>
  describe.skipIf(!available)(`${name}`, () => {
    const layer = Layer.effect(Box, make).pipe(Layer.provide(layerControlPlane), Layer.provideMerge(NodeServices.layer))
    const runtime = ManagedRuntime.make(layer)
    beforeAll(() => runtime.context(), 300_000)
    afterAll(() => runtime.dispose(), 60_000)
    tests((name, run, seconds = 120) =>
      it.live(
        name,
        () =>
          Effect.scoped(run).pipe(
            Effect.tapCause(() =>
              Effect.flatMap(Box, ({ kubelet }) => Console.error(kubelet.said.slice(-60).join("\n")))
            ),
            Effect.provide(Layer.effectContext(runtime.contextEffect))
          ),
        seconds * 1000
      )
    )
  })
