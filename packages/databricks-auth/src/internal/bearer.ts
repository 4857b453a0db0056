/** Longer than any token that is one, and what servers take in a header at most. */
const maxTokenLength = 8192

/**
 * Whether a token can stand in an `Authorization` header. One that cannot would otherwise fail late, in an HTTP client,
 * which may repeat it; and tokens are kept, so that there is a limit to their length.
 */
export const fitsHeader = (token: string): boolean => token.length <= maxTokenLength && /^[\x21-\x7e]+$/.test(token)
