/**
 * Which connector this is. The bundle is given its commit when it is built; run from the sources it has none.
 */
import manifest from "../package.json" with { type: "json" }

declare const BUILD_COMMIT: string | undefined

/** A semantic version, with the commit as its build metadata: `0.1.0+4f2a9c1d0b7e`, or `0.1.0+dev` from the sources. */
export const version = `${manifest.version}+${typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "dev"}`
