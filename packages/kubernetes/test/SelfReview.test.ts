/** What a caller asks about itself, of the stand-in and of a real API server. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { KubernetesApi } from "@flyte-databricks/emulators"
import { SelfReview } from "@flyte-databricks/kubernetes"
import { ControlPlane, isAvailable, layer as controlPlane } from "@flyte-databricks/kubernetes/testing/ControlPlane"
import { ConfigProvider, Context, Effect, Layer, Option } from "effect"
import { temporaryFile } from "./support/emulated.ts"

const account = { namespace: "flyte", name: "reviewer" }
const username = `system:serviceaccount:${account.namespace}:${account.name}`

const reviewOf = (KUBECONFIG: string) =>
  Layer.build(
    SelfReview.layerConfig.pipe(
      Layer.provide([ConfigProvider.layer(ConfigProvider.fromEnv({ env: { KUBECONFIG } })), NodeServices.layer])
    )
  ).pipe(Effect.flatMap((context) => Effect.fromOption(Context.get(context, SelfReview.SelfReviews))))

/** One right by its name, and no other. */
const holds = Effect.fnUntraced(function* (review: SelfReview.SelfReview, issuer: string) {
  assert.match(yield* review.version, /^v1\.\d+/)
  assert.strictEqual(yield* review.whoAmI, username)
  const mayI = (right: Partial<SelfReview.Right>) =>
    review.mayI({ verb: "get", resource: "secrets", namespace: "team-a", name: "databricks-token", ...right })
  assert.isTrue(yield* mayI({}))
  assert.isFalse(yield* mayI({ name: "other" }))
  assert.isFalse(yield* mayI({ name: undefined }))
  assert.isFalse(yield* mayI({ namespace: undefined }))
  assert.isFalse(yield* mayI({ verb: "list" }))
  assert.isTrue(yield* mayI({ verb: "create", resource: "serviceaccounts/token", name: "databricks" }))
  assert.isFalse(yield* mayI({ verb: "create", resource: "serviceaccounts", name: "databricks" }))
  const refused = yield* Effect.flip(review.listNamespaces)
  assert.strictEqual(refused.reason._tag, "Forbidden")
  assert.deepStrictEqual(yield* review.issuer, Option.some(issuer))
})

describe("SelfReview", () => {
  it.live("says who the caller of the stand-in is, and what it may do", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.make({
        tls: true,
        username,
        rules: [
          {
            effect: "allow",
            verbs: ["get"],
            resources: ["secrets"],
            names: ["databricks-token"],
            namespaces: ["team-a"]
          },
          { effect: "allow", verbs: ["create"], resources: ["serviceaccounts/token"], names: ["databricks"] }
        ]
      })
      yield* holds(yield* reviewOf(yield* temporaryFile("kubeconfig", api.kubeconfig)), api.issuer)
      yield* api.setRules([{ effect: "allow" }])
      yield* api.setServiceAccount({ namespace: "team-b", name: "x" })
      const review = yield* reviewOf(yield* temporaryFile("kubeconfig", api.kubeconfig))
      assert.deepStrictEqual(yield* review.listNamespaces, ["team-b"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("has nothing to ask where no cluster is configured", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* SelfReview.SelfReviews, Option.none())
    }).pipe(
      Effect.provide(
        SelfReview.layerConfig.pipe(
          Layer.provide([ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })), NodeServices.layer])
        )
      )
    )
  )
})

const available = await Effect.runPromise(Effect.provide(isAvailable, NodeServices.layer))

describe.skipIf(!available)("SelfReview on kube-apiserver", () => {
  it.live(
    "says the same",
    () =>
      Effect.gen(function* () {
        const cluster = yield* ControlPlane
        yield* cluster.createNamespace(account.namespace)
        yield* cluster.createNamespace("team-a")
        yield* cluster.createServiceAccount(account.namespace, account.name)
        const rules = [
          { apiGroups: [""], resources: ["secrets"], resourceNames: ["databricks-token"], verbs: ["get"] },
          { apiGroups: [""], resources: ["serviceaccounts/token"], resourceNames: ["databricks"], verbs: ["create"] }
        ]
        yield* cluster.grant(account, rules, "team-a")
        const review = yield* reviewOf(yield* cluster.kubeconfigFor(account))
        yield* holds(review, cluster.url)
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(controlPlane, NodeServices.layer))),
    150_000
  )
})
