/**
 * The page's state, and what changes it.
 *
 * @import { Card, CardRun, Platform, Problem, Tokens } from "./types.ts"
 */
import { render } from "/lit-html/lit-html.js"
import * as api from "./api.js"
import { page } from "./views.js"

/**
 * @typedef {object} State
 * @property {Platform | undefined} platform
 * @property {Problem | undefined} problem  Why there is no platform.
 * @property {string} authType  Blank: auto-detect.
 * @property {ReadonlyArray<Card>} cards
 * @property {Tokens | undefined} tokens
 * @property {number} tokensAt  When they were told, on the page's clock.
 * @property {boolean} offline
 */

/** @type {State} */
let state = {
  platform: undefined,
  problem: undefined,
  authType: "",
  cards: [],
  tokens: undefined,
  tokensAt: 0,
  offline: false
}

const root = /** @type {HTMLElement} */ (document.getElementById("app"))

/** The service's clock, which may run faster than the reader's. */
const now = () =>
  state.tokens === undefined
    ? 0
    : state.tokens.now + (performance.now() - state.tokensAt) * (state.platform?.speed ?? 1)

const draw = () => render(page(state, now(), actions), root)

/** @param {Partial<State>} change */
const set = (change) => {
  state = { ...state, ...change }
  draw()
}

/** @param {string} name @param {(card: Card) => Partial<Card>} change */
const setCard = (name, change) =>
  set({ cards: state.cards.map((card) => (card.name === name ? { ...card, ...change(card) } : card)) })

/** @param {string} name @param {Partial<CardRun>} change */
const setRun = (name, change) =>
  setCard(name, ({ run }) => ({
    run: { submitted: undefined, progress: undefined, problem: undefined, cancelling: false, ...run, ...change }
  }))

/** @param {string} name @param {"yes" | "no"} proof */
const explain = async (name, proof) => {
  const { authType } = state
  const [explanation, problem] = await api.explanation(name, authType, proof).then(
    (explanation) => /** @type {const} */ ([explanation, undefined]),
    (error) => /** @type {const} */ ([undefined, api.problemOf(error)])
  )
  // An answer to a question that is no longer asked.
  if (state.authType !== authType) return
  setCard(name, () => ({ explanation, problem, proof: proof === "yes" && problem === undefined ? "there" : "none" }))
}

/** @param {string} name */
const run = async (name) => {
  setCard(name, () => ({ run: undefined }))
  setRun(name, {})
  try {
    const submitted = await api.submit(name, state.authType)
    setRun(name, { submitted })
    void refreshTokens()
    for await (const progress of api.follow(submitted.runId)) setRun(name, { progress })
  } catch (error) {
    setRun(name, { problem: api.problemOf(error) })
  }
}

const actions = {
  /** @param {string} authType */
  setAuthType: (authType) => {
    set({ authType })
    actions.explainAll()
  },
  explainAll: () => state.cards.forEach(({ name }) => void actions.explain(name)),
  /** @param {string} name */
  explain: (name) => {
    setCard(name, () => ({ explanation: undefined, problem: undefined, proof: "none" }))
    return explain(name, "no")
  },
  /** @param {string} name */
  prove: async (name) => {
    setCard(name, () => ({ proof: "asked" }))
    await explain(name, "yes")
    void refreshTokens()
  },
  run,
  /** @param {string} name @param {string} runId */
  cancel: async (name, runId) => {
    setRun(name, { cancelling: true })
    await api.cancel(runId).catch((error) => setRun(name, { problem: api.problemOf(error) }))
  },
  /** @param {string} name */
  add: (name) => {
    if (state.cards.every((card) => card.name !== name)) set({ cards: [...state.cards, cardOf(name)] })
    void actions.explain(name)
  },
  start: async () => {
    set({ problem: undefined })
    try {
      const platform = await api.platform()
      set({ platform, cards: platform.namespaces.map(({ name, brings }) => cardOf(name, brings)) })
      actions.explainAll()
    } catch (error) {
      set({ problem: api.problemOf(error) })
    }
  }
}

/** @typedef {typeof actions} Actions */

/** @param {string} name @param {string} [brings] @returns {Card} */
const cardOf = (name, brings) => ({
  name,
  brings,
  explanation: undefined,
  problem: undefined,
  proof: "none",
  run: undefined
})

const refreshTokens = async () => {
  if (state.platform === undefined) return
  try {
    set({ tokens: await api.tokens(), tokensAt: performance.now(), offline: false })
  } catch {
    set({ offline: true })
  }
}

draw()
void actions.start().then(refreshTokens)
setInterval(refreshTokens, 1000)
setInterval(draw, 200)
