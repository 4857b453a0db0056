/**
 * What a kubelet and the Deployment controller do, as far as a connector notices: the pod's volumes and tokens, its
 * container, the probe that makes it ready, the signal that ends it, and new pods before old ones in a rollout.
 */
import { ControlPlane } from "@flyte-databricks/kubernetes/testing/ControlPlane"
import * as ApiClient from "@flyte-databricks/kubernetes/testing/controlPlane/ApiClient"
import { Clock, Duration, Effect, Exit, FileSystem, Redacted, Schedule, Schema, Scope } from "effect"
import * as FlyteClient from "../../support/FlyteClient.ts"
import * as Container from "./Container.ts"
import type { Image } from "./Images.ts"
import type { Machine } from "./Machine.ts"
import { kubernetesHost } from "./Machine.ts"
import {
  bytesOf,
  deployed,
  Pod as ManifestOfPod,
  type PodSpec,
  podSpec,
  processorsOf,
  Service
} from "../../support/pods.ts"

/** What a runtime leaves to a container that drops nothing. */
const usualCapabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID", "NET_BIND_SERVICE"].map(
  (name) => `CAP_${name}`
)

const Secret = Schema.Struct({ data: Schema.optional(Schema.Record(Schema.String, Schema.String)) })

/** A pod that runs. */
export interface Pod {
  readonly address: string
  readonly container: Container.Container
  /** Puts new tokens into its volumes, as is done before the old ones end. */
  readonly rotate: Effect.Effect<void, unknown>
  /** Tells it to stop and waits as long as it has; whether it ended by itself, and how. */
  readonly stop: Effect.Effect<{
    readonly exitCode: number
    readonly took: Duration.Duration
    readonly killed: boolean
  }>
}

export const make = Effect.fnUntraced(function* (machine: Machine, imageOf: (name: string) => Image | undefined) {
  const controlPlane = yield* ControlPlane
  const files = yield* FileSystem.FileSystem
  const api = yield* ApiClient.make({
    url: controlPlane.url,
    caPem: controlPlane.caPem,
    token: controlPlane.adminToken
  })
  const get = <A>(path: string, schema: Schema.Codec<A, unknown>) => api.ask({ method: "GET", path }, schema)
  const secret = (namespace: string, name: string) =>
    Effect.map(get(`/api/v1/namespaces/${namespace}/secrets/${name}`, Secret), ({ data = {} }) =>
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()] as const)
    )

  let started = 0
  const said: Array<string> = []
  /** Starts a pod of this specification; it is killed when the scope closes. */
  const run = Effect.fnUntraced(function* (namespace: string, spec: PodSpec) {
    const [container] = spec.containers
    const image = imageOf(container.image)
    if (image === undefined) return yield* Effect.die(`there is no image ${container.image}`)
    const id = `pod-${++started}`
    const directory = `${machine.directory}/${id}`
    yield* files.makeDirectory(directory)
    const security = spec.securityContext ?? {}
    const user = { uid: security.runAsUser ?? image.user.uid, gid: security.runAsGroup ?? image.user.gid }
    if (security.runAsNonRoot && user.uid === 0) return yield* Effect.die(`${container.image} would run as root`)
    const account = { namespace, name: spec.serviceAccountName ?? "default" }

    // Of root's, and readable to who the container runs as by its group alone.
    const write = Effect.fnUntraced(function* (file: string, text: string, mode: number) {
      yield* files.writeFileString(`${file}.new`, text)
      yield* files.chown(`${file}.new`, 0, security.fsGroup ?? 0)
      yield* files.chmod(`${file}.new`, mode)
      // Nobody ever reads half of it.
      yield* files.rename(`${file}.new`, file)
    })
    const folder = Effect.fnUntraced(function* (name: string) {
      yield* files.makeDirectory(`${directory}/volumes/${name}`, { recursive: true })
      return `${directory}/volumes/${name}`
    })
    const token = (audiences: ReadonlyArray<string>, expirationSeconds: number) =>
      Effect.map(controlPlane.tokenFor(account, { audiences, expirationSeconds }), Redacted.value)

    const mounts: Array<{ readonly source: string; readonly destination: string }> = []
    const rotations: Array<Effect.Effect<void, unknown>> = []
    for (const { name, projected, secret: fromSecret } of spec.volumes ?? []) {
      const source = yield* folder(name)
      for (const { serviceAccountToken: wanted } of projected?.sources ?? []) {
        const project = Effect.flatMap(token([wanted.audience], wanted.expirationSeconds), (text) =>
          write(`${source}/${wanted.path}`, text, security.fsGroup === undefined ? 0o644 : 0o640)
        )
        yield* project
        rotations.push(project)
      }
      if (fromSecret !== undefined) {
        for (const [key, text] of yield* secret(namespace, fromSecret.secretName)) {
          yield* write(`${source}/${key}`, text, 0o644)
        }
      }
      for (const mount of container.volumeMounts ?? []) {
        if (mount.name === name) mounts.push({ source, destination: mount.mountPath })
      }
    }
    if (spec.automountServiceAccountToken !== false) {
      const source = yield* folder("kube-api-access")
      yield* write(`${source}/token`, yield* token([], 3607), 0o644)
      yield* write(`${source}/ca.crt`, controlPlane.caPem, 0o644)
      yield* write(`${source}/namespace`, namespace, 0o644)
      mounts.push({ source, destination: "/var/run/secrets/kubernetes.io/serviceaccount" })
    }

    const env: Record<string, string> = {
      ...image.env,
      HOSTNAME: id,
      KUBERNETES_SERVICE_HOST: kubernetesHost,
      KUBERNETES_SERVICE_PORT: "443"
    }
    for (const { name, value, valueFrom } of container.env ?? []) {
      const from = valueFrom?.secretKeyRef
      const found =
        from === undefined ? value : (yield* secret(namespace, from.name)).find(([key]) => key === from.key)?.[1]
      if (found !== undefined) env[name] = found
    }

    const network = yield* machine.network
    const limits = container.resources.limits ?? {}
    const running = yield* Container.start({
      id,
      directory,
      rootfs: image.rootfs,
      readOnlyRoot: container.securityContext?.readOnlyRootFilesystem ?? false,
      args: [
        ...(container.command ?? image.entrypoint),
        ...(container.args ?? (container.command ? [] : image.command))
      ],
      env,
      user: { ...user, additionalGids: security.fsGroup === undefined ? [] : [security.fsGroup] },
      capabilities: container.securityContext?.capabilities === undefined ? usualCapabilities : [],
      noNewPrivileges: container.securityContext?.allowPrivilegeEscalation === false,
      mounts,
      hosts: machine.hosts(),
      network: network.path,
      said,
      memory: bytesOf(limits["memory"] ?? "1Gi"),
      processors: processorsOf(limits["cpu"] ?? "2")
    })
    const grace = Duration.seconds(spec.terminationGracePeriodSeconds ?? 30)
    const pod: Pod = {
      address: network.address,
      container: running,
      rotate: Effect.all(rotations, { discard: true }),
      stop: Effect.gen(function* () {
        const begun = yield* Clock.currentTimeMillis
        yield* running.kill("TERM")
        const ended = yield* Effect.timeoutOption(running.exitCode, grace)
        if (ended._tag === "None") yield* running.kill("KILL")
        const exitCode = yield* running.exitCode
        const took = Duration.millis((yield* Clock.currentTimeMillis) - begun)
        return { exitCode, took, killed: ended._tag === "None" }
      })
    }
    return pod
  })

  /** Probes it until it is ready; what it said, if it ends or takes too long. */
  const untilReady = Effect.fnUntraced(function* (pod: Pod, spec: PodSpec) {
    const probe = spec.containers[0].readinessProbe
    if (probe === undefined) return
    const port = probe.grpc.port
    const serving = Effect.scoped(
      Effect.flatMap(FlyteClient.make(`${pod.address}:${port}`, []), (client) =>
        client.health(probe.grpc.service ?? "")
      )
    )
    yield* Effect.raceFirst(
      Effect.orElseSucceed(serving, () => "NOT REACHED").pipe(
        Effect.delay(Duration.seconds(probe.initialDelaySeconds ?? 0)),
        Effect.repeat({
          until: (status) => status === "SERVING",
          schedule: Schedule.spaced(probe.periodSeconds * 250)
        }),
        Effect.timeout("90 seconds")
      ),
      Effect.flatMap(pod.container.exitCode, (code) => Effect.fail(`it ended with ${code}`))
    ).pipe(Effect.mapError((error) => new Error(`a pod is not ready: ${error}\n${pod.container.lines.join("\n")}`)))
  })

  return {
    /** What all containers wrote, oldest first. */
    said,
    /** Waits for a pod that somebody made, runs it to its end, and says how that was. */
    runToTheEnd: Effect.fnUntraced(function* (namespace: string, name: string) {
      const path = `/api/v1/namespaces/${namespace}/pods/${name}`
      const { spec } = yield* get(path, ManifestOfPod).pipe(
        Effect.retry({ schedule: Schedule.spaced("100 millis"), times: 100 })
      )
      const pod = yield* run(namespace, yield* podSpec(spec))
      const exitCode = yield* pod.container.exitCode
      const phase = exitCode === 0 ? "Succeeded" : "Failed"
      yield* api.call({
        method: "PATCH",
        path: `${path}/status`,
        contentType: "application/merge-patch+json",
        body: { status: { phase } }
      })
      return pod.container.lines
    }, Effect.scoped),
    /** The address that the API server gave a Service. */
    clusterIp: (namespace: string, name: string) =>
      Effect.map(get(`/api/v1/namespaces/${namespace}/services/${name}`, Service), ({ spec }) => spec.clusterIP),
    /** Pods for a Deployment, of which there are none yet. */
    deployment: Effect.fnUntraced(function* (namespace: string, name: string) {
      const outer = yield* Effect.scope
      let pods: ReadonlyArray<Pod & { readonly scope: Scope.Closeable }> = []
      const stopped: Array<Effect.Success<Pod["stop"]>> = []
      /** Makes the pods those of the Deployment as it is now: each new one is ready before an old one is told to stop. */
      const rollOut = Effect.gen(function* () {
        const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`
        const { generation, replicas, spec } = yield* deployed(yield* get(path, Schema.Unknown))
        const old = [...pods]
        const steps = Math.max(replicas, old.length)
        for (let step = 0; step < steps; step++) {
          if (step < replicas) {
            const scope = yield* Scope.fork(outer)
            const pod = yield* run(namespace, spec).pipe(Scope.provide(scope))
            yield* untilReady(pod, spec)
            pods = [...pods, { ...pod, scope }]
          }
          const leaving = old.shift()
          if (leaving === undefined) continue
          pods = pods.filter((pod) => pod !== leaving)
          stopped.push(yield* leaving.stop)
          yield* Scope.close(leaving.scope, Exit.void)
        }
        const [updatedReplicas, readyReplicas, availableReplicas] = [replicas, replicas, replicas]
        yield* api.call({
          method: "PATCH",
          path: `${path}/status`,
          contentType: "application/merge-patch+json",
          body: {
            status: { observedGeneration: generation, replicas, updatedReplicas, readyReplicas, availableReplicas }
          }
        })
      })
      return {
        rollOut,
        pods: (): ReadonlyArray<Pod> => pods,
        ready: () => pods.map(({ address }) => address),
        /** How those ended that were told to stop. */
        stopped
      }
    })
  }
})
