/**
 * What is published, and what of it. `npm run build:packages` makes it, `npm run test:packages` installs it as a stranger does.
 */
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..")

/** Where the packages are built. */
export const built = join(root, "dist/packages")

export interface Published {
  /** The folder in `packages/`, and the name after the scope. */
  readonly name: string
  /** The oldest Node.js on which it runs. */
  readonly node: string
  /** Whether a module that nobody imports from may be left out of a bundle. */
  readonly sideEffects: boolean
  /** Folders of `src` for this repository's own tests. */
  readonly leaveOut?: ReadonlyArray<string>
  /** What else is published beside `src`. */
  readonly also?: ReadonlyArray<string>
}

/** Each after those that it imports. */
export const packages: ReadonlyArray<Published> = [
  { name: "databricks-auth", node: ">=20.10", sideEffects: false },
  { name: "databricks-jobs", node: ">=20.10", sideEffects: false },
  { name: "flyte-protocol", node: ">=20.10", sideEffects: false, also: ["gen"] },
  // undici 8 needs 22.19.
  { name: "databricks-http", node: ">=22.19", sideEffects: false },
  { name: "diagnosis", node: ">=22.19", sideEffects: false },
  { name: "kubernetes", node: ">=22.19", sideEffects: false, leaveOut: ["testing"] },
  // As undici, by way of `@effect/platform-node`. It imports `reflect-metadata` for what that does.
  { name: "emulators", node: ">=22.19", sideEffects: true, leaveOut: ["testing"] }
]

/** The scope of all of them. */
export const scope = "@flyte-databricks"
