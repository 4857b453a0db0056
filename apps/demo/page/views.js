/**
 * What the page looks like, as a function of its state.
 *
 * @import { Actions, State } from "./main.js"
 * @import { Card, CardRun, Finding, Identity, Problem } from "./types.ts"
 */
import { html, nothing } from "/lit-html/lit-html.js"
import { repeat } from "/lit-html/directives/repeat.js"
import { badge } from "./badge.js"
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
  const refused = cards.filter(({ problem }) => problem !== undefined).length
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
const isLoading = ({ resolved, problem }) => resolved === undefined && problem === undefined

/**
 * What wants a hand comes first, once all is known: cards do not change places under the reader's eyes before.
 *
 * @param {ReadonlyArray<Card>} cards
 */
const refusedFirst = (cards) =>
  cards.some(isLoading)
    ? cards
    : cards.toSorted((a, b) => Number(b.problem !== undefined) - Number(a.problem !== undefined))

/** @param {Identity} identity */
const isShared = ({ mode, source }) => mode === "oidc_connector" || source === "connector"

/**
 * Whether a namespace brings something that is not used, since something stronger is.
 *
 * @param {Card} card
 */
const isPassedOver = ({ brings, resolved }) =>
  brings !== undefined && brings !== "Nothing" && resolved !== undefined && isShared(resolved.identity)

/** @param {Card} card @param {State} state @param {Actions} actions */
const cardView = (card, state, actions) => {
  const { name, resolved, problem, run } = card
  const loading = isLoading(card)
  return html`<article
    class="card ${problem === undefined ? "" : "refused"}"
    aria-labelledby="namespace-${name}"
    aria-busy=${loading ? "true" : "false"}
  >
    <div class="card-top">
      <h3 id="namespace-${name}">${name}</h3>
      ${resolved !== undefined ? badge(resolved.identity.mode) : nothing}
      ${problem !== undefined ? html`<span class="badge error">Refused</span>` : nothing}
    </div>
    ${
      card.brings === undefined
        ? nothing
        : html`<p class="brings">
            Brings: ${card.brings}${isPassedOver(card) ? html`<span class="unused">not used</span>` : nothing}
          </p>`
    }
    ${loading ? html`<div class="pending"><span class="hidden">Looking</span></div>` : nothing}
    ${resolved !== undefined ? [who(resolved.identity), chain(name, resolved.explanation)] : nothing}
    ${problem !== undefined ? refusal(name, problem) : nothing}
    ${run === undefined ? nothing : runView(run, resolved?.identity, state)}
    <div class="buttons">
      ${
        problem !== undefined
          ? html`<button type="button" @click=${() => actions.resolve(name)}>
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

/** @param {Identity} identity */
const who = (identity) => html`
  <dl class="who">
    <dt>Runs as</dt>
    <dd class="source">${isShared(identity) ? `${identity.source}, shared by namespaces` : identity.source}</dd>
    <dd class="principal">${identity.principal}</dd>
  </dl>
`

// Where there is little room it is folded.
const isPhone = matchMedia("(max-width: 34rem)")

const outcomes = /** @type {const} */ ({
  used: "used",
  absent: "nothing there",
  forbidden: "forbidden",
  skipped: "skipped",
  failed: "failed"
})

/** @param {string} name @param {ReadonlyArray<Finding>} findings */
const chain = (name, findings) => html`<details class="looked" ?open=${!isPhone.matches}>
  <summary id="chain-${name}">Looked for, strongest first</summary>
  <ol class="chain" aria-labelledby="chain-${name}">
    ${findings.map(
      ({ source, outcome, detail }) =>
        html`<li class=${outcome}>
          <span class="outcome">${outcomes[outcome]}</span>
          <span class="place">${source}</span>
          ${detail === undefined ? nothing : html`<span class="detail">${detail}</span>`}
        </li>`
    )}
  </ol>
</details>`

/** @param {string} name @param {Problem} problem */
const refusal = (name, { title, detail, findings }) => html`
  <div class="refusal">
    <p class="refusal-title">${title}</p>
    ${
      findings === undefined
        ? html`<p class="refusal-detail">${detail}</p>`
        : html`${chain(name, findings)}
            <details>
              <summary>What to do</summary>
              <p class="refusal-detail">${detail}</p>
            </details>`
    }
  </div>
`

/** @param {CardRun | undefined} run */
const isUnderWay = (run) => run !== undefined && run.problem === undefined && run.progress?.ended !== true

const steps = ["Queued", "Starting", "Running"]
const stepOf = /** @type {const} */ ({
  QUEUED: 0,
  WAITING_FOR_RESOURCES: 0,
  INITIALIZING: 1,
  RUNNING: 2,
  SUCCEEDED: 3,
  FAILED: 3,
  RETRYABLE_FAILED: 3
})
const ends = /** @type {Readonly<Record<string, string>>} */ ({
  SUCCEEDED: "Succeeded",
  FAILED: "Failed",
  RETRYABLE_FAILED: "Failed"
})

/** @param {Identity} one @param {Identity | undefined} other */
const isSame = (one, other) => one.mode === other?.mode && one.principal === other.principal

/** @param {CardRun} run @param {Identity | undefined} identity  Who the namespace is now. @param {State} state */
const runView = ({ submitted, progress, problem }, identity, state) => {
  const step = progress === undefined ? -1 : stepOf[progress.phase]
  const end = progress === undefined ? undefined : ends[progress.phase]
  return html`<div class="run ${problem === undefined ? (end ?? "").toLowerCase() : "failed"}">
    <ol class="steps" aria-hidden="true">
      ${[...steps, end ?? "Ended"].map(
        (label, index) =>
          html`<li class=${index < step || step === 3 ? "done" : index === step ? "now" : ""}>${label}</li>`
      )}
    </ol>
    <p role="status">
      ${
        problem !== undefined
          ? html`<strong>${problem.title}.</strong> ${problem.detail}`
          : html`<strong>${end ?? steps[step] ?? "Submitting"}</strong>${
                end === "Failed" && progress?.message ? html`<span class="said">${progress.message}</span>` : nothing
              }${
                submitted === undefined
                  ? nothing
                  : html`<span class="run-id">run ${submitted.runId}</span>${
                        isSame(submitted.identity, identity)
                          ? nothing
                          : html`<span class="run-as">
                              ${badge(submitted.identity.mode)} It was submitted as ${submitted.identity.source},
                              <span class="principal">${submitted.identity.principal}</span>, and stays that.
                            </span>`
                      }`
              }`
      }
      ${
        progress?.page !== undefined && state.platform?.standIns === false
          ? html`<a href=${progress.page} target="_blank" rel="noreferrer">Look at it in Databricks</a>`
          : nothing
      }
    </p>
  </div>`
}

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
