/** `onboard` prints what deploy/ has, with this cluster's values, and nothing that a shell would misread. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { parseAllDocuments } from "yaml"
import * as commands from "@flyte-databricks/databricks-auth/DatabricksCli"
import * as Onboard from "../../src/diagnose/Onboard.ts"
import * as Docs from "../support/docs.ts"
import { onBench, principals } from "./Bench.ts"

const modes = { oidc: "oidc-namespace", m2m: "oauth-m2m", pat: "pat" } as const
const brought = { oidc: "serviceaccount", m2m: "secret", pat: "secret" } as const

const documents = (text: string) => parseAllDocuments(text).map((document) => document.toJS())

const values = (mode: Onboard.Mode): Onboard.Values => ({
  namespace: "NAMESPACE",
  mode,
  applicationId: "APPLICATION_ID",
  issuer: "https://ISSUER",
  audience: "databricks",
  instance: "https://INSTANCE",
  tokenSecretName: "databricks-token",
  oauthSecretName: "databricks-oauth",
  connector: { namespace: "flyte", name: "flyteconnector" }
})

describe("onboard", () => {
  it.live(
    "prints commands and manifests with the values of the cluster",
    onBench(({ goldenText, run, kubernetes }) =>
      Effect.gen(function* () {
        for (const mode of Onboard.modes) {
          const args = ["onboard", "team-new", "--mode", mode, "--service-principal", principals.team]
          yield* goldenText(`onboard-${mode}`, args)
          yield* goldenText(`onboard-${mode}.yaml`, [...args, "-o", "yaml"])
        }
        // Nothing was changed: only questions were asked.
        const asked = yield* kubernetes.requests.all()
        assert.deepStrictEqual([...new Set(asked.map(({ method, path }) => `${method} ${path}`))].toSorted(), [
          "GET /.well-known/openid-configuration",
          "POST /apis/authentication.k8s.io/v1/selfsubjectreviews"
        ])
        for (const wrong of [["Team_A"], ["a;rm"], ["team-a", "--service-principal", "$(id)"]]) {
          const { exitCode } = yield* run(["onboard", ...wrong, "--mode", "pat"])
          assert.strictEqual(exitCode, 3, wrong.join(" "))
        }
      })
    ),
    60_000
  )

  it("has the objects of deploy/, for each mode", () => {
    for (const mode of Onboard.modes) {
      const files = [
        `deploy/examples/${modes[mode]}/${brought[mode]}.yaml`,
        `deploy/rbac/${modes[mode]}/per-namespace.yaml`
      ]
      const expected = files
        .flatMap((file) => documents(Docs.read(file)))
        .map((object) => ({ ...object, metadata: { ...object.metadata, namespace: "NAMESPACE" } }))
      const made = Onboard.objects(values(mode))
      const withoutType = (all: ReadonlyArray<object>) => all.map((object) => ({ ...object, type: undefined }))
      assert.deepStrictEqual(withoutType(made), withoutType(expected), mode)
      assert.deepStrictEqual(documents(Onboard.toYaml(values(mode))), made as never)
    }
    const policy = JSON.parse(Docs.read("deploy/examples/oidc-namespace/federation-policy.json"))
    assert.deepStrictEqual(Onboard.policy(values("oidc")), policy)
  })
})

describe("a command to paste", () => {
  it("holds foreign text as one word", () => {
    assert.strictEqual(commands.quoted("a-b.c"), "a-b.c")
    assert.strictEqual(commands.quoted("a'; rm -rf / #"), `'a'\\''; rm -rf / #'`)
    assert.strictEqual(commands.quoted("$(id)"), "'$(id)'")
  })
})
