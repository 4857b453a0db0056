import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude, assertNone, assertSome } from "@effect/vitest/utils"
import { ConfigProvider, Effect, FileSystem, Layer, Path, PlatformError } from "effect"
import { ClusterConfig } from "@flyte-databricks/kubernetes"

const tokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"
const homeFile = "/home/ann/.kube/config"
const pod = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "6443" }
const home = { HOME: "/home/ann" }

const denied = (path: string) =>
  PlatformError.systemError({
    _tag: "PermissionDenied",
    module: "FileSystem",
    method: "access",
    pathOrDescriptor: path
  })

/** Locates the cluster in this environment, on a disk with these files and these that may not be looked at. */
const locate = (env: Record<string, string>, files: ReadonlyArray<string> = [], locked: ReadonlyArray<string> = []) =>
  ClusterConfig.locate.pipe(
    Effect.provide(
      Layer.mergeAll(
        ConfigProvider.layer(ConfigProvider.fromEnv({ env })),
        FileSystem.layerNoop({
          exists: (path) => (locked.includes(path) ? Effect.fail(denied(path)) : Effect.succeed(files.includes(path)))
        }),
        Path.layer
      )
    )
  )

const inCluster = (server: string) =>
  ClusterConfig.InCluster({ server, directory: ClusterConfig.serviceAccountDirectory })
const kubeconfig = (...files: Array<string>) => ClusterConfig.Kubeconfig({ files, namedBy: "KUBECONFIG" })
const atHome = ClusterConfig.Kubeconfig({ files: [homeFile], namedBy: "the default place" })

describe("the cluster", () => {
  it.effect("is none where nothing is configured", () =>
    Effect.gen(function* () {
      assertNone(yield* locate({}))
      assertNone(yield* locate(home))
    })
  )

  it.effect("is the one that KUBECONFIG names, before the pod's own and the one at home", () =>
    Effect.gen(function* () {
      assertSome(
        yield* locate({ ...pod, ...home, KUBECONFIG: "/etc/kc" }, [tokenFile, homeFile]),
        kubeconfig("/etc/kc")
      )
    })
  )

  it.effect("is the one that KUBECONFIG names also where that file does not exist, so that loading it says so", () =>
    Effect.gen(function* () {
      assertSome(yield* locate({ KUBECONFIG: "/missing" }), kubeconfig("/missing"))
    })
  )

  it.effect("may be spread over several files", () =>
    Effect.gen(function* () {
      assertSome(yield* locate({ KUBECONFIG: "/a: /b ::" }), kubeconfig("/a", "/b"))
    })
  )

  it.effect("is the pod's own before the one at home", () =>
    Effect.gen(function* () {
      assertSome(yield* locate({ ...pod, ...home }, [tokenFile, homeFile]), inCluster("https://10.0.0.1:6443"))
    })
  )

  it.effect("is the pod's own on port 443 where the environment names none, and at IPv6 addresses too", () =>
    Effect.gen(function* () {
      assertSome(yield* locate({ KUBERNETES_SERVICE_HOST: "fd00::1" }, [tokenFile]), inCluster("https://[fd00::1]:443"))
    })
  )

  it.effect("is not the pod's own without a mounted token, nor without the API server's address", () =>
    Effect.gen(function* () {
      assertNone(yield* locate(pod))
      assertNone(yield* locate({}, [tokenFile]))
      assertSome(yield* locate({ ...pod, ...home }, [homeFile]), atHome)
    })
  )

  it.effect("is an error where the mounted token may not be looked at", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(locate(pod, [], [tokenFile]))
      assertEquals(error._tag, "KubernetesConfigError")
      assertInclude(error.message, `${tokenFile} cannot be looked at (PermissionDenied)`)
    })
  )

  it.effect("is the one at home before none, unless that home is closed to us", () =>
    Effect.gen(function* () {
      assertSome(yield* locate(home, [homeFile]), atHome)
      assertNone(yield* locate(home, [], [homeFile]))
    })
  )

  it.effect("takes blank variables as unset", () =>
    Effect.gen(function* () {
      const blank = { KUBECONFIG: " ", KUBERNETES_SERVICE_HOST: " ", HOME: "" }
      assertNone(yield* locate(blank, [tokenFile]))
      assertNone(yield* locate({ KUBECONFIG: ":" }))
    })
  )
})
