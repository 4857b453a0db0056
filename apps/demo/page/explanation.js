/**
 * Who a namespace would be and why, as `connector explain` says it: the places, the proof, and what is wrong with its
 * repair.
 *
 * @import { Entry, Explanation, Finding, Identity, Setting } from "./types.ts"
 */
import { html, nothing } from "/lit-html/lit-html.js"

/** @param {Identity} identity */
export const isShared = ({ mode, source }) => mode === "oidc_connector" || source === "connector"

/** @param {Identity} identity */
export const who = (identity) => html`
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

/** @param {string} name @param {ReadonlyArray<Finding>} looked */
export const places = (name, looked) =>
  looked.length === 0
    ? nothing
    : html`<details class="looked" ?open=${!isPhone.matches}>
        <summary id="chain-${name}">Looked for, strongest first</summary>
        <ol class="chain" aria-labelledby="chain-${name}">
          ${looked.map(
            ({ source, outcome, detail }) =>
              html`<li class=${outcome}>
                <span class="outcome">${outcomes[outcome]}</span>
                <span class="place">${source}</span>
                ${
                  // What failed is told where its finding is.
                  detail === undefined || outcome === "failed" ? nothing : html`<span class="detail">${detail}</span>`
                }
              </li>`
          )}
        </ol>
      </details>`

/** What is wrong, before anything is proved. @param {Explanation} explanation */
export const findings = ({ checks }) => {
  const wrong = checks.filter(({ status }) => status !== "ok")
  return wrong.length === 0
    ? nothing
    : html`<ul class="checks">
        ${wrong.map(finding)}
      </ul>`
}

/** Everything that was looked at. @param {string} name @param {Explanation} explanation */
export const proof = (name, { checks, settings }) => html`
  <section class="proof" aria-label="Proof of ${name}">
    <ul class="checks">
      ${checks.map((entry) => (entry.code === undefined || entry.status === "skipped" ? passed(entry) : finding(entry)))}
    </ul>
    ${settingList(settings)}
  </section>
`

/** @param {Entry} entry */
const passed = ({ check, status, text, facts }) => html`<li class=${status}>
  <p class="check"><span class="mark">${status}</span> ${check}</p>
  <p>${text}</p>
  ${facts === undefined ? nothing : factList(facts)}
</li>`

/** @param {Entry} entry */
const finding = ({ check, status, code, text, facts, repair, command, see }) => {
  const [, what = text, more = ""] = /^(.+?\.)(?: |\n)(.*)$/s.exec(text) ?? []
  const isLong = more.includes("\n")
  return html`<li class=${status}>
    <p class="check"><span class="mark">${status}</span> ${check} <code>${code}</code></p>
    <p class="what">${what}</p>
    ${more === "" || isLong ? nothing : html`<p class="more">${more}</p>`}
    ${facts === undefined ? nothing : factList(facts)}
    ${repair === undefined ? nothing : html`<p class="repair"><strong>To mend it:</strong> ${repair}</p>`}
    ${
      isLong || command !== undefined
        ? html`<details>
            <summary>What to do</summary>
            ${isLong ? html`<p class="more">${more}</p>` : nothing}
            ${command === undefined ? nothing : html`<pre tabindex="0">${command}</pre>`}
          </details>`
        : nothing
    }
    ${see === undefined ? nothing : html`<p class="see">See <code>${see}</code></p>`}
  </li>`
}

/** @param {Readonly<Record<string, string>>} facts */
const factList = (facts) => html`<dl class="facts">
  ${Object.entries(facts).map(
    ([name, value]) =>
      html`<dt>${name}</dt>
        <dd>${value}</dd>`
  )}
</dl>`

/** @param {ReadonlyArray<Setting>} settings */
const settingList = (settings) =>
  settings.length === 0
    ? nothing
    : html`<details class="settings">
        <summary>Settings, and what says so</summary>
        <dl class="facts">
          ${settings.map(
            ({ setting, value, source }) =>
              html`<dt>${setting}</dt>
                <dd>${value} <span class="detail">${source}</span></dd>`
          )}
        </dl>
      </details>`
