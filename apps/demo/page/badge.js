/**
 * A mode's name, in its colour.
 *
 * @import { Identity } from "./types.ts"
 */
import { html } from "/lit-html/lit-html.js"

/** @type {Readonly<Record<string, string>>} */
const modes = {
  oidc_namespace: "OIDC, Model 2",
  oidc_connector: "OIDC, Model 1",
  oauth_m2m: "OAuth M2M",
  pat: "PAT"
}

/** @param {Identity["mode"]} mode */
export const badge = (mode) => html`<span class="badge ${mode}">${modes[mode] ?? mode}</span>`
