/** `explain` on stand-ins, each of whose answers was read by a person: golden/ has them as text and as JSON. */
import { describe, it } from "@effect/vitest"
import { DatabricksWorkspace, Fault } from "@flyte-databricks/emulators"
import { Clock, Duration, Effect } from "effect"
import * as Network from "@flyte-databricks/emulators/testing/Network"
import { canaries, onBench, principals } from "./Bench.ts"

const of = (namespace: string, ...more: ReadonlyArray<string>) => ["explain", "--namespace", namespace, ...more]
const withPrincipal = {
  FLYTE_DATABRICKS_CLIENT_ID: principals.connector,
  FLYTE_DATABRICKS_CLIENT_SECRET: canaries.connectorSecret
}
const explicit = (FLYTE_DATABRICKS_AUTH_TYPE: string) => ({ FLYTE_DATABRICKS_AUTH_TYPE })

describe("explain, where all is well,", () => {
  it.live(
    "shows each mode to the end",
    onBench(({ golden, projectToken, tokenFile }) =>
      Effect.gen(function* () {
        yield* golden("explain-pat", of("team-pat"))
        yield* golden("explain-pat-of-connector", of("team-none"), {
          FLYTE_DATABRICKS_ACCESS_TOKEN: canaries.connectorPat
        })
        yield* golden("explain-oauth-m2m", of("team-oauth"))
        yield* golden("explain-oauth-m2m-of-connector", of("team-none"), withPrincipal)
        yield* golden("explain-oidc-namespace", of("team-oidc"))
        yield* projectToken()
        yield* golden("explain-oidc-connector", of("team-none"), {
          FLYTE_DATABRICKS_CLIENT_ID: principals.connector,
          FLYTE_DATABRICKS_OIDC_TOKEN_FILE: tokenFile
        })
        yield* golden("explain-no-exchange", of("team-oidc", "--no-exchange"))
      })
    ),
    60_000
  )
})

describe("explain, where workspaces share a host,", () => {
  it.live(
    "looks at the one that is meant",
    onBench(
      ({ golden, workspace }) =>
        Effect.gen(function* () {
          const instance = { FLYTE_DATABRICKS_INSTANCE: `${workspace.url}/?o=11` }
          yield* golden("explain-unified-host", of("team-oauth"), instance)
          yield* golden("explain-unified-host-outsider", of("team-outside"), instance)
        }),
      { workspace: { unifiedWorkspaces: ["11", "22"] } }
    ),
    60_000
  )
})

describe("explain, where something is wrong,", () => {
  it.live(
    "names what the namespace or the connector lacks",
    onBench(({ golden, projectToken, tokenFile, kubernetes }) =>
      Effect.gen(function* () {
        yield* golden("explain-no-credentials", of("team-none"))
        yield* golden("explain-secret-not-whole", of("team-broken"))
        yield* golden("explain-two-service-accounts", of("team-two"))
        yield* golden("explain-service-account-without-client-id", of("team-unmarked"), withPrincipal)
        yield* golden("explain-half-a-pair", of("team-none"), { FLYTE_DATABRICKS_CLIENT_ID: principals.connector })
        const model1 = {
          ...explicit("oidc_federation"),
          FLYTE_DATABRICKS_CLIENT_ID: principals.connector,
          FLYTE_DATABRICKS_OIDC_TOKEN_FILE: tokenFile
        }
        yield* golden("explain-jwt-file", of("team-none"), model1)
        yield* projectToken({ lifetime: Duration.hours(-1) })
        yield* golden("explain-jwt-expired", of("team-none"), model1)
        yield* kubernetes.setRules([{ effect: "allow" }, { effect: "deny", resources: ["secrets", "serviceaccounts"] }])
        yield* golden("explain-kubernetes-forbids", of("team-oauth"), explicit("oauth_m2m"))
        yield* golden("explain-kubernetes-forbids-auto", of("team-oauth"), withPrincipal)
        yield* kubernetes.setRules([{ effect: "allow" }, { effect: "deny", resources: ["serviceaccounts/token"] }])
        yield* golden("explain-token-request-forbidden", of("team-oidc"))
        yield* kubernetes.setRules([{ effect: "allow" }])
        yield* kubernetes.faults.add({ path: "/api/*", action: Fault.status(503) })
        yield* golden("explain-kubernetes-unavailable", of("team-pat"))
      })
    ),
    60_000
  )

  it.live(
    "names the task's setting, or the operator's",
    onBench(({ golden, files, directory }) =>
      Effect.gen(function* () {
        const task = `${directory}/task.json`
        const custom = (settings: object) =>
          files.writeFileString(task, JSON.stringify({ type: "databricks", custom: settings }))
        yield* custom({ databricksClientId: "another" })
        yield* golden("explain-another-client-id", of("team-oauth", "--task", task))
        yield* golden("explain-task-override", of("team-oauth", "--task", task), {
          FLYTE_DATABRICKS_ALLOW_TASK_AUTH_OVERRIDE: "false"
        })
        yield* custom({ databricksOidcTokenFile: "/etc/passwd" })
        yield* golden("explain-task-token-file", of("team-none", "--task", task), withPrincipal)
        yield* golden("explain-instance-refused", of("team-pat", "--instance", "evil.example.com"))
        yield* golden("explain-instance-missing", of("team-pat"), { FLYTE_DATABRICKS_INSTANCE: undefined })
        yield* golden("explain-namespace-not-served", of("team-pat"), { FLYTE_DATABRICKS_NAMESPACES: "flyte-*" })
        yield* golden("explain-namespace-invalid", of("team-pat"), {
          FLYTE_DATABRICKS_NAMESPACE_TEMPLATE: "{project}-{domain}"
        })
        yield* golden("explain-setting-invalid", of("team-pat"), explicit("saml"))
        yield* golden("explain-shared-refused", of("team-none"), {
          ...withPrincipal,
          FLYTE_DATABRICKS_NAMESPACE_IDENTITY: "require"
        })
      })
    ),
    60_000
  )

  it.live(
    "says what Databricks refuses, and what would mend it",
    onBench(({ golden, workspace }) =>
      Effect.gen(function* () {
        yield* golden("explain-jwt-refused", of("team-unknown"))
        yield* golden("explain-wrong-audience", of("team-audience"))
        yield* golden("explain-client-secret-refused", of("team-wrong"))
        yield* golden("explain-not-in-workspace", of("team-outside"))
        yield* golden("explain-token-not-accepted", of("team-revoked"))
        yield* workspace.faults.add({
          path: "/oidc/v1/token",
          action: Fault.status(429, { headers: { "retry-after": "60" } })
        })
        yield* golden("explain-rate-limited", of("team-oauth"))
        yield* workspace.faults.clear
        yield* workspace.faults.add({ path: "/oidc/v1/token", action: Fault.html(200) })
        yield* golden("explain-login-page", of("team-oauth"))
      })
    ),
    60_000
  )

  it.live(
    "tells an issuer with a trailing slash from one without",
    onBench(
      ({ golden, kubernetes, workspace }) =>
        Effect.gen(function* () {
          for (const { id, issuer, subject, audiences, servicePrincipal } of yield* workspace.federationPolicies) {
            yield* workspace.removeFederationPolicy(id)
            const jwksJson = JSON.stringify(yield* kubernetes.jwks)
            yield* workspace.addFederationPolicy(
              { issuer: issuer.replace(/\/$/, ""), subject, audiences, jwksJson },
              servicePrincipal
            )
          }
          yield* golden("explain-trailing-slash", of("team-oidc"))
        }),
      { kubernetes: { issuer: "https://oidc.eks.invalid/id/ABC/" } }
    ),
    60_000
  )

  it.live(
    "sees that the policy's inline keys are not those of today",
    onBench(({ golden, kubernetes, workspace }) =>
      Effect.gen(function* () {
        const policies = yield* workspace.federationPolicies
        for (const { id, issuer, subject, audiences, servicePrincipal } of policies) {
          yield* workspace.removeFederationPolicy(id)
          const jwksJson = JSON.stringify(yield* kubernetes.jwks)
          yield* workspace.addFederationPolicy({ issuer, subject, audiences, jwksJson }, servicePrincipal)
        }
        yield* kubernetes.rotateSigningKey({ withdraw: true })
        yield* golden("explain-stale-jwks", of("team-oidc"))
      })
    ),
    60_000
  )

  it.live(
    "has one finding where there is no way out",
    onBench(({ golden }) =>
      Effect.gen(function* () {
        // Nobody listens there, as behind a firewall that refuses.
        yield* golden("explain-blocked-egress", of("team-oidc"), { FLYTE_DATABRICKS_INSTANCE: "https://127.0.0.1:1" })
        yield* golden("explain-unknown-host", of("team-oidc"), {
          FLYTE_DATABRICKS_INSTANCE: "workspace.invalid",
          FLYTE_DATABRICKS_ALLOWED_INSTANCES: "workspace.invalid"
        })
      })
    ),
    60_000
  )

  it.live(
    "names the setting for a proxy that opens TLS, and for one that wants a password",
    onBench(({ golden }) =>
      Effect.gen(function* () {
        const host = "dbc-a1b2.cloud.databricks.com"
        // What the proxy shows has a certificate of an authority that nobody named.
        const opened = yield* DatabricksWorkspace.make({ tls: { names: [host] } })
        const proxy = yield* Network.proxy({ hosts: { [`${host}:443`]: opened.url } })
        yield* golden("explain-proxy-opens-tls", of("team-oauth"), {
          FLYTE_DATABRICKS_INSTANCE: host,
          HTTPS_PROXY: proxy.url
        })
        const guarded = yield* Network.proxy({ authorization: "Basic none" })
        yield* golden("explain-proxy-refuses", of("team-oauth"), {
          FLYTE_DATABRICKS_INSTANCE: host,
          HTTPS_PROXY: guarded.url.replace("http://", `http://user:${canaries.proxyPassword}@`)
        })
      }).pipe(Effect.scoped)
    ),
    60_000
  )

  it.live(
    "notices that the clock is wrong",
    onBench(({ golden }) =>
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        const ahead = 10 * 60_000
        yield* golden("explain-clock-skew", of("team-oauth")).pipe(
          Effect.provideService(Clock.Clock, {
            currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + ahead,
            currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + ahead),
            currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
            currentTimeNanos: clock.currentTimeNanos,
            monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
            monotonicTimeNanos: clock.monotonicTimeNanos,
            sleep: (duration) => clock.sleep(duration)
          })
        )
      })
    ),
    60_000
  )
})
