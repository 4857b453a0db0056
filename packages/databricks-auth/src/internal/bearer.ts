/**
 * Whether a token can stand in an `Authorization` header. One that cannot would otherwise fail late, in an HTTP client,
 * which may repeat it.
 */
export const fitsHeader = (token: string): boolean => /^[\x21-\x7e]+$/.test(token)
