import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { DatabricksWorkspace, Fault, KubernetesApi } from "../../src/index.ts"
import type { FaultAction } from "../../src/Faults.ts"
import { applicationId, type Api, aud, exchange, sub, withFederation, type Workspace } from "../support/federation.ts"

const discovery = "/.well-known/openid-configuration"
const jwks = "/openid/v1/jwks"

const status = ({ api, workspace }: { readonly api: Api; readonly workspace: Workspace }) =>
  Effect.map(
    Effect.flatMap(api.mintToken({ sub, aud }), (token) => exchange(workspace, token)),
    ({ status }) => status
  )

const paths = (api: Api) => Effect.map(api.requests.all(), (all) => all.map(({ path }) => path))

describe("the keys of an issuer", () => {
  it.effect("are found by its discovery document, anew for each exchange", () =>
    withFederation(
      Effect.fnUntraced(function* (world) {
        assert.strictEqual(yield* status(world), 200)
        assert.deepStrictEqual(yield* paths(world.api), [discovery, jwks])
        const old = yield* world.api.mintToken({ sub, aud })
        yield* world.api.rotateSigningKey()
        assert.strictEqual(yield* status(world), 200)
        assert.strictEqual((yield* exchange(world.workspace, old)).status, 200)
        yield* world.api.rotateSigningKey({ withdraw: true })
        assert.strictEqual((yield* exchange(world.workspace, old)).status, 400)
        assert.strictEqual(yield* status(world), 200)
      })
    )
  )

  it.effect("are at the policy's own address", () =>
    withFederation(
      Effect.fnUntraced(function* (world) {
        assert.strictEqual(yield* status(world), 200)
        assert.deepStrictEqual(yield* paths(world.api), [jwks])
      }),
      {
        api: { issuer: "https://oidc.example.com/id/1" },
        policy: ({ url }) => Effect.succeed({ jwksUri: `${url}/openid/v1/jwks` })
      }
    )
  )

  it.effect("are in the policy itself, and then nothing is fetched", () =>
    withFederation(
      Effect.fnUntraced(function* (world) {
        assert.strictEqual(yield* status(world), 200)
        assert.deepStrictEqual(yield* paths(world.api), [])
        yield* world.api.rotateSigningKey()
        assert.strictEqual(yield* status(world), 400)
      }),
      { policy: ({ jwks }) => Effect.map(jwks, (keys) => ({ jwksJson: JSON.stringify(keys) })) }
    )
  )

  it.effect("are not fetched for a token that no policy is about", () =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        const token = yield* api.mintToken({ sub: "other", aud })
        assert.strictEqual((yield* exchange(workspace, token)).status, 400)
        assert.deepStrictEqual(yield* paths(api), [])
      })
    )
  )

  it.effect("come over HTTPS from an issuer whose authority the workspace trusts", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.make({ tls: true, signingAlgorithm: "ES256" })
      const policy = { issuer: api.issuer, subject: sub, audiences: aud }
      const workspace = yield* DatabricksWorkspace.make({
        servicePrincipals: [{ applicationId, federationPolicies: [policy] }]
      })
      assert.match(api.issuer, /^https:/)
      assert.strictEqual(yield* status({ api, workspace }), 400)
      assert.match(`${(yield* workspace.refusals)[0]?.reason}`, /policy-1: https:\/\/127\.0\.0\.1:\d+\/\.well-known/)
      yield* workspace.trustCa(api.caPem ?? "")
      assert.strictEqual(yield* status({ api, workspace }), 200)
      const other = yield* DatabricksWorkspace.make({
        servicePrincipals: [{ applicationId, federationPolicies: [policy] }],
        trustedCas: [api.caPem ?? ""]
      })
      assert.strictEqual(yield* status({ api, workspace: other }), 200)
    })
  )

  const failures: ReadonlyArray<readonly [name: string, path: string, action: FaultAction, reason: RegExp]> = [
    ["an error", discovery, Fault.status(503), /openid-configuration: .*503/],
    ["an error for the keys", jwks, Fault.status(404), /jwks: .*404/],
    ["a redirect", discovery, Fault.status(302, { headers: { location: "/x" } }), /openid-configuration: .*302/],
    ["a dead connection", discovery, Fault.connectionReset, /openid-configuration: /],
    ["a login page", discovery, Fault.html(), /openid-configuration: /],
    ["a document without keys", discovery, Fault.json({ issuer: "x" }), /openid-configuration: .*jwks_uri/s],
    [
      "another issuer's document",
      discovery,
      Fault.mergePatch({ issuer: "https://evil" }),
      /of the issuer "https:\/\/evil"/
    ],
    ["keys that are none", jwks, Fault.json({ keys: "none" }), /jwks: .*keys/s],
    ["a body without end", jwks, Fault.endlessBody, /jwks: /]
  ]

  it.effect.each(failures)("cannot be had: %s", ([, path, action, reason]) =>
    withFederation(
      Effect.fnUntraced(function* ({ api, workspace }) {
        yield* api.faults.add({ path, times: 1, action })
        const token = yield* api.mintToken({ sub, aud })
        const reply = yield* exchange(workspace, token)
        assert.deepStrictEqual(
          [reply.status, reply.json.error, reply.json.error_description],
          [400, "invalid_request", "The issuer's keys could not be fetched"]
        )
        assert.match(`${(yield* workspace.refusals)[0]?.reason}`, reason)
        // Nothing of a failure is kept.
        assert.strictEqual((yield* exchange(workspace, token)).status, 200)
      })
    )
  )
})
