import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { DatabricksWorkspace, KubernetesApi } from "../src/index.ts"
import { basic, bearer, form, formHeaders, get, post, send } from "./support/http.ts"
import { claimsOf } from "./support/kubernetes.ts"

const withWorkspace = <A, E>(test: (url: string) => Effect.Effect<A, E>) =>
  Effect.flatMap(DatabricksWorkspace.DatabricksWorkspace, ({ url }) => test(url)).pipe(
    Effect.provide(DatabricksWorkspace.layer())
  )

const withKubernetes = <A, E>(test: (url: string) => Effect.Effect<A, E>) =>
  Effect.flatMap(KubernetesApi.KubernetesApi, ({ url }) => test(url)).pipe(Effect.provide(KubernetesApi.layer()))

const tokenStatus = (url: string, applicationId: string, secret: string) =>
  Effect.map(
    post(`${url}/oidc/v1/token`, form({ grant_type: "client_credentials", scope: "all-apis" }), {
      ...formHeaders,
      ...basic(applicationId, secret)
    }),
    ({ json, status }) => ({ status, token: json.access_token as string })
  )

const meStatus = (url: string, token: string) =>
  Effect.map(get(`${url}/api/2.0/preview/scim/v2/Me`, bearer(token)), ({ status }) => status)

describe("admin routes of both emulators", () => {
  it.effect("add, list and remove faults", () =>
    withWorkspace(
      Effect.fnUntraced(function* (url) {
        const faults = `${url}/_emulator/faults`
        const rule = {
          method: "GET",
          path: "/api/*",
          times: 1,
          action: { type: "status", status: 503, headers: { "retry-after": "1" } }
        }
        const added = yield* post(faults, rule)
        assert.strictEqual(added.status, 201)
        assert.strictEqual((yield* get(`${url}/api/x`)).status, 503)
        assert.deepStrictEqual((yield* get(faults)).json, { faults: [{ id: added.json.id, used: 1, ...rule }] })
        assert.strictEqual((yield* send("DELETE", `${faults}/${added.json.id}`)).status, 200)
        assert.strictEqual((yield* send("DELETE", `${faults}/${added.json.id}`)).status, 404)
        yield* post(faults, { action: { type: "delay", duration: "2 seconds" } })
        yield* send("DELETE", faults)
        assert.deepStrictEqual((yield* get(faults)).json, { faults: [] })
      })
    )
  )

  it.effect("say what is wrong with a fault", () =>
    withWorkspace(
      Effect.fnUntraced(function* (url) {
        const problem = (body: unknown) =>
          Effect.map(post(`${url}/_emulator/faults`, body), ({ json, status }) => [status, json.error])
        assert.deepStrictEqual(yield* problem("{"), [400, "Invalid request body: it is not JSON"])
        const [status, error] = yield* problem({ pth: "/x", action: { type: "html" } })
        assert.strictEqual(status, 400)
        assert.match(`${error}`, /pth/)
        assert.match(`${(yield* problem({ action: { type: "status", status: 99 } }))[1]}`, /\["action"\]/)
      })
    )
  )

  it.effect("show and clear the recorded requests", () =>
    withWorkspace(
      Effect.fnUntraced(function* (url) {
        yield* get(`${url}/a`)
        yield* post(`${url}/b`, "body")
        const found = yield* get(`${url}/_emulator/requests?method=POST&path=/*`)
        assert.deepStrictEqual(
          found.json.requests.map(({ body, method, path }: Record<string, string>) => [method, path, body]),
          [["POST", "/b", "body"]]
        )
        yield* send("DELETE", `${url}/_emulator/requests`)
        assert.deepStrictEqual((yield* get(`${url}/_emulator/requests`)).json, { requests: [] })
      })
    )
  )

  it.effect("are listed, with those of the emulator itself", () =>
    Effect.gen(function* () {
      const listed = Effect.fnUntraced(function* (url: string) {
        const { json, status } = yield* get(`${url}/_emulator`)
        assert.strictEqual(status, 200)
        return json.routes as Array<string>
      })
      const common = ["GET /_emulator/requests", "POST /_emulator/faults"]
      assert.includeMembers(yield* withWorkspace(listed), [...common, "POST /_emulator/principals/:name/rotate-secret"])
      assert.includeMembers(yield* withKubernetes(listed), [...common, "POST /_emulator/rules"])
    })
  )

  it.effect("are their own, also where they do not exist", () =>
    withWorkspace(
      Effect.fnUntraced(function* (url) {
        const reply = yield* get(`${url}/_emulator/nonsense`)
        assert.deepStrictEqual([reply.status, reply.json], [404, { error: "No admin route GET /_emulator/nonsense" }])
      })
    )
  )
})

describe("admin routes of the workspace", () => {
  it.effect("add principals and rotate and revoke what they log in with", () =>
    withWorkspace(
      Effect.fnUntraced(function* (url) {
        const admin = `${url}/_emulator`
        const { json: sp } = yield* post(`${admin}/service-principals`, { displayName: "team a" })
        const [secret] = sp.secrets
        const { status, token } = yield* tokenStatus(url, sp.applicationId, secret)
        assert.deepStrictEqual([status, yield* meStatus(url, token)], [200, 200])

        assert.deepStrictEqual((yield* post(`${admin}/revoke-tokens`, { principal: sp.applicationId })).json, {
          revoked: 1
        })
        assert.strictEqual(yield* meStatus(url, token), 401)

        const own = `${admin}/principals/${sp.applicationId}`
        const { json: second } = yield* post(`${own}/secrets`, { lifetime: "1 hour" })
        assert.strictEqual((yield* tokenStatus(url, sp.applicationId, second.secret)).status, 200)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual((yield* tokenStatus(url, sp.applicationId, second.secret)).status, 401)

        yield* post(`${own}/rotate-secret`, { secret: "rotated" })
        assert.strictEqual((yield* tokenStatus(url, sp.applicationId, secret)).status, 401)
        assert.strictEqual((yield* tokenStatus(url, sp.applicationId, "rotated")).status, 200)
        yield* post(`${admin}/revoke-secret`, { applicationId: sp.applicationId, secret: "rotated" })
        assert.strictEqual((yield* tokenStatus(url, sp.applicationId, "rotated")).status, 401)

        const { json: ann } = yield* post(`${admin}/users`, { userName: "ann@example.com", pats: ["dapi-1"] })
        assert.deepStrictEqual(ann, { userName: "ann@example.com", pats: ["dapi-1"] })
        const { json: more } = yield* post(`${admin}/principals/ann@example.com/pats`, {})
        assert.deepStrictEqual([yield* meStatus(url, "dapi-1"), yield* meStatus(url, more.pat)], [200, 200])
        yield* post(`${admin}/revoke-pat`, { pat: "dapi-1" })
        assert.deepStrictEqual([yield* meStatus(url, "dapi-1"), yield* meStatus(url, more.pat)], [401, 200])
        yield* send("DELETE", `${admin}/principals/ann@example.com`)
        assert.strictEqual(yield* meStatus(url, more.pat), 401)
        assert.deepStrictEqual(
          (yield* get(`${admin}/principals`)).json.principals.map(({ name }: { name: string }) => name),
          [sp.applicationId]
        )
      })
    )
  )

  it.effect("show runs and decide what becomes of them", () =>
    withWorkspace(
      Effect.fnUntraced(function* (url) {
        const admin = `${url}/_emulator`
        yield* post(`${admin}/users`, { userName: "ann", pats: ["dapi"] })
        yield* send("PUT", `${admin}/run-plans/nightly`, { body: { outcome: "never-ends" } })
        yield* post(
          `${url}/api/2.1/jobs/runs/submit`,
          { run_name: "nightly", existing_cluster_id: "c", notebook_task: { notebook_path: "/x" } },
          bearer("dapi")
        )
        yield* TestClock.adjust("1 day")
        const shown = yield* get(`${admin}/runs`)
        assert.deepInclude(shown.json.runs[0], { runName: "nightly", creator: "ann", lifeCycleState: "RUNNING" })
        assert.include(shown.text, `"runId":9007199254740993,`)
        yield* send("PUT", `${admin}/runs/9007199254740993/plan`, {
          body: { phases: [{ lifeCycleState: "TERMINATED", resultState: "FAILED" }] }
        })
        assert.strictEqual((yield* get(`${admin}/runs`)).json.runs[0].resultState, "FAILED")
        const missing = yield* send("PUT", `${admin}/runs/5/plan`, { body: { outcome: "fails" } })
        assert.deepStrictEqual(
          [missing.status, missing.json.error],
          [404, 'The emulator has no run "5" (known: 9007199254740993)']
        )
      })
    )
  )

  it.effect("add and remove federation policies, and tell why an exchange was refused", () =>
    Effect.gen(function* () {
      const api = yield* KubernetesApi.make({ tls: true })
      const { url } = yield* DatabricksWorkspace.make()
      const admin = `${url}/_emulator`
      const policy = { issuer: api.issuer, subject: "team-a", audiences: ["databricks"] }
      yield* post(`${admin}/service-principals`, { applicationId: "sp-a", secrets: [], federationPolicies: [policy] })
      const { json: added } = yield* post(`${admin}/federation-policies`, {
        ...policy,
        subject: "team-b",
        servicePrincipal: "sp-a"
      })
      const { json: wide } = yield* post(`${admin}/federation-policies`, { issuer: api.issuer })
      const shown = Effect.map(get(`${admin}/federation-policies`), ({ json }) =>
        json.federationPolicies.map((shown: Record<string, unknown>) => [
          shown["id"],
          shown["servicePrincipal"],
          shown["subject"]
        ])
      )
      assert.deepStrictEqual(yield* shown, [
        ["policy-1", "sp-a", "team-a"],
        [added.id, "sp-a", "team-b"],
        [wide.id, undefined, undefined]
      ])
      const token = Redacted.value(yield* api.mintToken({ sub: "team-b", aud: ["databricks"] }))
      const exchange = Effect.map(
        post(
          `${url}/oidc/v1/token`,
          form({
            grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
            subject_token: token,
            client_id: "sp-a",
            scope: "all-apis"
          }),
          formHeaders
        ),
        ({ status }) => status
      )
      assert.strictEqual(yield* exchange, 400)
      assert.strictEqual((yield* post(`${admin}/trust-ca`, { pem: api.caPem })).status, 200)
      assert.strictEqual(yield* exchange, 200)
      assert.deepStrictEqual((yield* send("DELETE", `${admin}/federation-policies/${added.id}`)).json, {
        removed: true
      })
      assert.strictEqual(yield* exchange, 400)
      const { refusals } = (yield* get(`${admin}/refusals`)).json
      assert.deepStrictEqual(
        refusals.map(({ clientId, error }: Record<string, string>) => [clientId, error]),
        [
          ["sp-a", "invalid_request"],
          ["sp-a", "invalid_grant"]
        ]
      )
      assert.strictEqual(refusals[1].reason, 'policy-1: sub is "team-b", not "team-a"')
      assert.strictEqual((yield* post(`${admin}/federation-policies`, { issuer: "x" })).status, 400)
    })
  )

  it.effect("tell missing from malformed from there already", () =>
    withWorkspace(
      Effect.fnUntraced(function* (url) {
        const admin = `${url}/_emulator`
        assert.strictEqual((yield* post(`${admin}/principals/nobody/secrets`, {})).status, 404)
        assert.strictEqual((yield* post(`${admin}/users`, {})).status, 400)
        yield* post(`${admin}/users`, { userName: "ann" })
        assert.strictEqual((yield* post(`${admin}/users`, { userName: "ann" })).status, 409)
        assert.strictEqual((yield* send("PUT", `${admin}/runs/x/plan`, { body: { outcome: "fails" } })).status, 400)
      })
    )
  )
})

describe("admin routes of the Kubernetes API", () => {
  it.effect("set and delete Secrets, add users, and change the rules", () =>
    withKubernetes(
      Effect.fnUntraced(function* (url) {
        const admin = `${url}/_emulator`
        const { json: user } = yield* post(`${admin}/users`, { username: "ann" })
        const read = Effect.map(
          get(`${url}/api/v1/namespaces/ns/secrets/s`, bearer(user.token)),
          ({ json, status }) => [status, json.data?.key]
        )
        assert.deepStrictEqual(yield* read, [404, undefined])
        yield* send("PUT", `${admin}/namespaces/ns/secrets/s`, { body: { data: { key: "value" } } })
        assert.deepStrictEqual(yield* read, [200, btoa("value")])
        assert.deepStrictEqual((yield* get(`${admin}/secrets`)).json, { secrets: ["ns/s"] })

        yield* post(`${admin}/rules`, { effect: "deny", subjects: ["ann"] })
        assert.deepStrictEqual(yield* read, [403, undefined])
        yield* send("PUT", `${admin}/rules`, { body: { rules: [{ effect: "allow", verbs: ["get"] }] } })
        assert.deepStrictEqual(yield* read, [200, btoa("value")])
        assert.deepStrictEqual((yield* get(`${admin}/rules`)).json, { rules: [{ effect: "allow", verbs: ["get"] }] })

        assert.deepStrictEqual((yield* send("DELETE", `${admin}/namespaces/ns/secrets/s`)).json, { deleted: true })
        assert.deepStrictEqual(yield* read, [404, undefined])
        yield* post(`${admin}/revoke-token`, { token: user.token })
        assert.deepStrictEqual(yield* read, [401, undefined])
      })
    )
  )

  it.effect("set, change and delete ServiceAccounts, mint tokens and rotate the key", () =>
    withKubernetes(
      Effect.fnUntraced(function* (url) {
        const admin = `${url}/_emulator`
        const { json: user } = yield* post(`${admin}/users`, { username: "ann" })
        const account = `${admin}/namespaces/ns/serviceaccounts/sa`
        const labels = Effect.map(
          get(`${url}/api/v1/namespaces/ns/serviceaccounts/sa`, bearer(user.token)),
          ({ json, status }) => [status, json.metadata.labels]
        )
        assert.strictEqual((yield* send("PATCH", account, { body: { labels: { a: "b" } } })).status, 404)
        yield* send("PUT", account, { body: { labels: { a: "1", b: "2" }, annotations: { note: "x" } } })
        assert.deepStrictEqual(yield* labels, [200, { a: "1", b: "2" }])
        assert.deepStrictEqual((yield* get(`${admin}/serviceaccounts`)).json, {
          serviceAccounts: ["ns/sa", "ns/default"]
        })
        yield* send("PATCH", account, { body: { labels: { a: null, c: "3" } } })
        assert.deepStrictEqual(yield* labels, [200, { b: "2", c: "3" }])
        assert.deepStrictEqual((yield* send("DELETE", account)).json, { deleted: true })
        assert.strictEqual((yield* labels)[0], 404)

        const { json: minted } = yield* post(`${admin}/mint-token`, {
          sub: "s",
          aud: ["a"],
          lifetime: "10 minutes",
          claims: { email: "ann@example.com" }
        })
        const { aud, email, exp, iss, sub } = claimsOf(minted.token)
        assert.deepStrictEqual([iss, sub, aud, exp, email], [url, "s", ["a"], 600, "ann@example.com"])
        const { json: rotated } = yield* post(`${admin}/rotate-signing-key`, { algorithm: "ES256", withdraw: true })
        assert.deepStrictEqual(
          (yield* get(`${url}/openid/v1/jwks`)).json.keys.map(({ alg, kid }: Record<string, string>) => [alg, kid]),
          [["ES256", rotated.kid]]
        )
      })
    )
  )

  it.effect("refuse a Secret that the API server would refuse", () =>
    withKubernetes(
      Effect.fnUntraced(function* (url) {
        const put = (path: string, data: object) =>
          Effect.map(send("PUT", `${url}/_emulator/namespaces/${path}`, { body: { data } }), ({ json, status }) => [
            status,
            json.error
          ])
        assert.deepStrictEqual(yield* put("ns/secrets/S", {}), [400, 'Invalid Secret: "S" is not a valid name'])
        assert.deepStrictEqual(yield* put("a.b/secrets/s", {}), [400, 'Invalid Secret: "a.b" is not a valid namespace'])
        assert.deepStrictEqual(yield* put("ns/secrets/s", { "a b": "" }), [
          400,
          'Invalid Secret: "a b" is not a valid key'
        ])
      })
    )
  )
})
