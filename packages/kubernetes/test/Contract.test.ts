import { Forbidden, KubernetesError, KubernetesMemory, layerMemory } from "@flyte-databricks/databricks-auth/Kubernetes"
import { Effect, Layer, Option } from "effect"
import { suite } from "./support/contract.ts"
import * as Emulated from "./support/emulated.ts"
import { TestCluster } from "./support/TestCluster.ts"

const reason = new Forbidden({ detail: "not in this test" })

const layerTestCluster = Layer.effect(
  TestCluster,
  Effect.map(KubernetesMemory, (memory) => ({
    ...memory,
    forbidSecret: (namespace: string, name: string) => memory.failSecret(namespace, name, reason),
    forbidServiceAccounts: (namespace: string) => memory.failServiceAccounts(namespace, Option.some(reason)),
    forbidTokens: () => memory.onTokenRequest(() => Effect.fail(new KubernetesError({ reason })))
  }))
)

suite("in memory", Layer.provideMerge(layerTestCluster, layerMemory()))
suite("the emulator over HTTP", Emulated.layer())
suite("the emulator over HTTPS", Emulated.layer({ tls: true }))
suite("the emulator, in a pod", Emulated.layerInPod)
