/** How a server may write the secret that it was sent. */

const form = (text: string) => new URLSearchParams({ v: text }).toString().slice(2)
const base64 = (text: string) => Buffer.from(text).toString("base64")
const hex = (text: string) => Buffer.from(text).toString("hex")
const json = (text: string) => JSON.stringify(text).slice(1, -1)
const units = (text: string, write: (unit: number) => string) =>
  Array.from({ length: text.length }, (_, n) => write(text.charCodeAt(n))).join("")
const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

/** The spellings that are looked for, each with its name. */
export const spellingsOf = (secret: string): ReadonlyArray<readonly [how: string, spelling: string]> => {
  const text = secret.toWellFormed()
  const url = encodeURIComponent(text)
  return [
    ["plain", text],
    ["for a form", form(text)],
    ["for a URL", url],
    ["for a URL, in small letters", url.replaceAll(/%../g, (escape) => escape.toLowerCase())],
    ["for a URL, every byte of it", hex(text).replaceAll(/../g, "%$&")],
    ["for JSON", json(text)],
    ["for JSON, slashes too", json(text).replaceAll("/", "\\/")],
    ["for JSON, every character of it", units(text, (unit) => `\\u${unit.toString(16).padStart(4, "0")}`)],
    ["for JSON in JSON", json(json(text))],
    ["for a URL in JSON", json(url)],
    ["for HTML", text.replaceAll(/[&<>"']/g, (character) => entities[character]!)],
    ["for HTML, every character of it", Array.from(text, (character) => `&#${character.codePointAt(0)};`).join("")],
    ["as base64", base64(text)],
    ["as base64 without its padding", base64(text).replaceAll("=", "")],
    ["as base64url", Buffer.from(text).toString("base64url")],
    ["as base64 for a form", form(base64(text))],
    ["as base64 of what a form has", base64(form(text))],
    ["as HTTP Basic", base64(`${form("app-1")}:${form(text)}`)],
    ["as HTTP Basic, as it is", base64(`app-1:${text}`)],
    ["as HTTP Basic, after a longer client id", base64(`app-12:${text}`)],
    ["as HTTP Basic, after a client id that is longer still", base64(`app-123:${text}`)],
    ["as hexadecimal", hex(text)],
    ["as hexadecimal in capitals", hex(text).toUpperCase()]
  ]
}
