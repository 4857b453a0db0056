/**
 * The token cache, as a timeline for each token.
 *
 * @import { Token, Tokens } from "./types.ts"
 */
import { html, nothing } from "/lit-html/lit-html.js"
import { repeat } from "/lit-html/directives/repeat.js"
import { badge } from "./badge.js"

const states = /** @type {const} */ ({
  empty: "none",
  fetching: "fetching",
  fresh: "fresh",
  refreshing: "refreshing",
  expired: "expired",
  failed: "failed"
})

/** @param {Tokens | undefined} told @param {number} now */
export const tokenList = (told, now) => {
  if (told === undefined) return html`<div class="token skeleton" aria-hidden="true"></div>`
  if (told.tokens.length === 0) {
    return html`<p class="empty">
      The cache is empty. Run a job: its token appears here, with the moments of its life. Namespaces that share an
      identity share a token.
    </p>`
  }
  return html`<ul class="tokens">
      ${repeat(
        told.tokens,
        ({ identity }) => `${identity.mode} ${identity.principal} ${identity.source}`,
        (token) => html`<li class="token ${token.state}">${tokenView(token, now)}</li>`
      )}
    </ul>
    <ul class="legend" aria-hidden="true">
      <li class="usable">in use</li>
      <li class="refresh">refresh window</li>
      <li class="buffer">no longer used</li>
    </ul>`
}

/** @param {Token} token @param {number} now */
const tokenView = (token, now) => html`
  <div class="token-top">
    ${badge(token.identity.mode)}
    <span class="state ${token.state}">${states[token.state]}</span>
  </div>
  <p class="source">${token.identity.source}</p>
  <p class="principal">${token.identity.principal}</p>
  ${timeline(token, now)}
  ${token.failure === undefined ? nothing : html`<p class="refusal-detail">${token.failure}</p>`}
`

/** @param {Token} token @param {number} now */
const timeline = ({ issuedAt, refreshAt, usableUntil, expiresAt }, now) => {
  if (issuedAt === undefined || expiresAt === undefined || usableUntil === undefined) return nothing
  /** @param {number} moment */
  const at = (moment) => `${(100 * Math.min(1, Math.max(0, (moment - issuedAt) / (expiresAt - issuedAt)))).toFixed(2)}%`
  return html`<div
      class="timeline"
      aria-hidden="true"
      .style=${`--refresh: ${at(refreshAt ?? usableUntil)}; --usable: ${at(usableUntil)}; --now: ${at(now)}`}
    >
      <span class="usable"></span><span class="refresh"></span><span class="buffer"></span><span class="now"></span>
    </div>
    <dl class="moments">
      <div>
        <dt>Issued</dt>
        <dd>${span(now - issuedAt)} ago</dd>
      </div>
      <div>
        <dt>Refresh</dt>
        <dd>${until(refreshAt ?? usableUntil, now)}</dd>
      </div>
      <div>
        <dt>Expires</dt>
        <dd>${until(expiresAt, now)}</dd>
      </div>
    </dl>`
}

/** @param {number} moment @param {number} now */
const until = (moment, now) => (moment > now ? `in ${span(moment - now)}` : `${span(now - moment)} ago`)

/** @param {number} millis */
const span = (millis) => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  return seconds < 90
    ? `${seconds} s`
    : seconds < 5400
      ? `${Math.round(seconds / 60)} min`
      : `${Math.round(seconds / 3600)} h`
}
