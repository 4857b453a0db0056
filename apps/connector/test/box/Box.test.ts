/** The image, under the manifests of the charts, in the place of Flyte's own connector and back. */
import { clone } from "@bufbuild/protobuf"
import { assert } from "@effect/vitest"
import { Flyte2, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Config, Console, Duration, Effect, Fiber, FileSystem, Ref, Schedule } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { parse } from "yaml"
import { charts, root } from "../charts/support/helm.ts"
import { run } from "../support/commands.ts"
import { phaseOf } from "../support/FlyteClient.ts"
import { flyte2Requests } from "../support/flyte2Requests.ts"
import * as tasks from "../support/tasks.ts"
import { Box, connector, flyteOf, inBox, pat, podEnv, secretOf, set, setJson, words } from "./support/Box.ts"
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

  scenario(
    "Flyte 1's chart: an upgrade puts the image into the place of Flyte's own connector and a rollback takes it back, while a run is polled",
    Effect.gen(function* () {
      const { caPem, hasPython, helm, install, kubelet, values } = yield* Box
      if (!hasPython) return yield* Effect.logWarning("SKIPPED: there is no Python connector to swap with")
      const own = podEnv(0, { FLYTE_DATABRICKS_INSTANCE: workspaceName, SSL_CERT_FILE: "/etc/secrets/ca.pem" })
      yield* install("flyteconnector", charts.flyte1, [...secretOf(caPem), ...own])
      const deployment = yield* kubelet.deployment(connector.namespace, "flyteconnector")
      yield* deployment.rollOut
      const flyte = yield* flyteOf(deployment.ready)
      const phase = (meta: Uint8Array) =>
        Effect.map(
          flyte((client) => client.getTask(meta)),
          phaseOf
        )

      const begunBefore = yield* flyte((client) => client.createTask(task("team", "begun-before")))
      const polls = yield* Ref.make<ReadonlyArray<{ readonly address: string; readonly answer: string }>>([])
      yield* flyte((client, address) =>
        Effect.map(
          Effect.match(client.getTask(begunBefore), { onFailure: ({ message }) => message, onSuccess: phaseOf }),
          (answer) => ({ address, answer })
        )
      ).pipe(
        Effect.tap((poll) => Ref.update(polls, (all) => [...all, poll])),
        Effect.repeat(Schedule.spaced("100 millis")),
        Effect.forkScoped
      )

      const swap = [
        ...(yield* values("flyte1-values.yaml", words)),
        ...podEnv(2, { SSL_CERT_FILE: "", FLYTE_DATABRICKS_CA_FILE: "/etc/secrets/ca.pem" })
      ]
      yield* helm("upgrade", "flyteconnector", charts.flyte1, "--reuse-values", ...swap)
      yield* deployment.rollOut
      assert.lengthOf(deployment.pods(), 2)
      const ours = deployment.ready()
      const begunMeanwhile = yield* flyte((client) => client.createTask(task("team", "begun-meanwhile")))
      assert.strictEqual(yield* phase(begunBefore), "INITIALIZING")

      yield* helm("rollback", "flyteconnector")
      yield* deployment.rollOut
      assert.lengthOf(deployment.pods(), 1)
      assert.strictEqual(yield* phase(begunMeanwhile), "INITIALIZING")
      yield* flyte((client) => client.deleteTask(begunMeanwhile))

      assert.deepStrictEqual(yield* creators, [pat.user, pat.user])
      const answers = yield* Ref.get(polls)
      assert.isAbove(answers.length, 50)
      const failed = answers.filter(({ answer }) => answer !== "INITIALIZING")
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

  scenario(
    "Flyte 2's chart: a task of Flyte 2 runs as the pod's own ServiceAccount, whose token is rotated",
    Effect.gen(function* () {
      const { caPem, install, kubelet, values, workspace } = yield* Box
      yield* install("flyteconnector", charts.flyte2, [
        ...secretOf(caPem),
        ...(yield* values("flyte2-values.yaml", words)),
        ...(yield* values("flyte2-oidc-connector-values.yaml", words)),
        ...podEnv(4, { FLYTE_DATABRICKS_CA_FILE: "/etc/secrets/ca.pem" })
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
      const { caPem, controlPlane, helm, image, install, kubelet, machine, policy, workspace } = yield* Box
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
        const file = peer ? [] : yield* values("flyte2-values.yaml", words)
        const own = { FLYTE_DATABRICKS_INSTANCE: workspaceName, FLYTE_DATABRICKS_AUTH_TYPE: "pat" }
        const trust = { FLYTE_DATABRICKS_CA_FILE: "/etc/secrets/ca.pem", SSL_CERT_FILE: "/etc/secrets/ca.pem" }
        yield* install("flyteconnector", chart, [
          ...file,
          ...secretOf(caPem),
          ...podEnv(0, { ...own, ...trust }),
          ...set("replicaCount=1")
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
