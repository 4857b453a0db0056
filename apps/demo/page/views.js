/**
 * What the page looks like, as a function of its state.
 *
 * @import { Actions, State } from "./main.js"
 * @import { Card, Explanation, Problem } from "./types.ts"
 */
import { html, nothing } from "/lit-html/lit-html.js"
import { repeat } from "/lit-html/directives/repeat.js"
import { badge } from "./badge.js"
import { findings, isShared, places, proof, who } from "./explanation.js"
import { isUnderWay, runView } from "./run.js"
import { tokenList } from "./tokens.js"

const authTypes = [
  { value: "", label: "Auto-detect", says: "The strongest way to log in that a namespace can reach." },
  { value: "oidc_federation", label: "OIDC federation", says: "A token of Kubernetes, exchanged; or an error." },
  { value: "oauth_m2m", label: "OAuth M2M", says: "A client id and secret; or an error." },
  { value: "pat", label: "PAT", says: "A personal access token; or an error." }
]

/** @param {State} state @param {number} now @param {Actions} actions */
export const page = (state, now, actions) => html`
  <header class="top">
    <div class="title">
      <img src="icon.svg" alt="" width="40" height="40" />
      <div>
        <h1>Who runs as whom</h1>
        <p>Each Flyte namespace gets one identity on Databricks, or an error. Never a weaker one instead.</p>
      </div>
    </div>
    ${
      state.platform === undefined
        ? nothing
        : html`<ul class="chips" aria-label="What this runs on">
            <li><code>${state.platform.workspace.replace("http://", "")}</code></li>
            ${state.platform.standIns ? html`<li>stand-ins</li>` : nothing}
            ${state.platform.speed > 1 ? html`<li>clock ×${state.platform.speed}</li>` : nothing}
          </ul>`
    }
  </header>
  ${
    state.offline
      ? html`<p class="banner" role="alert">The service does not answer. The page goes on when it does.</p>`
      : nothing
  }
  ${
    state.problem !== undefined
      ? html`<main class="lonely">
          <h2>${state.problem.title}</h2>
          <p>${state.problem.detail}</p>
          <button type="button" @click=${actions.start}>Try again</button>
        </main>`
      : html`<main>
          <section aria-labelledby="namespaces">
            <div class="heading">
              <h2 id="namespaces">Namespaces</h2>
              <p class="summary" role="status">${summary(state)}</p>
            </div>
            ${modeSwitch(state, actions)} ${state.platform === undefined ? skeletons : cards(state, actions)}
          </section>
          <section class="side" aria-labelledby="tokens">
            <div class="heading"><h2 id="tokens">Tokens</h2></div>
            ${tokenList(state.tokens, now)}
          </section>
        </main>`
  }
`

/** @param {State} state */
const summary = ({ cards }) => {
  const refused = cards.filter(isRefused).length
  if (cards.length === 0 || cards.some(isLoading)) {
    return ""
  }
  return refused === 0
    ? `All ${cards.length} have an identity.`
    : `${cards.length - refused} of ${cards.length} have an identity; ${refused} refused, and nothing weaker tried.`
}

/** @param {State} state @param {Actions} actions */
const modeSwitch = ({ authType }, actions) => html`
  <fieldset class="switch">
    <legend>Auth type</legend>
    <div class="options">
      ${authTypes.map(
        ({ value, label }) =>
          html`<label>
            <input
              type="radio"
              name="auth-type"
              value=${value}
              .checked=${authType === value}
              aria-describedby="auth-type-says"
              @change=${() => actions.setAuthType(value)}
            />
            <span>${label}</span>
          </label>`
      )}
    </div>
    <p id="auth-type-says">${authTypes.find(({ value }) => value === authType)?.says}</p>
  </fieldset>
`

const skeletons = html`
  <p class="hidden" role="status">Loading the namespaces</p>
  <div class="cards" aria-hidden="true">${[0, 1, 2, 3].map(() => html`<div class="card skeleton"></div>`)}</div>
`

/** @param {State} state @param {Actions} actions */
const cards = (state, actions) => html`
  ${
    state.cards.length === 0
      ? html`<p class="empty">No namespace is shown yet. Name one to see who it would be.</p>`
      : html`<ul class="cards">
          ${repeat(
            refusedFirst(state.cards),
            ({ name }) => name,
            (card) => html`<li>${cardView(card, state, actions)}</li>`
          )}
        </ul>`
  }
  ${addNamespace(actions)}
`

/** @param {Card} card */
const isLoading = ({ explanation, problem }) => explanation === undefined && problem === undefined

/** @param {Card} card */
const isRefused = ({ explanation, problem }) => problem !== undefined || explanation?.identity === null

/**
 * What wants a hand comes first, once all is known: cards do not change places under the reader's eyes before.
 *
 * @param {ReadonlyArray<Card>} cards
 */
const refusedFirst = (cards) =>
  cards.some(isLoading) ? cards : cards.toSorted((a, b) => Number(isRefused(b)) - Number(isRefused(a)))

/**
 * Whether a namespace brings something that is not used, since something stronger is.
 *
 * @param {Card} card
 */
const isPassedOver = ({ brings, explanation }) =>
  brings !== undefined && brings !== "Nothing" && explanation?.identity != null && isShared(explanation.identity)

/** @param {Card} card @param {State} state @param {Actions} actions */
const cardView = (card, state, actions) => {
  const { name, explanation, problem, proof, run } = card
  const loading = isLoading(card)
  const identity = explanation?.identity ?? undefined
  return html`<article
    class="card ${isRefused(card) ? "refused" : ""}"
    aria-labelledby="namespace-${name}"
    aria-busy=${loading ? "true" : "false"}
  >
    <div class="card-top">
      <h3 id="namespace-${name}">${name}</h3>
      ${identity !== undefined ? badge(identity.mode) : nothing}
      ${isRefused(card) ? html`<span class="badge error">Refused</span>` : nothing}
    </div>
    ${
      card.brings === undefined
        ? nothing
        : html`<p class="brings">
            Brings: ${card.brings}${isPassedOver(card) ? html`<span class="unused">not used</span>` : nothing}
          </p>`
    }
    ${loading ? html`<div class="pending"><span class="hidden">Looking</span></div>` : nothing}
    ${explanation !== undefined ? explained(name, explanation, proof === "there") : nothing}
    ${problem !== undefined ? refusal(problem) : nothing} ${run === undefined ? nothing : runView(run, identity, state)}
    <div class="buttons">
      ${
        isRefused(card)
          ? html`<button type="button" @click=${() => actions.explain(name)}>
              Look again<span class="hidden"> at ${name}</span>
            </button>`
          : html`<button
              type="button"
              class="primary"
              ?disabled=${loading || isUnderWay(run)}
              @click=${() => actions.run(name)}
            >
              ${run === undefined ? "Run a job" : "Run another"}<span class="hidden"> as ${name}</span>
            </button>`
      }
      ${
        identity === undefined
          ? nothing
          : html`<button type="button" ?disabled=${proof === "asked"} @click=${() => actions.prove(name)}>
              ${proof === "asked" ? "Proving" : proof === "there" ? "Prove it again" : "Prove it"}<span class="hidden">
                that ${name} works</span
              >
            </button>`
      }
      ${
        run?.submitted !== undefined && isUnderWay(run)
          ? html`<button
              type="button"
              ?disabled=${run.cancelling}
              @click=${() => actions.cancel(name, run.submitted?.runId ?? "")}
            >
              ${run.cancelling ? "Cancelling" : "Cancel"}<span class="hidden"> the run of ${name}</span>
            </button>`
          : nothing
      }
    </div>
  </article>`
}

/** @param {string} name @param {Explanation} explanation @param {boolean} proved */
const explained = (name, explanation, proved) => [
  explanation.identity === null ? nothing : who(explanation.identity),
  proved ? nothing : findings(explanation),
  places(name, explanation.looked),
  proved ? proof(name, explanation) : nothing
]

/** @param {Problem} problem */
const refusal = ({ title, detail }) => html`
  <div class="refusal">
    <p class="refusal-title">${title}</p>
    <p class="refusal-detail">${detail}</p>
  </div>
`

/** @param {Actions} actions */
const addNamespace = (actions) => html`
  <form
    class="add"
    @submit=${(/** @type {SubmitEvent} */ event) => {
      event.preventDefault()
      const form = /** @type {HTMLFormElement} */ (event.target)
      const name = String(new FormData(form).get("namespace")).trim()
      if (name !== "") actions.add(name)
      form.reset()
    }}
  >
    <label for="another">Another namespace</label>
    <input id="another" name="namespace" autocomplete="off" spellcheck="false" placeholder="team-production" required />
    <button type="submit">Look it up</button>
  </form>
`
