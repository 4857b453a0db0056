/** The version of this package, as its manifest says it. The manifest itself is no module everywhere. */
export const version = "0.1.0"
