/**
 * Compilers, runtimes and linters that the packages are held against, as the lock file beside this names them. They are
 * apart from the repository's own, whose versions they are not.
 */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./packages.ts"

const here = join(root, "tools/packages")

/** Where they are installed. */
export const tools = join(here, "node_modules")

/** Installs them, unless those of this lock file are there. */
export const installTools = (): void => {
  const lock = createHash("sha256")
    .update(readFileSync(join(here, "package-lock.json")))
    .digest("hex")
  const mark = join(tools, ".installed")
  if (existsSync(mark) && readFileSync(mark, "utf8") === lock) return
  execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: here,
    encoding: "utf8",
    stdio: "pipe"
  })
  writeFileSync(mark, lock)
}
