/**
 * A run, as its card shows it.
 *
 * @import { State } from "./main.js"
 * @import { CardRun, Identity } from "./types.ts"
 */
import { html, nothing } from "/lit-html/lit-html.js"
import { badge } from "./badge.js"

/** @param {CardRun | undefined} run */
export const isUnderWay = (run) => run !== undefined && run.problem === undefined && run.progress?.ended !== true

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
export const runView = ({ submitted, progress, problem }, identity, state) => {
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
