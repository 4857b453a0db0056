/** Foreign text as a message may carry it: on one line, without control characters, and not too much of it. */
export const printable = (foreign: string, maxLength: number): string => {
  // Cut first, so that no time is spent on cleaning megabytes.
  const cut = foreign.slice(0, maxLength + 1)
  const clean = cut.replace(/[\s\p{Cc}]+/gu, " ").trim()
  // Half a surrogate pair is no character, and protocol buffers refuse it.
  if (cut.length <= maxLength) return clean.toWellFormed()
  const head = clean.slice(0, maxLength)
  return `${/[\uD800-\uDBFF]$/.test(head) ? head.slice(0, -1) : head}…`.toWellFormed()
}
