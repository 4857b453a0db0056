/**
 * How the connector is doing, for people: a page with links, and `/statusz`, the state of each token as JSON. No secret is
 * in it, but who is served is: it is for who sits in the pod, and for who has a token.
 */
import type { ConnectorSecrets, TokenStatus } from "@flyte-databricks/databricks-auth"
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as LiveSecrets from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { version } from "../Version.ts"

/** The states of the tokens, once there are any. */
export const Tokens = Context.Reference<Effect.Effect<ReadonlyArray<TokenStatus.TokenStatus>>>(
  "@flyte-databricks/connector/telemetry/Tokens",
  { defaultValue: () => Effect.succeed([]) }
)

/** The secret by which `/statusz` is shown beyond the pod. */
export const tokenName = "FLYTE_DATABRICKS_STATUSZ_TOKEN"

/** Looks that secret up as all secrets of the connector. */
export const token = (secrets: ConnectorSecrets.ConnectorSecrets["Service"]) =>
  Effect.map(
    secrets.find(tokenName),
    Option.map(({ value }) => LiveSecrets.add(value))
  )

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

const loopbackHosts = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i
const loopbackPeers = new Set(["127.0.0.1", "::1", "::ffff:127.0.0.1"])

// A page in a browser may have its name resolve to this address, and a proxy in the pod brings strangers from loopback.
const isLocal = ({ headers, socket }: IncomingMessage): boolean =>
  loopbackPeers.has(socket.remoteAddress ?? "") &&
  loopbackHosts.test(headers.host ?? "") &&
  !["forwarded", "x-forwarded-for", "origin"].some((name) => name in headers) &&
  ["none", "same-origin", undefined].includes(headers["sec-fetch-site"] as string | undefined)

/** Whether `/statusz` is for who asks, or the status of a refusal. */
export const admit = (
  request: IncomingMessage,
  expected: Option.Option<Redacted.Redacted<string>>
): 200 | 401 | 403 => {
  const [, given] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "") ?? []
  if (given !== undefined) {
    return Option.exists(expected, (secret) => timingSafeEqual(digest(given), digest(Redacted.value(secret))))
      ? 200
      : 401
  }
  if (isLocal(request)) return 200
  return Option.isSome(expected) ? 401 : 403
}

/** How many tokens an answer has. */
export const most = 1000
const byDefault = 200

const isFailing = ({ failure, state }: TokenStatus.TokenStatus): boolean =>
  failure !== undefined || state === "failed" || state === "expired"

const instant = (millis: number | undefined) =>
  millis === undefined ? undefined : DateTime.formatIso(DateTime.makeUnsafe(millis))

const shown = (text: string): string => printable(text, { maxLength: 300, as: "value" })

const describe = ({ identity, state, lastUsedAt, failure, ...times }: TokenStatus.TokenStatus) => ({
  authType: identity.authType,
  principal: shown(identity.principal),
  origin: shown(identity.source),
  instance: shown(identity.instance),
  state,
  lastUsedAt: instant(lastUsedAt),
  issuedAt: instant(times.issuedAt),
  refreshAt: instant(times.refreshAt),
  usableUntil: instant(times.usableUntil),
  expiresAt: instant(times.expiresAt),
  retryAt: instant(times.retryAt),
  ...(failure === undefined ? {} : { failure: printable(failure, { maxLength: 300 }) })
})

const page = (query: URLSearchParams) => {
  const whole = (name: string, otherwise: number) =>
    /^\d{1,6}$/.test(query.get(name) ?? "") ? Number(query.get(name)) : otherwise
  return { offset: whole("offset", 0), limit: Math.min(whole("limit", byDefault), most) }
}

/** What is counted and has a bounded number of values, as the metrics have it. */
const gauges = Effect.map(Metric.snapshot, (metrics) =>
  metrics.flatMap(({ attributes, id, state }) =>
    "value" in state ? [{ id, label: Object.values(attributes ?? {})[0] ?? "", value: Number(state.value) }] : []
  )
)

/** `/statusz`: what fails comes first. */
export const statusz = Effect.fnUntraced(function* (startedAt: number, health: string, query: URLSearchParams) {
  const now = yield* DateTime.now
  const tokens = yield* yield* Tokens
  const all = yield* gauges
  const { limit, offset } = page(query)
  const sorted = [...tokens.filter(isFailing), ...tokens.filter((status) => !isFailing(status))]
  const states: Record<string, number> = {}
  for (const { state } of tokens) states[state] = (states[state] ?? 0) + 1
  return {
    version,
    node: process.versions.node,
    startedAt: instant(startedAt),
    uptimeSeconds: Math.round((DateTime.toEpochMillis(now) - startedAt) / 1000),
    health,
    runsFollowed: all.find(({ id }) => id === "flyte_databricks_runs_followed")?.value ?? 0,
    auditFailing: all.some(({ id, value }) => id === "flyte_databricks_audit_failing" && value > 0),
    circuits: Object.fromEntries(
      all.flatMap(({ id, label, value }) =>
        id === "flyte_databricks_circuit_open" ? [[label, value > 0 ? "open" : "closed"]] : []
      )
    ),
    tokens: { total: tokens.length, failing: tokens.filter(isFailing).length, states },
    offset,
    ...(offset + limit < tokens.length ? { next: `/statusz?offset=${offset + limit}&limit=${limit}` } : {}),
    list: sorted.slice(offset, offset + limit).map(describe)
  }
})

/** `/`: nothing of who is served. */
export const index = (startedAt: number, now: number, health: string): string =>
  `<!doctype html><meta charset="utf-8"><title>Flyte Databricks connector</title>
<h1>Flyte Databricks connector</h1>
<p>Version ${version}, Node.js ${process.versions.node}
<p>Up for ${Math.round((now - startedAt) / 1000)} s, health: ${health}
<ul>
<li><a href="/metrics">/metrics</a>, for Prometheus
<li><a href="/statusz">/statusz</a>, the states of tokens as JSON: from loopback, or with a token
</ul>
`
