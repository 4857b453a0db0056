/**
 * Text of a server, made fit for a message: without the credentials it was sent, on one line, and not too long.
 */
const maxLength = 500

/** What the server said, as far as it may be shown. */
export const presentable = (text: string, sentHeaders: Readonly<Record<string, string>>): string => {
  const credentials = sentHeaders["authorization"]?.replace(/^\S+ +/, "") ?? ""
  const safe = credentials === "" ? text : text.replaceAll(credentials, "<redacted>")
  const line = safe.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim()
  return line.length > maxLength ? `${line.slice(0, maxLength)}…` : line
}
