/** The image, under the manifests of the charts, in the place of Flyte's own connector and back. */
import { clone } from "@bufbuild/protobuf"
import { assert } from "@effect/vitest"
import { Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Config, Console, Duration, Effect, Fiber, FileSystem, Ref, Schedule } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { parse } from "yaml"
import { charts, root } from "../charts/support/helm.ts"
import { run } from "../support/commands.ts"
import type { FlyteClient } from "../support/FlyteClient.ts"
import { flyte2Requests } from "../support/flyte2Requests.ts"
import * as tasks from "../support/tasks.ts"
import { type Caller, connectFlyte2, versions } from "../support/versions.ts"
import { Box, connector, flyteOf, guide, inBox, pat, podEnv, secretOf, set, setJson } from "./support/Box.ts"
import { load } from "./support/load.ts"
import { workspaceName } from "./support/Machine.ts"

const flyte2 = grpcServiceDefinition(Flyte2.AsyncConnectorService)

/** How long the load lasts, and whether Flyte's Python connector gets it too; for measurements by hand. */
const loadConfig = Config.all({
  seconds: Config.Int("BOX_SECONDS").pipe(Config.withDefault(20)),
  withPeer: Config.Boolean("BOX_PEER").pipe(Config.withDefault(false))
})

const creators = Effect.gen(function* () {
  const { workspace } = yield* Box
  return (yield* workspace.runs).map(({ creator }) => creator)
})

const task = (namespace: string, execution: string) => tasks.createTask({ namespace, execution })

inBox("in a box with the limits of Flyte's charts", (scenario) => {
  scenario(
    "the image says what it is, holds neither a shell nor npm, and is the same when it is built again",
    Effect.gen(function* () {
      const { built } = yield* Box
      const files = yield* FileSystem.FileSystem
      const text = (file: string) => Effect.map(files.readFileString(`${root}${file}`), (read) => read.trim())
      const { version } = JSON.parse(yield* text("apps/connector/package.json"))
      const revision = (yield* run("git", ["-C", root, "rev-parse", "HEAD"])).trim()
      assert.strictEqual(built.labels["org.opencontainers.image.version"], version)
      assert.strictEqual(built.labels["org.opencontainers.image.revision"], revision)
      assert.deepInclude(parse(yield* text("deploy/helm/flyte-databricks-connector/Chart.yaml")), {
        appVersion: version
      })
      assert.deepInclude(built.image.user, { uid: 65532, gid: 65532 })
      const inside = new Set(yield* files.readDirectory(built.image.rootfs, { recursive: true }))
      const commands = ["usr/local/bin/node", ...["connector", "c0", "pyflyte"].map((name) => `usr/local/bin/${name}`)]
      const held = ["connector/main.js", "connector/sbom.cdx.json", "connector/THIRD-PARTY-NOTICES.txt"]
      assert.deepStrictEqual(
        [...commands, ...held].filter((file) => !inside.has(file)),
        []
      )
      const unwanted = [...inside].filter((file) => /(^|\/)(sh|dash|bash|npm|npx)$|node_modules|\.map$/.test(file))
      assert.deepStrictEqual(unwanted, [])
      assert.include(yield* run("bash", [`${root}tools/deploy/image.sh`, "--check"]), "the same layers")
    }),
    300
  )

  const flyte1 = versions.find(({ name }) => name === "Flyte 1") ?? assert.fail("no Flyte 1")
  for (const { name, chart, chartVersion, connect, file, image } of [
    {
      name: "Flyte 1",
      chart: charts.flyte1,
      chartVersion: "v0.1.10",
      connect: flyte1.connect,
      file: "flyte1-values.yaml",
      image: "/flyteagent:"
    },
    {
      name: "Flyte 2",
      chart: charts.flyte2,
      chartVersion: "v2.0.0",
      connect: (client: FlyteClient) => connectFlyte2(client, { databricks_token: pat.token }),
      file: "flyte2-values.yaml",
      image: "/flyte-connectors:"
    }
  ] as const) {
    scenario(
      `${name}'s chart: the guide's command puts the image into the place of Flyte's own connector and another takes it back, while a run is polled`,
      Effect.gen(function* () {
        const { caPem, hasPython, install, kubelet, type, values } = yield* Box
        if (!hasPython) return yield* Effect.logWarning("SKIPPED: there is no Python connector to swap with")
        const own = { FLYTE_DATABRICKS_INSTANCE: workspaceName, SSL_CERT_FILE: "/etc/secrets/ca.pem" }
        yield* install("flyteconnector", chart, [...secretOf(caPem), ...podEnv(0, own)])
        const deployment = yield* kubelet.deployment(connector.namespace, "flyteconnector")
        yield* deployment.rollOut
        const pods = yield* flyteOf(deployment.ready)
        const flyte = <A, E, R>(use: (caller: Caller, address: string) => Effect.Effect<A, E, R>) =>
          pods((client, address) => use(connect(client), address))
        const phase = (meta: Uint8Array) =>
          Effect.map(
            flyte((caller) => caller.getTask(meta)),
            (run) => run.phase
          )
        const runsBefore = (yield* creators).length

        // Of each chart's own: an attempt that was made before gets the run that it had.
        const task = (execution: string) => ({ namespace: "team", execution: `${execution}-${chartVersion}` })
        const begunBefore = yield* flyte((caller) => caller.createTask(task("before")))
        const waiting = yield* phase(begunBefore)
        assert.include(["INITIALIZING", "QUEUED"], waiting)
        const polls = yield* Ref.make<ReadonlyArray<{ readonly address: string; readonly answer: string }>>([])
        yield* flyte((caller, address) =>
          Effect.map(
            Effect.match(caller.getTask(begunBefore), {
              onFailure: ({ message }) => message,
              onSuccess: (run) => run.phase
            }),
            (answer) => ({ address, answer })
          )
        ).pipe(
          Effect.tap((poll) => Ref.update(polls, (all) => [...all, poll])),
          Effect.repeat(Schedule.spaced("100 millis")),
          Effect.forkScoped
        )

        const guided = guide(name, chart, chartVersion)
        assert.include(yield* type(guided.lookAtRelease), `flyteconnector-${chartVersion}`)
        assert.include(yield* type(guided.lookAtImage), image)
        assert.include(yield* type(guided.lookAtValues), "SSL_CERT_FILE")
        // What the release has in its list, and what the connector's image needs in place of it.
        yield* values(file, { FLYTE_DATABRICKS_CA_FILE: "/etc/secrets/ca.pem" })
        yield* type(guided.swap)
        yield* deployment.rollOut
        assert.include(yield* type(guided.rolledOut), "successfully rolled out")
        assert.lengthOf(deployment.pods(), 2)
        const ours = deployment.ready()
        const [{ container } = assert.fail("no pod")] = deployment.pods()
        assert.include(yield* container.exec("connector", "doctor"), "FLYTE_DATABRICKS_AUTH_TYPE")
        const begunMeanwhile = yield* flyte((caller) => caller.createTask(task("meanwhile")))
        assert.strictEqual(yield* phase(begunBefore), waiting)

        yield* type(guided.back)
        yield* deployment.rollOut
        assert.lengthOf(deployment.pods(), 1)
        assert.include(yield* type(guided.lookAtImage), image)
        assert.strictEqual(yield* phase(begunMeanwhile), waiting)
        yield* flyte((caller) => caller.deleteTask(begunMeanwhile))

        assert.deepStrictEqual((yield* creators).slice(runsBefore), [pat.user, pat.user])
        const answers = yield* Ref.get(polls)
        assert.isAbove(answers.length, 50)
        const failed = answers.filter(({ answer }) => answer !== waiting)
        assert.isBelow(failed.length, 6)
        assert.deepStrictEqual(
          failed.filter(({ address }) => ours.includes(address)),
          []
        )
        // Python's first, then two of ours, which drain and end by themselves.
        assert.deepStrictEqual(
          deployment.stopped.slice(1).map(({ exitCode, killed }) => [exitCode, killed]),
          [
            [0, false],
            [0, false]
          ]
        )
      }),
      240
    )
  }

  scenario(
    "Flyte 2's chart: a task of Flyte 2 runs as the pod's own ServiceAccount, whose token is rotated",
    Effect.gen(function* () {
      const { caPem, install, kubelet, values, workspace } = yield* Box
      const ca = { FLYTE_DATABRICKS_CA_FILE: "/etc/secrets/ca.pem" }
      yield* install("flyteconnector", charts.flyte2, [
        ...secretOf(caPem),
        ...(yield* values("flyte2-values.yaml")),
        ...(yield* values("flyte2-oidc-connector-values.yaml", ca))
      ])
      const deployment = yield* kubelet.deployment(connector.namespace, "flyteconnector")
      yield* deployment.rollOut
      const flyte = yield* flyteOf(deployment.ready)
      const [{ request } = assert.fail("no request")] = flyte2Requests
      let attempts = 0
      /** Another attempt of the task: the same one would get the run that it has. */
      const create = Effect.suspend(() => {
        const another = clone(Flyte2.CreateTaskRequestSchema, request)
        const id = another.taskExecutionMetadata?.taskExecutionId ?? assert.fail("no execution")
        id.retryAttempt = ++attempts
        return flyte((client) => client.call(flyte2.createTask, another))
      })
      const jwts = Effect.map(workspace.requests.all({ path: "/oidc/v1/token" }), (requests) =>
        requests.map(({ body }) => new URLSearchParams(body).get("subject_token"))
      )
      const [runsBefore, jwtsBefore] = [(yield* creators).length, (yield* jwts).length]
      // One for each replica.
      yield* Effect.all([create, create])
      assert.strictEqual((yield* jwts).length, jwtsBefore + 2)
      yield* Effect.forEach(deployment.pods(), ({ rotate }) => rotate)
      yield* workspace.revokeTokens()
      yield* Effect.all([create, create])
      const used = (yield* jwts).slice(jwtsBefore)
      assert.deepStrictEqual([used.length, new Set(used).size], [4, 4])
      assert.deepStrictEqual([...new Set((yield* creators).slice(runsBefore))], [connector.id])
    })
  )

  scenario(
    "its own chart: the API server takes all that it renders, namespaces are read by the rights that it gives, and helm test passes",
    Effect.gen(function* () {
      const { caPem, controlPlane, helm, image, install, kubelet, machine, policy, type, workspace } = yield* Box
      yield* controlPlane.createNamespace("team-federated")
      yield* controlPlane.createNamespace("team-pat")
      yield* controlPlane.createSecret(connector.namespace, "ca", { "ca.pem": caPem })
      yield* controlPlane.createSecret("team-pat", "databricks-token", { token: pat.token })
      yield* controlPlane.createServiceAccount("team-federated", "spark", {
        labels: { "flyte.org/databricks-enabled": "true" },
        annotations: { "flyte.org/databricks-client-id": "sp-of-team" }
      })
      yield* workspace.addServicePrincipal({
        applicationId: "sp-of-team",
        secrets: [],
        federationPolicies: [policy("system:serviceaccount:team-federated:spark")]
      })
      yield* install("connector", charts.own, [
        ...set(`image.repository=${image.repository},image.tag=${image.tag}`, `databricks.instance=${workspaceName}`),
        ...set("databricks.settings.FLYTE_DATABRICKS_CA_FILE=/etc/ca/ca.pem", "projectedToken.enabled=true"),
        ...set("allNamespaces={oauth_m2m}"),
        ...setJson("namespaces", [
          { namespace: "team-federated", mode: "oidc_federation", serviceAccount: "spark" },
          { namespace: "team-pat", mode: "oidc_federation" },
          { namespace: "team-pat", mode: "pat" }
        ]),
        ...setJson("extraVolumes", [{ name: "ca", secret: { secretName: "ca" } }]),
        ...setJson("extraVolumeMounts", [{ name: "ca", mountPath: "/etc/ca" }])
      ])
      const name = "connector-flyte-databricks-connector"
      const deployment = yield* kubelet.deployment(connector.namespace, name)
      yield* deployment.rollOut
      const flyte = yield* flyteOf(deployment.ready)
      const runsBefore = (yield* creators).length
      for (const namespace of ["team-federated", "team-pat"]) {
        yield* flyte((client) => client.createTask(task(namespace, namespace)))
      }
      assert.deepStrictEqual((yield* creators).slice(runsBefore), ["sp-of-team", pat.user])

      const [{ address } = assert.fail("no pod")] = deployment.pods()
      const metrics = yield* Effect.flatMap(HttpClient.get(`http://${address}:9090/metrics`), ({ text }) => text).pipe(
        Effect.provide(FetchHttpClient.layer)
      )
      assert.include(metrics, "flyte_connector_requests_success_total")

      const clusterIp = yield* kubelet.clusterIp(connector.namespace, "flyteconnector")
      yield* machine.service("flyteconnector.flyte", { clusterIp, port: 8000 }, deployment.ready)
      // What it printed is there to be pasted.
      const notes = yield* helm("get", "notes", "connector")
      const pasted = (start: string) =>
        [...notes.matchAll(new RegExp(`^ *(${start}.*)$`, "gm"))].map(([, line]) => line)
      const [issuer = assert.fail("no issuer")] = pasted("ISSUER=")
      assert.strictEqual((yield* type(`${issuer}; echo "$ISSUER"`)).trim(), controlPlane.url)
      const checks = pasted("kubectl auth can-i").map((line) => line?.replace("NAMESPACE", "team-pat"))
      assert.lengthOf(checks, 6)
      const answers = (yield* type(checks.join("\n"))).trim().split("\n")
      assert.deepStrictEqual(answers, Array(6).fill("yes"))
      assert.include(notes, '"subject": "system:serviceaccount:team-federated:spark"')

      const testing = yield* helm("test", "connector", "--timeout", "60s").pipe(Effect.forkScoped)
      const said = (yield* kubelet.runToTheEnd(connector.namespace, `${name}-doctor`)).join("\n")
      assert.match(said, /ok +port +flyteconnector\.flyte:8000 serves\./)
      assert.match(said, /team-federated +oidc_namespace +sp-of-team /)
      assert.match(said, /team-pat +pat .*ok\n/)
      assert.include(said, "\n0 errors, ")
      assert.include(yield* Fiber.join(testing), "Succeeded")
    })
  )

  for (const { chart, peer } of [
    { chart: charts.flyte2, peer: false },
    { chart: charts.flyte1, peer: true }
  ]) {
    scenario(
      `under load, ${peer ? "Flyte's Python connector beside it" : "it is not killed and every call is answered"}`,
      Effect.gen(function* () {
        const { seconds, withPeer } = yield* loadConfig
        if (peer && !withPeer) return
        const { caPem, install, kubelet, values } = yield* Box
        const file = peer ? [] : yield* values("flyte2-values.yaml")
        const own = { FLYTE_DATABRICKS_INSTANCE: workspaceName, FLYTE_DATABRICKS_AUTH_TYPE: "pat" }
        const trust = { FLYTE_DATABRICKS_CA_FILE: "/etc/secrets/ca.pem", SSL_CERT_FILE: "/etc/secrets/ca.pem" }
        yield* install("flyteconnector", chart, [
          ...file,
          ...secretOf(caPem),
          ...podEnv(0, { ...own, ...trust }),
          ...set("replicaCount=1", ...(peer ? ["image.tag=1.16.31"] : ["rbac.enabled=true"]))
        ])
        const deployment = yield* kubelet.deployment(connector.namespace, "flyteconnector")
        yield* deployment.rollOut
        const flyte = yield* flyteOf(deployment.ready)
        const [{ container } = assert.fail("no pod")] = deployment.pods()
        const atRest = yield* container.memory
        const { creates, polls } = yield* flyte((client) => load(client, Duration.seconds(seconds)))
        const [most, kills] = [yield* container.memory, yield* container.kills]
        const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 ** 2)} MiB`
        yield* Console.log(
          [
            `${peer ? "Python" : "This connector"} for ${seconds} s in 300Mi and 500m:`,
            ...Object.entries({ polls, creates }).map(
              ([name, { calls, errors, p50, p99 }]) =>
                `${calls} ${name}, p50 ${p50} ms, p99 ${p99} ms, ${errors.length} failed`
            ),
            `memory ${mebibytes(atRest)} at the start, ${mebibytes(most)} at most`
          ].join("\n  ")
        )
        assert.strictEqual(kills, 0)
        if (!peer) assert.deepStrictEqual([...polls.errors, ...creates.errors], [])
      }),
      900
    )
  }
})
