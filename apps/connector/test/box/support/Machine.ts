/**
 * A node of a cluster on this machine: a bridge to which each pod has a cable of its own, the addresses that pods expect
 * in a cluster, and a place for their files. All of it is gone when the scope closes.
 */
import type * as Certificates from "@flyte-databricks/emulators/Certificates"
import { Config, Console, Effect, FileSystem } from "effect"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { run } from "../../support/commands.ts"

const bridge = "flytebox0"

/** Where a pod finds the API server: the first address of the Services, which is in the server's certificate. */
export const kubernetesHost = "10.0.0.1"
const workspaceHost = "10.0.2.1"

/** The workspace's name, which pods resolve by their hosts file; Flyte 2's recorded requests have it too. */
export const workspaceName = "dbc-a1b2.cloud.databricks.com"

/** Whether this machine lets containers be made, for tests that are skipped without them, aloud; with `CI=true` it fails. */
export const isAvailable = Effect.gen(function* () {
  const looks = Effect.gen(function* () {
    yield* run("runc", ["--version"])
    yield* run("buildah", ["--version"])
    yield* run("sh", ["-c", "ip netns list && test -w /sys/fs/cgroup/memory || test -w /sys/fs/cgroup/cgroup.procs"])
  })
  const ci = yield* Config.Boolean("CI").pipe(Config.withDefault(false))
  return yield* looks.pipe(
    Effect.as(true),
    Effect.catch((error) =>
      ci
        ? Effect.fail(error)
        : Effect.as(
            Console.warn(`SKIPPED: no containers here. Run npm run setup:deploy as root. ${error.message}`),
            false
          )
    )
  )
})

/** The process that has the box: its addresses are there once on a machine. */
const ownerFile = "/run/flytebox.pid"

// What a run that was killed leaves: processes, networks, mounts.
const sweep = `
for procs in /sys/fs/cgroup/*/flytebox/*/cgroup.procs /sys/fs/cgroup/flytebox/*/cgroup.procs; do
  [ -e "$procs" ] && xargs -r kill -9 <"$procs"
done
ip netns list | sed -n 's/^\\(flytebox-[0-9]*\\).*/\\1/p' | xargs -r -n1 ip netns del
ip link show ${bridge} && ip link del ${bridge}
awk '$2 ~ "^/tmp/box-" { print $2 }' /proc/mounts | sort -r | xargs -r umount --lazy
find /sys/fs/cgroup -depth -type d -path '*/flytebox/*' -exec rmdir {} + 2>/dev/null
true`

const owned = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const owner = yield* Effect.orElseSucceed(files.readFileString(ownerFile), () => "")
  if (owner !== "" && (yield* files.exists(`/proc/${owner}`))) {
    return yield* Effect.die(`another box is under way on this machine, of process ${owner}`)
  }
  yield* run("sh", ["-c", sweep])
  yield* files.writeFileString(ownerFile, String(process.pid))
  yield* Effect.addFinalizer(() => Effect.ignore(files.remove(ownerFile)))
})

const listen = (server: Net.Server, host: string, port: number) =>
  Effect.acquireRelease(
    Effect.callback<void, Error>((resume) => {
      server.once("error", (error) => resume(Effect.fail(error)))
      server.listen(port, host, () => resume(Effect.void))
    }),
    () => Effect.sync(() => server.close())
  ).pipe(Effect.orDie)

const joined = (target: () => Net.Socket) => (client: Net.Socket) => {
  const upstream = target()
  client.on("error", () => upstream.destroy())
  upstream.on("error", () => client.destroy())
  client.once("close", () => upstream.destroy())
  upstream.once("close", () => client.destroy())
  client.pipe(upstream).pipe(client)
}

const loopback = (url: string) => () => Net.connect(Number(new URL(url).port), "127.0.0.1")

/** Makes the node; both servers listen on loopback, where no pod can reach them by itself. */
export const make = Effect.fnUntraced(function* (options: {
  readonly apiServer: string
  readonly workspace: string
  readonly certificate: Certificates.ServerCertificate
}) {
  const files = yield* FileSystem.FileSystem
  yield* owned
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "box-" })
  // A file system of its own: the overlay of a pod whose image is this machine's root may not lie inside that root.
  yield* Effect.acquireRelease(run("mount", ["-t", "tmpfs", "box", directory]), () =>
    Effect.ignore(run("umount", ["--lazy", directory]))
  )
  // By itself a bridge takes the address of one of its ports, which come and go, and pods would be left with an old one.
  yield* Effect.acquireRelease(
    run("ip", ["link", "add", bridge, "address", "02:00:00:00:00:01", "type", "bridge"]),
    () => Effect.ignore(run("ip", ["link", "del", bridge]))
  )
  const own = (address: string) => run("ip", ["addr", "add", address, "dev", bridge])
  yield* own(`${kubernetesHost}/16`)
  yield* own(`${workspaceHost}/16`)
  yield* run("ip", ["link", "set", bridge, "up"])

  yield* listen(Net.createServer(joined(loopback(options.apiServer))), kubernetesHost, 443)
  // It ends TLS: the workspace itself has no name but loopback's.
  const { certificatePem: cert, privateKeyPem: key } = options.certificate
  yield* listen(Tls.createServer({ cert, key }, joined(loopback(options.workspace))), workspaceHost, 443)

  let pods = 0
  const services = new Map<string, string>()
  return {
    directory,
    /** The lines of a pod's hosts file. */
    hosts: () =>
      [["127.0.0.1", "localhost"], [workspaceHost, workspaceName], ...[...services].map(([name, ip]) => [ip, name])]
        .map((line) => line.join(" "))
        .join("\n") + "\n",

    /** A network for a pod, and its address there. */
    network: Effect.gen(function* () {
      const name = `flytebox-${++pods}`
      const address = `10.0.1.${pods}`
      yield* Effect.acquireRelease(run("ip", ["netns", "add", name]), () =>
        Effect.ignore(run("ip", ["netns", "del", name]))
      )
      yield* run("ip", ["link", "add", `${name}h`, "type", "veth", "peer", "name", "eth0", "netns", name])
      yield* run("ip", ["link", "set", `${name}h`, "master", bridge, "up"])
      yield* run("ip", ["-n", name, "addr", "add", `${address}/16`, "dev", "eth0"])
      yield* run("ip", ["-n", name, "link", "set", "eth0", "up"])
      yield* run("ip", ["-n", name, "link", "set", "lo", "up"])
      return { path: `/run/netns/${name}`, address }
    }),

    /** A Service: its cluster IP leads to one of the ready pods. */
    service: Effect.fnUntraced(function* (
      name: string,
      { clusterIp, port }: { readonly clusterIp: string; readonly port: number },
      ready: () => ReadonlyArray<string>
    ) {
      services.set(name, clusterIp)
      yield* own(`${clusterIp}/16`)
      let next = 0
      const pod = () => {
        const addresses = ready()
        return addresses[next++ % addresses.length] ?? "127.0.0.1"
      }
      yield* listen(Net.createServer(joined(() => Net.connect(port, pod()))), clusterIp, port)
    })
  }
})

export type Machine = Effect.Success<ReturnType<typeof make>>
