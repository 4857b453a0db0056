/**
 * A URL as `URL.parse` reads it, which Node.js 20 does not have yet; none where the text is no URL.
 */
export const parseUrl = (text: string, base?: string): URL | null =>
  URL.canParse(text, base) ? new URL(text, base) : null
